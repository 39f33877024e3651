"""The memory that a computation needs, measured in a process of its own."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

Work = Callable[[], Any]


def peak_mib(maker: Callable[..., Work], arguments: tuple[Any, ...], device: str, threads: int) -> float:
    """MiB that one call of `maker(*arguments)` came to need beyond what there was before it.

    Args:
        maker: of a module, so that another process can find it.
        arguments: for it.
        device: that it computes on; on "cpu" it counts what Linux says of the process, else what PyTorch says.
        threads: of PyTorch.
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
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        sender.send((torch.cuda.max_memory_allocated() - before) / 2**20)
        return
    before = resident_kib("VmRSS")
    work()
    sender.send((resident_kib("VmHWM") - before) / 2**10)


def resident_kib(key: str) -> int:
    """Memory of this process: "VmRSS" now, "VmHWM" at most; `getrusage` would count its parent's maximum, too."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))
