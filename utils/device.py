"""Choosing the device, and moving a network there."""

from __future__ import annotations

import re
from typing import TypeVar

import torch
from torch import nn

from utils.errors import InputError, explain_out_of_memory
from utils.text import plural

Network = TypeVar("Network", bound=nn.Module)

OCCUPIED = "another program may be using it: choose another --device, or the cpu"


def select_device(name: str) -> torch.device:
    """The device called `name`.

    Args:
        name: "auto" (CUDA, else MPS, else the CPU), "cpu", "mps", "cuda", "cuda:N" or "N".

    Raises:
        InputError: the name means nothing, or no such device is here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    if name == "mps":
        if not torch.backends.mps.is_available():
            raise InputError("device mps was asked for, but this PyTorch finds no Apple GPU; use --device auto or cpu")
        return torch.device("mps")
    match = re.fullmatch(r"(?:cuda:?)?([0-9]{0,4})", name)
    if not match or not name:
        raise InputError(f"device {name!r} means nothing; use auto, cpu, mps, 0, cuda:0, ..., or several as 0,1")
    index, count = int(match[1] or 0), torch.cuda.device_count()
    if index >= count:
        found = plural(count, "CUDA device") if count else "no CUDA device"
        raise InputError(f"device {name} was asked for, but PyTorch finds {found} here; use --device auto or cpu")
    return torch.device("cuda", index)


def set_device(device: torch.device) -> None:
    """Make a GPU the one that is meant wherever none is named: by threads that pin memory, and by NCCL.

    PyTorch takes the first one otherwise, and opening it takes some hundred MB of a card that others may be using.

    Raises:
        InputError: the device has too little memory even to be opened.
    """
    if device.type == "cuda":
        with explain_out_of_memory(lambda: f"when {device} was opened; {OCCUPIED}"):
            torch.cuda.set_device(device)


def move_to_device(model: Network, device: torch.device) -> Network:
    """Move a network to a device, and return it.

    Raises:
        InputError: the device has too little memory for it.
    """
    with explain_out_of_memory(lambda: f"while the network was moved to {device}; {OCCUPIED}"):
        return model.to(device)
