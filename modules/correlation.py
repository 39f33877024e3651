"""The correlation block of CorrNet (Hu et al., CVPR 2023): it finds parts of a frame again in the frames beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.convolution import SpatialConv
from modules.correlation_maps import correlate
from modules.correlation_windows import InWindows, choose_dtype, frames_to_rows, rows_to_frames

REDUCTION = 16  # the convolutions over time and space have so many times fewer channels
DILATIONS = (1, 2, 3)  # of these convolutions, in height and width
WIDTH = 2 * max(DILATIONS) + 1  # of what they see, in height and width
REACH = 4  # frames on either side that they see


class CorrelationFusion(nn.Module):
    """The features of the frames beside a frame, summed by how they agree with it, times a gate: M(x).

    The backbone adds alpha times it to x. Only x is kept for the gradients; all else is computed again.

    Args:
        channels: C, divisible by 16.
    """

    needs_whole_clip: Literal[False] = False
    """It sees `reach` frames on either side, and nothing of the others."""

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
        self.register_buffer("places", torch.stack([place_taps(i) for i in DILATIONS]), persistent=False)  # (3, 9, 49)

    def forward(self, x: Tensor, batch: int, mask: Tensor | None = None, lengths: Tensor | None = None) -> Tensor:
        """(B*T, C, H, W) -> the same; the arguments are those of `SpatioTemporalFusion.forward`.

        Past a clip's end the result is zero, and what x holds there does not matter. Of float16 the result is float32:
        it grows with the third power of x, which float16 does not hold.
        """
        # An exported network would keep the number of turns of a loop over frames.
        if torch.jit.is_tracing() or (torch.compiler.is_compiling() and not torch.is_grad_enabled()):
            return self._compute_at_once(x, batch, mask)
        total = len(x) // batch
        ends = [total] * batch
        if mask is not None:
            ends = (mask.sum(1).long() if lengths is None else lengths).tolist()  # who asks a GPU waits for it
        clips = [(i * total, i * total + end) for i, end in enumerate(ends)]
        return InWindows.apply(self, clips, x, *self.parameters())

    def forward_part(
        self, around: Tensor, before: int, frames: int, outside: tuple[int, int] = (0, 0)
    ) -> Tensor:  # fmt: skip
        """Compute what `forward` gives for some frames of one clip.

        Args:
            around: (before + frames + after, C, H, W), the frames with `reach` neighbours on either side, fewer only
                where the clip begins or ends.
            before: the number of neighbours before the frames.
            frames: the number of frames, T.
            outside: how many frames at the beginning and at the end of `around` are none of the clip, but zeros in
                place of neighbours that it does not have; none with gradients.

        Returns:
            (T, C, H, W).
        """
        if torch.is_grad_enabled():
            return self(around, 1)[before : before + frames]
        size = around.shape[2:]
        with torch.autocast(around.device.type, enabled=False):
            rows = frames_to_rows(around).to(choose_dtype(around))
            after = len(rows) - before - frames
            return rows_to_frames(self.compute_part(rows, size, before, after, outside), size)

    @property
    def reach(self) -> int:
        """The number of frames on either side that a frame's result depends on."""
        return REACH

    def compute_part(
        self, around: Tensor, size: Sequence[int], before: int, after: int, outside: tuple[int, int] = (0, 0)
    ) -> Tensor:  # fmt: skip
        """Compute some frames of one clip without gradients.

        Args:
            around: the frames with up to `reach` neighbours on either side, fewer only where the clip begins or ends,
                (before + T + after, P, C).
            size: H and W.
            before: the number of neighbours before the frames.
            after: the number of neighbours after them.
            outside: as for `forward_part`.

        Returns:
            (T, P, C).
        """
        stop = len(around) - after
        near = self.compute_neighbours(around[max(0, before - 1) : stop + 1], min(before, 1), min(after, 1))
        end = len(around) - outside[1] - before  # of the clip, counted from the first of the frames
        if before and outside[0] == before:
            near[0] = near[1]  # where the clip begins or ends, a frame is its own neighbour
        if outside[1] and end <= stop - before:
            near[end + 1] = near[end]
        f = correlate(around[before:stop], near, self.weights2)
        return f.mul_(self.compute_gate(around, size, before, after))

    def compute_neighbours(self, around: Tensor, before: int, after: int) -> Tensor:
        """Compute the features k of frames, of the one before and of the one after: (T + 2, P, C).

        Where the clip begins or ends, a frame is its own neighbour. The arguments are those of `compute_part`, with up
        to one neighbour.
        """
        k = pointwise(self.down_conv2, around)
        parts = [*[k[:1]] * (1 - before), k, *[k[-1:]] * (1 - after)]
        return torch.cat(parts) if len(parts) > 1 else k

    def compute_gate(self, around: Tensor, size: Sequence[int], before: int, after: int) -> Tensor:
        """Compute what the sums are multiplied by, sigmoid(g) - 1/2, with arguments as `compute_part` -> (T, P, C)."""
        reduced = pointwise(self.down_conv, around)  # (before + T + after, P, r)
        reduced = F.pad(reduced, (0, 0, 0, 0, REACH - before, REACH - after))  # (T + 2 * reach, P, r)
        return self._gate(reduced[None], size)

    def _gate(self, reduced: Tensor, size: Sequence[int]) -> Tensor:
        """Compute sigmoid(g) - 1/2 of clips with `reach` neighbours at both ends: (B, T', P, r) -> (B*T, P, C)."""
        kernels, bias = self._join_kernels(reduced.dtype)
        z: Tensor | None = None
        for i, kernel in enumerate(kernels):  # (r, 1, 7, 7), for the frames that lie i - reach away
            frames = reduced[:, i : reduced.shape[1] - 2 * REACH + i].flatten(0, 1)  # (B*T, P, r)
            images = rows_to_frames(frames, size)
            part = F.conv2d(images, kernel, bias if i == 0 else None, padding=max(DILATIONS), groups=len(kernel))
            z = part if z is None else z + part  # (B*T, r, H, W)
        return torch.sigmoid(pointwise(self.conv_back, frames_to_rows(cast(Tensor, z)))) - 0.5

    def _join_kernels(self, dtype: torch.dtype) -> tuple[Sequence[Tensor], Tensor]:
        """The weighted sum of the three depthwise convolutions as one: 9 kernels (r, 1, 7, 7) over space, bias (r,).

        Half of their values are zeros. PyTorch's libraries compute them several times faster than dilated 3-D ones.
        """
        wide = torch.promote_types(self.weights.dtype, dtype)  # a network in float16 does not sum in float16
        kernel: Tensor | float = 0.0
        bias: Tensor | float = 0.0
        for weight, places, i in zip(self.weights.to(wide), cast(Tensor, self.places).to(wide), DILATIONS, strict=True):
            conv = cast(nn.Conv3d, getattr(self, f"spatial_aggregation{i}"))
            kernel = kernel + weight * (conv.weight.to(wide).flatten(3) @ places)  # (r, 1, 9, 49)
            bias = bias + weight * cast(Tensor, conv.bias).to(wide)
        kernels = cast(Tensor, kernel).unflatten(3, (WIDTH, WIDTH)).to(dtype).unbind(2)
        return kernels, cast(Tensor, bias).to(dtype)

    def _compute_at_once(self, x: Tensor, batch: int, mask: Tensor | None) -> Tensor:
        """As `forward`, in operations on all frames, whose number may then be any."""
        size, dtype = x.shape[2:], choose_dtype(x)
        with torch.autocast(x.device.type, enabled=False):
            rows = frames_to_rows(x).to(dtype).unflatten(0, (batch, -1))  # (B, T, P, C)
            if mask is not None:
                rows = rows * mask[:, :, None, None].to(dtype)
            k = pointwise(self.down_conv2, rows)
            neighbours = torch.cat([k[:, :1], k, k[:, -1:]], 1)  # (B, T + 2, P, C)
            following, previous = neighbours[:, 2:], neighbours[:, :-2]
            if mask is not None:
                is_last = mask > F.pad(mask[:, 1:], (0, 1))  # (B, T)
                following = torch.where(is_last[:, :, None, None], k, following)
            f = sum(
                w * ((torch.sigmoid(rows @ n.transpose(2, 3)) - 0.5) @ n)
                for w, n in zip(self.weights2.to(dtype), (following, previous), strict=True)
            )
            reduced = F.pad(pointwise(self.down_conv, rows), (0, 0, 0, 0, REACH, REACH))
            return rows_to_frames(cast(Tensor, f).flatten(0, 1) * self._gate(reduced, size), size)


def pointwise(conv: nn.Conv3d, x: Tensor) -> Tensor:
    """A 1x1x1 convolution without bias: (..., C) -> (..., O)."""
    return F.linear(x, conv.weight.flatten(1).to(x.dtype))


def place_taps(dilation: int) -> Tensor:
    """Where a 3x3 kernel's values stand in a 7x7 kernel that does the same as the dilated one: (9, 49), of 0 and 1."""
    taps = torch.arange(-1, 2) * dilation + max(DILATIONS)  # rows, or columns
    return F.one_hot((taps[:, None] * WIDTH + taps).flatten(), WIDTH**2).float()
