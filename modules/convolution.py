"""Convolutions over space or over time, computed in two dimensions.

Published weights hold every kernel as a 3-D one: (1, k, k) over space, (k, 1, 1) over time, and so do these, so that
such weights load. No kernel is wide in time and space at once, so a 2-D convolution gives the same: over frames as
images, or over time with a frame's pixels beside one another. PyTorch's libraries are fast at 2-D convolutions of
channels-last images. A clip's maps go from frames (B*T, C, H, W) to clips (B, C, T, H*W) and back as views, without a
copy.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from utils.transfer import send


def frames_to_clips(x: Tensor, batch: int) -> Tensor:
    """(B*T, C, H, W) -> (B, C, T, H*W), both channels-last: a view."""
    n, c, h, w = x.shape
    return x.permute(0, 2, 3, 1).reshape(batch, n // batch, h * w, c).permute(0, 3, 1, 2)


def clips_to_frames(x: Tensor, height: int, width: int) -> Tensor:
    """(B, C, T, H*W) -> (B*T, C, H, W), both channels-last: a view."""
    b, c, t, _ = x.shape
    return x.permute(0, 2, 3, 1).reshape(b * t, height, width, c).permute(0, 3, 1, 2)


def time_mask(lengths: Tensor, total: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Make a mask of lengths: (B,) -> (B, total), one where t < length and zero after it."""
    steps = torch.arange(total, device=device)
    return (steps < send(lengths, device)[:, None]).to(dtype)


class SpatialConv(nn.Conv3d):
    """Convolution over height and width of every frame; weight (O, C/groups, 1, k, k), input (N, C, H, W).

    Args:
        in_channels: C.
        out_channels: O.
        size: k.
        stride: the step in height and width.
        padding: the number of zeros on each side.
        groups: the number of groups of channels; C of them make it depthwise.
        bias: whether a bias is added.
    """

    def __init__(
        self, in_channels: int, out_channels: int, size: int, stride: int = 1, padding: int = 0, groups: int = 1,
        bias: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(
            in_channels, out_channels, (1, size, size), (1, stride, stride), (0, padding, padding), groups=groups,
            bias=bias,
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, O, H', W')."""
        weight = self.weight.squeeze(2)  # (O, C/groups, k, k)
        return F.conv2d(x, weight, self.bias, self.stride[1:], self.padding[1:], 1, self.groups)


class TimeConv(nn.Conv3d):
    """Convolution over time with "same" zero padding; weight (O, C/groups, k, 1, 1), input (B, C, T, P).

    The arguments are those of `SpatialConv`; P are the pixels of a frame.
    """

    def __init__(self, in_channels: int, out_channels: int, size: int, groups: int, bias: bool) -> None:
        super().__init__(
            in_channels, out_channels, (size, 1, 1), padding=(size // 2, 0, 0), groups=groups, bias=bias
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, P) -> (B, O, T, P)."""
        weight = self.weight.squeeze(4)  # (O, C/groups, k, 1)
        return F.conv2d(x, weight, self.bias, 1, (self.kernel_size[0] // 2, 0), 1, self.groups)
