"""The correlation block of CorrNet (Hu et al., CVPR 2023): it finds parts of a frame again in the frames beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.convolution import SpatialConv
from modules.correlation_maps import correlate
from modules.correlation_windows import InWindows, choose_dtype, frames_to_rows, rows_to_frames

REDUCTION = 16  # the convolutions over time and space have so many times fewer channels
DILATIONS = (1, 2, 3)  # of these convolutions, in height and width
REACH = 4  # frames on either side that they see


class CorrelationFusion(nn.Module):
    """The features of the frames beside a frame, summed by how they agree with it, times a gate: M(x).

    The backbone adds alpha times it to x. Only x is kept for the gradients; all else is computed again.

    Args:
        channels: C, divisible by 16.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        reduced = channels // REDUCTION
        self.down_conv = SpatialConv(channels, reduced, 1)
        self.down_conv2 = SpatialConv(channels, channels, 1)
        for i in DILATIONS:
            conv = nn.Conv3d(
                reduced, reduced, (2 * REACH + 1, 3, 3), padding=(REACH, i, i), dilation=(1, i, i), groups=reduced
            )  # fmt: skip
            setattr(self, f"spatial_aggregation{i}", conv)
        self.weights = nn.Parameter(torch.full((3,), 1 / 3))  # of these three
        self.weights2 = nn.Parameter(torch.full((2,), 1 / 2))  # of the next and of the previous frame
        self.conv_back = SpatialConv(reduced, channels, 1)

    def forward(self, x: Tensor, batch: int, mask: Tensor | None = None) -> Tensor:
        """(B*T, C, H, W) -> the same; `mask` (B, T) is zero past each clip's end, None if no clip ends early.

        Past a clip's end the result is zero, and what x holds there does not matter. Of float16 the result is float32:
        it grows with the third power of x, which float16 does not hold.
        """
        # An exported network would keep the number of turns of a loop over frames.
        if torch.jit.is_tracing() or (torch.compiler.is_compiling() and not torch.is_grad_enabled()):
            return self._compute_at_once(x, batch, mask)
        total = len(x) // batch
        lengths = [total] * batch if mask is None else mask.sum(1).long().tolist()
        clips = [(i * total, i * total + length) for i, length in enumerate(lengths)]
        return InWindows.apply(self, clips, x, *self.parameters())

    def summarise_clip(self, mean: Tensor) -> Tensor:
        """What `forward_part` needs to know of the whole clip: nothing."""
        return mean.new_empty(0)

    def forward_part(self, around: Tensor, before: int, frames: int, summary: Tensor) -> Tensor:  # noqa: ARG002
        """Compute what `forward` gives for some frames of one clip.

        Args:
            around: (before + frames + after, C, H, W), the frames with `reach` neighbours on either side, fewer only
                where the clip begins or ends.
            before: the number of neighbours before the frames.
            frames: the number of frames, T.
            summary: what `summarise_clip` gives.

        Returns:
            (T, C, H, W).
        """
        if torch.is_grad_enabled():
            return self(around, 1)[before : before + frames]
        size = around.shape[2:]
        with torch.autocast(around.device.type, enabled=False):
            rows = frames_to_rows(around).to(choose_dtype(around))
            return rows_to_frames(self.compute_part(rows, size, before, frames), size)

    @property
    def reach(self) -> int:
        """The number of frames on either side that a frame's result depends on."""
        return REACH

    def compute_part(self, around: Tensor, size: Sequence[int], before: int, frames: int) -> Tensor:
        """As `forward_part`, without gradients, for frames (before + T + after, P, C) of `size` H, W -> (T, P, C)."""
        gate = self.compute_gate(around, size, before, frames)
        neighbours = self.compute_neighbours(around, before, frames)
        return correlate(around[before : before + frames], neighbours, self.weights2).mul_(gate)

    def compute_neighbours(self, around: Tensor, before: int, frames: int) -> Tensor:
        """Compute the features k of frames, of the one before and of the one after, as `compute_part` -> (T + 2, P, C).

        Where the clip begins or ends, a frame is its own neighbour.
        """
        stop = before + frames
        k = pointwise(self.down_conv2, around[max(0, before - 1) : stop + 1])
        first = k[:1] if before == 0 else k[:0]
        last = k[-1:] if stop == len(around) else k[:0]
        return torch.cat([first, k, last])

    def compute_gate(self, around: Tensor, size: Sequence[int], before: int, frames: int) -> Tensor:
        """Compute what the sums are multiplied by, sigmoid(g) - 1/2, as `compute_part` -> (T, P, C)."""
        start, stop = before - REACH, before + frames + REACH
        reduced = pointwise(self.down_conv, around[max(0, start) : stop])  # (neighbours + T, P, r)
        reduced = F.pad(reduced, (0, 0, 0, 0, max(0, -start), max(0, stop - len(around))))  # (T + 2 * reach, P, r)
        return self._gate(reduced[None], size)[0]

    def _gate(self, reduced: Tensor, size: Sequence[int]) -> Tensor:
        """Compute sigmoid(g) - 1/2 of clips with `reach` neighbours at both ends: (B, T', P, r) -> (B, T, P, C)."""
        kernel, bias = self._join_kernels(reduced.dtype)
        volume = reduced.unflatten(2, tuple(size)).permute(0, 4, 1, 2, 3)  # (B, r, T', H, W)
        z = F.conv3d(volume, kernel, bias, padding=(0, max(DILATIONS), max(DILATIONS)), groups=len(kernel))
        return torch.sigmoid(pointwise(self.conv_back, z.permute(0, 2, 3, 4, 1).flatten(2, 3))) - 0.5

    def _join_kernels(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The weighted sum of the three depthwise convolutions as one: kernel (r, 1, 9, 7, 7), bias (r,).

        Half of the kernel are zeros; dilated convolutions take five times as long even so.
        """
        convs = [cast(nn.Conv3d, getattr(self, f"spatial_aggregation{i}")) for i in DILATIONS]
        kernel = sum(w * dilate(conv.weight, i) for w, conv, i in zip(self.weights, convs, DILATIONS, strict=True))
        bias = sum(w * cast(Tensor, conv.bias) for w, conv in zip(self.weights, convs, strict=True))
        return cast(Tensor, kernel).to(dtype), cast(Tensor, bias).to(dtype)

    def _compute_at_once(self, x: Tensor, batch: int, mask: Tensor | None) -> Tensor:
        """As `forward`, in operations on all frames, whose number may then be any."""
        size, dtype = x.shape[2:], choose_dtype(x)
        with torch.autocast(x.device.type, enabled=False):
            rows = frames_to_rows(x).to(dtype).unflatten(0, (batch, -1))  # (B, T, P, C)
            if mask is not None:
                rows = rows * mask[:, :, None, None].to(dtype)
            k = pointwise(self.down_conv2, rows)
            following = torch.cat([k[:, 1:], k[:, -1:]], 1)
            if mask is not None:
                is_last = mask > F.pad(mask[:, 1:], (0, 1))  # (B, T)
                following = torch.where(is_last[:, :, None, None], k, following)
            previous = torch.cat([k[:, :1], k[:, :-1]], 1)
            f = sum(
                w * ((torch.sigmoid(rows @ n.transpose(2, 3)) - 0.5) @ n)
                for w, n in zip(self.weights2.to(dtype), (following, previous), strict=True)
            )
            reduced = F.pad(pointwise(self.down_conv, rows), (0, 0, 0, 0, REACH, REACH))
            return rows_to_frames((f * self._gate(reduced, size)).flatten(0, 1), size)


def pointwise(conv: nn.Conv3d, x: Tensor) -> Tensor:
    """A 1x1x1 convolution without bias: (..., C) -> (..., O)."""
    return F.linear(x, conv.weight.flatten(1).to(x.dtype))


def dilate(kernel: Tensor, step: int) -> Tensor:
    """A kernel (..., 3, 3) with its values so many positions apart, and zeros around: (..., 7, 7)."""
    for _ in range(2):  # the last dimension, then the one before
        kernel = F.pad(kernel[..., None], (0, step - 1)).flatten(-2)[..., : 2 * step + 1].transpose(-1, -2)
    return F.pad(kernel, (max(DILATIONS) - step,) * 4)
