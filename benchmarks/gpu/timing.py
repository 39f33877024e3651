"""Times of single kernels, and of calls that are made once; `measure` has those of whole networks."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from benchmarks.gpu.measure import median_seconds, synchronise

FLUSH_BYTES = 2**30
"""Bytes that are written before each call, many more than any cache holds. Writing them takes a GPU longer than the
processor needs to hand over the call, so that no launch is waited for in the measured time."""


def time_kernels(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Measure the median seconds that a device computes in a short call, with cold caches.

    Nothing is waited for between the calls: the events are read at the end.

    Args:
        work: the call; it must not wait for the device.
        device: the device that it computes on, which is the current one.
        repeats: the number of calls that count, after two that warm up.
    """
    if device.type != "cuda":
        return median_seconds(work, device, repeats, warmups=2)
    for _ in range(2):
        work()
    flush = torch.empty(FLUSH_BYTES, dtype=torch.int8, device=device)
    events = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(repeats)]
    for start, end in events:
        flush.zero_()
        start.record()
        work()
        end.record()
    synchronise(device)
    return statistics.median(start.elapsed_time(end) for start, end in events) / 1e3  # it counts in milliseconds


def time_once(work: Callable[[], object], device: torch.device) -> float:
    """Measure the seconds of one call, from its start to the end of all that it started on the device."""
    synchronise(device)
    start = time.perf_counter()
    work()
    synchronise(device)
    return time.perf_counter() - start


@contextmanager
def benchmark_mode(enabled: bool) -> Iterator[None]:
    """Let cuDNN try its algorithms on each new shape while this is entered, or forbid it."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = enabled
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
