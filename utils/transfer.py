"""Copying small tensors to a device without waiting for it."""

from __future__ import annotations

import torch
from torch import Tensor


def send(values: Tensor, device: torch.device) -> Tensor:
    """Copy a small tensor to a device; the program goes on while a GPU still has other work before the copy.

    A GPU copies by itself only from page-locked memory. From any other memory the program would have to wait until all
    that it asked of the GPU before is done.

    Args:
        values: what is copied; returned as it is where it is there already.
        device: where to.
    """
    if device.type == "cuda" and values.device.type == "cpu":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)
