"""Choosing the device."""

from __future__ import annotations

import re

import torch

from utils.errors import InputError


class DeviceError(InputError, ValueError):
    """A device that does not exist here."""


def select_device(name: str) -> torch.device:
    """The device called `name`.

    Args:
        name: "auto" (CUDA, else MPS, else the CPU), "cpu", "mps", "cuda", "cuda:N" or "N".

    Raises:
        DeviceError: the name means nothing, or no such device is here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", 0)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    if name == "mps":
        if not torch.backends.mps.is_available():
            raise DeviceError("device mps was asked for, but this PyTorch finds no Apple GPU; use --device auto or cpu")
        return torch.device("mps")
    match = re.fullmatch(r"(?:cuda:?)?(\d*)", name)
    if not match or not name:
        raise DeviceError(f"device {name!r} means nothing; use auto, cpu, mps, 0, cuda:0, ..., or several as 0,1")
    index, count = int(match[1] or 0), torch.cuda.device_count()
    if index >= count:
        found = f"{count} CUDA device{'s' * (count != 1)}" if count else "no CUDA device"
        raise DeviceError(f"device {name} was asked for, but PyTorch finds {found} here; use --device auto or cpu")
    return torch.device("cuda", index)
