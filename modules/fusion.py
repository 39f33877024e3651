"""The fusions that may follow a stage of the backbone, and one of them: STF, MSTFNet's spatio-temporal fusion."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.convolution import SpatialConv, TimeConv, clips_to_frames, frames_to_clips
from modules.correlation import CorrelationFusion

SIZES = (3, 5)  # of the kernels, over time and over space


class SpatioTemporalFusion(nn.Module):
    """Two temporal and two spatial depthwise branches, weighted for each clip, gated and added to the input.

    The result is `x + gate * fused`, and the backbone adds alpha times it to x: the residual counts twice, as in the
    published network, whose weights have learnt with it.

    Args:
        channels: C, divisible by 8.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.t_convs = nn.ModuleList(
            nn.Sequential(
                TimeConv(channels, channels, k, channels, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
            )
            for k in SIZES
        )
        self.s_convs = nn.ModuleList(
            nn.Sequential(
                SpatialConv(channels, channels, k, padding=k // 2, groups=channels),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
            )
            for k in SIZES
        )
        self.calibration = nn.Sequential(  # the published names count the pooling before it as layer 0
            OrderedDict(
                {
                    "1": SpatialConv(channels, channels // 8, 1, bias=True),
                    "2": nn.ReLU(inplace=True),
                    "3": SpatialConv(channels // 8, 4, 1, bias=True),
                    "4": nn.Softmax(dim=1),
                }
            )
        )
        self.st_gate = nn.Sequential(
            SpatialConv(2 * channels, channels // 2, 1, bias=True),
            nn.ReLU(inplace=True),
            SpatialConv(channels // 2, channels, 1, bias=True),
            nn.Sigmoid(),
        )

    def forward(
        self, x: Tensor, batch: int, mask: Tensor | None = None, lengths: Tensor | None = None  # noqa: ARG002
    ) -> Tensor:  # fmt: skip
        """Compute the fusion of a batch.

        Args:
            x: maps of frames, (B*T, C, H, W).
            batch: B.
            mask: (B, T), zero past each clip's end; None if no clip ends early.
            lengths: the number of frames of each clip, (B,), on the CPU: what `mask` says, for a fusion that needs it
                in numbers. This one does not.

        Returns:
            (B*T, C, H, W).
        """
        clips = frames_to_clips(x, batch)  # (B, C, T, H*W)
        # Convolutions over time must find zeros past a clip's end, as if it were alone; those over space look at one
        # frame each.
        inside = clips if mask is None else clips * mask[:, None, :, None].to(clips.dtype)
        weights = self.calibration(self._clip_mean(inside, mask))  # (B, 4, 1, 1)
        return self._combine(x, [conv(inside) for conv in self.t_convs], weights)

    needs_whole_clip: Literal[True] = True
    """Whether `forward_part` needs a summary of all frames, what `summarise_clip` gives."""

    def summarise_clip(self, mean: Tensor) -> Tensor:
        """The weights of the branches, which `forward_part` needs: the mean of the clip's maps (C,) -> (1, 4, 1, 1)."""
        return self.calibration(mean[None, :, None, None])

    def forward_part(
        self, around: Tensor, before: int, frames: int, weights: Tensor,
        outside: tuple[int, int] = (0, 0),  # noqa: ARG002  convolutions over time find zeros there anyway
    ) -> Tensor:  # fmt: skip
        """Compute what `forward` gives for some frames of one clip.

        Args:
            around: (before + frames + after, C, H, W), the frames with `reach` neighbours on either side, fewer only
                where the clip begins or ends.
            before: the number of neighbours before the frames.
            frames: the number of frames, T.
            weights: what `summarise_clip` gives for the whole clip, (1, 4, 1, 1).
            outside: how many frames at the beginning and at the end of `around` are none of the clip, but zeros in
                place of neighbours that it does not have.

        Returns:
            (T, C, H, W).
        """
        clips = frames_to_clips(around, 1)  # (1, C, before + T + after, H*W)
        temporal = [conv(clips)[:, :, before : before + frames] for conv in self.t_convs]
        return self._combine(around[before : before + frames], temporal, weights)

    def _combine(self, x: Tensor, temporal: Sequence[Tensor], weights: Tensor) -> Tensor:
        """Compute `x + gate * fused` from the temporal branches (B, C, T, H*W) and the weights of all (B, 4, 1, 1)."""
        batch = weights.shape[0]
        weights = weights.to(x.dtype)
        fused = temporal[0] * weights[:, :1]
        fused = torch.addcmul(fused, temporal[1], weights[:, 1:2])
        for k, conv in enumerate(self.s_convs, start=len(temporal)):
            fused = torch.addcmul(fused, frames_to_clips(conv(x), batch), weights[:, k : k + 1])  # (B, C, T, H*W)
        fused = clips_to_frames(fused, *x.shape[2:])  # (B*T, C, H, W)
        return torch.addcmul(x, self._gate(x, fused), fused)

    @property
    def reach(self) -> int:
        """The number of frames on either side that a frame's result depends on, apart from the branches' weights."""
        return max(SIZES) // 2

    @staticmethod
    def _clip_mean(inside: Tensor, mask: Tensor | None) -> Tensor:
        """Mean over time and space, padding left out: (B, C, T, P) -> (B, C, 1, 1)."""
        if mask is None:
            return inside.mean((2, 3), keepdim=True)
        count = mask.sum(1)[:, None, None, None] * inside.shape[3]
        return inside.sum((2, 3), keepdim=True) / count

    def _gate(self, x: Tensor, fused: Tensor) -> Tensor:
        """Compute `st_gate` of x and fused side by side, without joining them, which would copy both."""
        first, *rest = self.st_gate
        first = cast(SpatialConv, first)
        for_x, for_fused = first.weight.squeeze(2).chunk(2, dim=1)
        out = F.conv2d(x, for_x, first.bias) + F.conv2d(fused, for_fused)  # (B*T, C/2, H, W)
        for layer in rest:
            out = layer(out)
        return out


Fusion = SpatioTemporalFusion | CorrelationFusion
FUSIONS: dict[str, type[Fusion]] = {"stf": SpatioTemporalFusion, "correlation": CorrelationFusion}
"""Each kind of fusion, by the beginning of its modules' names. A fusion is built from its number of channels and has
the methods of `SpatioTemporalFusion`: `forward` for a batch; `needs_whole_clip`, `summarise_clip` where that is true,
`forward_part` and `reach` for a few frames at a time."""
