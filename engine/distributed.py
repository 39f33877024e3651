"""Training with several processes: torchrun starts them, or `--device 0,1` does."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from engine.sync_batchnorm import convert_sync_batchnorm
from utils.device import DeviceError, select_device
from utils.ranks import local_rank, world_size

PATIENCE = timedelta(hours=2)  # with a process that evaluates or writes while the others wait


def split_device_names(names: str) -> list[str]:
    """The devices in "0,1" or "cpu,cpu"; one for any other name."""
    return [name.strip() for name in names.split(",")]


def relaunch_with_torchrun(names: Sequence[str], arguments: Sequence[str]) -> None:
    """Go on as torchrun, which runs this command line once for each device; does not return.

    Args:
        names: devices of this machine.
        arguments: the program and what it was called with.

    Raises:
        DeviceError: a device is not there, or named twice.
    """
    for name in names:
        select_device(name)
    twice = [name for name in names if names.count(name) > 1 and name != "cpu"]
    if twice:
        raise DeviceError(f"device {','.join(names)} names {twice[0]} twice: a GPU serves one process")
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={len(names)}"]
    threads = {"OMP_NUM_THREADS": str(max(1, torch.get_num_threads() // len(names)))}
    os.execve(sys.executable, [sys.executable, *launcher, *arguments], threads | os.environ)


def select_local_device(names: str) -> torch.device:
    """The device of this process: of several the one with its number, of "auto" and "cuda" the GPU with it."""
    devices, number = split_device_names(names), local_rank()
    if number is None:
        return select_device(names)
    if len(devices) > 1:
        return select_device(devices[number % len(devices)])
    on_gpus = names in {"auto", "cuda"} and torch.cuda.is_available()
    return select_device(str(number) if on_gpus else names)


@contextmanager
def join_process_group(device: torch.device) -> Iterator[None]:
    """The other processes can be talked to while this is entered, if torchrun started this one."""
    if local_rank() is None or dist.is_initialized():
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


def wrap_ddp(model: nn.Module, device: torch.device, sync_batchnorm: bool) -> nn.Module:
    """What to call in place of `model` when training: its gradients become the mean of all processes'."""
    if world_size() == 1:
        return model
    if sync_batchnorm:
        convert_sync_batchnorm(model, device)
    return DistributedDataParallel(model, device_ids=[device] if device.type == "cuda" else None)
