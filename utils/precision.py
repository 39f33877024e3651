"""Number formats to compute in."""

from __future__ import annotations

from functools import cache

import torch

from utils.log import LOGGER

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def select_dtype(precision: str, device: torch.device) -> torch.dtype:
    """What the maps of frames are computed in.

    Args:
        precision: "fp32", "bf16", "fp16", or "auto": bf16 where the device has arithmetic for it, else fp32.
        device: to compute on; if it only emulates what was asked for, the log says so.
    """
    if precision == "auto":
        return torch.bfloat16 if computes_bfloat16(device) else torch.float32
    dtype = DTYPES[precision]
    emulated = device.type == "cpu" if precision == "fp16" else precision == "bf16" and not computes_bfloat16(device)
    if emulated:
        _say_emulated(device, precision)
    return dtype


@cache  # once is enough
def _say_emulated(device: torch.device, precision: str) -> None:
    LOGGER.info("warning: %s has no arithmetic for %s and emulates it: fp32 is faster", device, precision)


def computes_bfloat16(device: torch.device) -> bool:
    """Whether the device has arithmetic for bfloat16."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return False
