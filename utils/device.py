"""Choosing the device, and the number format to compute in on it."""

from __future__ import annotations

import re
from functools import cache
from typing import TypeVar

import torch
from torch import nn

from utils.errors import InputError, explain_out_of_memory
from utils.log import LOGGER
from utils.text import plural

Network = TypeVar("Network", bound=nn.Module)

DTYPES = {
    "default": torch.float32,
    "tf32": torch.float32,
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
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


def select_dtype(precision: str, device: torch.device) -> torch.dtype:
    """The number format that the maps of frames are computed in.

    Args:
        precision: a value of the configuration's key, or what `utils.precision.resolve_precision` gives for it.
        device: the device to compute on; if it only emulates the format that was asked for, the log says so.
    """
    if precision == "auto":
        return torch.bfloat16 if computes_bfloat16(device) else torch.float32
    dtype = DTYPES[precision]
    emulates_fp16 = precision == "fp16" and device.type == "cpu"
    emulates_bf16 = precision == "bf16" and not computes_bfloat16(device)
    if emulates_fp16 or emulates_bf16:
        _warn_emulated(device, precision)
    return dtype


@cache  # every evaluation asks again: one warning is enough
def _warn_emulated(device: torch.device, precision: str) -> None:
    LOGGER.info("warning: %s has no arithmetic for %s and emulates it: fp32 is faster", device, precision)


def computes_bfloat16(device: torch.device) -> bool:
    """Whether the device has arithmetic for bfloat16."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return False
