"""Two processes on the CPU that train together, for tests.

They are forks of the server from which workers that read frames are forked, which has imported the program once.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import multiprocessing

from engine.distributed import join_process_group
from utils.workers import make_loader_context


@contextmanager
def two_threads() -> Iterator[None]:
    """Compute with two threads: PyTorch's BatchNorm sums all maps of a batch in float32, one by one in each thread.

    On one thread losses of real clips are 2e-5 off by that, and gradients 5e-4.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def in_two(work: Callable[[int], Any], folder: Path) -> list[Any]:
    """What `work(rank)` returns in each of two processes, as torchrun would start them; `work` can be pickled."""
    store = dist.TCPStore("localhost", 0, is_master=True, wait_for_workers=False)  # nobody else can take its port
    make_loader_context("engine.run")
    multiprocessing.start_processes(_begin, (store.port, work, str(folder)), nprocs=2, start_method="forkserver")
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]


def _begin(rank: int, port: int, work: Callable[[int], Any], folder: str) -> None:
    group = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= group | {"LOCAL_RANK": str(rank)}
    os.environ |= {"TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "0"}
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))  # which that server must not get
    torch.set_num_threads(1)
    with join_process_group(torch.device("cpu")):
        result = work(rank)
    torch.save(result, f"{folder}/{rank}.pt")
