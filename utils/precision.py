"""What the configuration's `precision` stands for on a device, and PyTorch's switches for it.

TF32 is float32 whose factors are rounded to 10 bits before GPUs from Ampere on multiply them; older ones compute in
float32 whatever is switched. If nobody says otherwise PyTorch computes convolutions and the LSTM so on CUDA, and matrix
products with all digits. So did the published code, and that is what "tf32" means here: the networks have few matrix
products beside their convolutions.

Of PyTorch's two ways to switch TF32 this is the older one, `allow_tf32`: every version from 2.6 on has it, and it keeps
the newer one (`fp32_precision`, from 2.9 on) in step. After the newer one alone, the older getters raise errors, which
`torch.compile` and `torch.backends.cudnn.flags` still read.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

from utils.log import LOGGER

DTYPES = {"tf32": torch.float32, "fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""What the maps of frames are computed in, by what `resolve_precision` gives."""


def resolve_precision(precision: str, device: torch.device) -> str:
    """What a precision stands for on a device.

    Args:
        precision: "default" (tf32 on CUDA, else fp32), "tf32", "fp32", "bf16", "fp16", or "auto": bf16 where the device
            has arithmetic for it, else what "default" is there.
        device: the device to compute on.

    Returns:
        "tf32", "fp32", "bf16" or "fp16". Only CUDA has TF32: elsewhere "tf32" is fp32.
    """
    if precision == "auto" and computes_bfloat16(device):
        return "bf16"
    if precision in {"default", "tf32", "auto"}:
        return "tf32" if device.type == "cuda" else "fp32"
    return precision


def select_dtype(precision: str, device: torch.device) -> torch.dtype:
    """The number format that the maps of frames are computed in.

    Args:
        precision: as for `resolve_precision`.
        device: the device to compute on; if it only emulates the format that was asked for, the log says so.
    """
    resolved = resolve_precision(precision, device)
    emulates_fp16 = resolved == "fp16" and device.type == "cpu"
    emulates_bf16 = resolved == "bf16" and not computes_bfloat16(device)
    if emulates_fp16 or emulates_bf16:
        _warn_emulated(device, resolved)
    return DTYPES[resolved]


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


def use_precision(precision: str, device: torch.device) -> str:
    """Let this process compute as a precision says from now on, if it computes on CUDA.

    What stays float32 beside maps of frames in bf16 or fp16 is computed in TF32, as in the published code: it has more
    digits than bf16, and as many as fp16.

    Args:
        precision: as for `resolve_precision`.
        device: the device to compute on.

    Returns:
        what the precision stands for.
    """
    resolved = resolve_precision(precision, device)
    if device.type == "cuda":
        _switch_tf32(resolved != "fp32", False)
    return resolved


@contextmanager
def without_tf32(device: torch.device | str) -> Iterator[None]:
    """Compute float32 with all its digits while this is entered: for comparisons, in which TF32 would hide mistakes."""
    with _switched_tf32(device, False):
        yield


@contextmanager
def with_tf32(device: torch.device | str) -> Iterator[None]:
    """Compute float32 in TF32 while this is entered, matrix products too: to measure what a GPU does at most in it."""
    with _switched_tf32(device, True):
        yield


@contextmanager
def _switched_tf32(device: torch.device | str, on: bool) -> Iterator[None]:
    if torch.device(device).type != "cuda":
        yield
        return
    with _quiet():
        before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    _switch_tf32(on, on)
    try:
        yield
    finally:
        _switch_tf32(*before)


def describe_choice(precision: str, device: torch.device) -> list[str]:
    """A line for the log where a precision does something else than its name lets one expect; else none."""
    if precision == "tf32" and device.type != "cuda":
        return [f"precision: tf32 is fp32 on {device.type}: only CUDA has TF32"]
    if precision == "fp32" and device.type == "cuda":
        return [
            "precision: fp32 switches TF32 off, which earlier versions and the published code left on: this is slower "
            "on GPUs from Ampere on; tf32, the default, is what they computed"
        ]
    return []


def _switch_tf32(in_cudnn: bool, in_matrix_products: bool) -> None:
    """Switch TF32 on or off for cuDNN's convolutions and recurrent layers, and for matrix products."""
    with _quiet():
        torch.backends.cudnn.allow_tf32 = in_cudnn
        torch.backends.cuda.matmul.allow_tf32 = in_matrix_products


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide PyTorch's advice to take the newer way."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Please use the new API settings to control TF32")
        yield
