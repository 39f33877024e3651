"""Measure the memory that a computation needs, in a process of its own.

What a process came to need at most is counted from its start, so that another measurement before would hide it.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

Work = Callable[[], Any]


def measure_peak_mib(maker: Callable[..., Work], arguments: tuple[Any, ...], device: str, threads: int) -> float:
    """Measure the MiB that one call of the work came to need beyond what there was before it.

    Args:
        maker: a function of a module, which another process can find; it makes the work to be called.
        arguments: the arguments for `maker`.
        device: the device of the computation; on "cpu" what Linux says of the process counts, else what PyTorch says.
        threads: the number of threads of PyTorch.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(sender, maker, arguments, device, threads))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        raise RuntimeError(f"{maker.__name__}{arguments}: the process that measured its memory died") from None
    finally:
        process.join()


def _measure(
    sender: Connection, maker: Callable[..., Work], arguments: tuple[Any, ...], device: str, threads: int
) -> None:  # fmt: skip
    torch.set_num_threads(threads)
    work = maker(*arguments)
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        sender.send((torch.cuda.max_memory_allocated(device) - before) / 2**20)
        return
    before = read_resident_kib("VmRSS")
    work()
    sender.send((read_resident_kib("VmHWM") - before) / 2**10)


def read_resident_kib(key: str) -> int:
    """Read the memory of this process, "VmRSS" now or "VmHWM" at most; `getrusage` counts its parent's maximum, too."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))
