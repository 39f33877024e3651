"""Number formats, time and memory on a device, for all sections."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable

import torch

from utils.precision import computes_bfloat16


def choose_precisions(device: torch.device) -> tuple[str, ...]:
    """The number formats to measure: on CUDA one of 16 bits first, bf16 where the device has arithmetic for it."""
    if device.type != "cuda":
        return ("fp32",)
    return ("bf16" if computes_bfloat16(device) else "fp16", "tf32")


def synchronise(device: torch.device) -> None:
    """Wait until a device has done all that it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def free_memory(device: torch.device) -> None:
    """Give back what earlier measurements left, so that it does not count in the next one."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.empty_cache()


def median_seconds(work: Callable[[], object], device: torch.device, repeats: int = 10, warmups: int = 3) -> float:
    """Measure the median seconds of a call; on CUDA as its own clock (events) counts them.

    Args:
        work: the call.
        device: the device that it computes on, which is the current one.
        repeats: the number of calls that count.
        warmups: the number of calls before them, in which libraries choose their ways.
    """
    for _ in range(warmups):
        work()
    synchronise(device)
    taken = []
    for _ in range(repeats):
        if device.type == "cuda":
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            work()
            end.record()
            end.synchronize()
            taken.append(start.elapsed_time(end) / 1e3)  # it counts in milliseconds
        else:
            began = time.perf_counter()
            work()
            taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def measure_peak_mib(work: Callable[[], object], device: torch.device) -> float:
    """Measure the MiB of a CUDA device that a call needs at most beyond what is there before it.

    Args:
        work: the call; its first run, which may keep something for ever, is to be over.
        device: the device.
    """
    free_memory(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    work()
    torch.cuda.synchronize(device)
    return (torch.cuda.max_memory_allocated(device) - before) / 2**20
