"""The backbone over one clip in evaluation, a few frames at a time: memory stays flat however long the clip."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from modules.fusion import SpatioTemporalFusion
from modules.resnet import ResNet

CPU_VALUES = 2**22
"""Values of the first stage's maps that a chunk has by default: few enough for a processor's cache to hold them."""
GPU_VALUES = 2**26
"""The same for other devices, which need many at a time to be busy."""


def default_chunk(clip: Tensor, width: int) -> int:
    """Frames of a clip (T, 3, H, W) to compute at a time."""
    values = CPU_VALUES if clip.device.type == "cpu" else GPU_VALUES
    return max(1, values * 16 // (width * clip.shape[2] * clip.shape[3]))  # the first stage's maps are H/4 x W/4


def clip_features(net: ResNet, clip: Tensor, prepare: Callable[[Tensor], Tensor], chunk: int = 0) -> Tensor:
    """What the backbone says of each frame of one clip, the same as all at once; for evaluation without gradients.

    Between two stages only the maps of one stage are whole. A frame that equals the one before it, as padding does, is
    computed once up to the first fusion, which is the first to see a frame's neighbours.

    Args:
        net: the backbone, in evaluation mode.
        clip: (T, 3, H, W), as it was loaded.
        prepare: makes some of its frames what the network takes.
        chunk: frames at a time; 0: `default_chunk`.

    Returns:
        (T, C).
    """
    chunk = chunk or default_chunk(clip, net.conv1.out_channels)
    first, source = distinct_frames(clip)

    def images(start: int, stop: int) -> Tensor:
        frames = prepare(clip[first[start:stop]]).contiguous(memory_format=torch.channels_last)  # (n, 3, H, W)
        return net.first_stages(frames)

    x = in_chunks(images, len(first), chunk)  # (distinct frames, C, H, W)
    stages = (net.stf1, net.layer3), (net.stf2, net.layer4), (net.stf3, average)
    for alpha, (fusion, layer) in zip(net.alpha, stages, strict=True):
        x, source = _fuse(x, source, fusion, alpha, layer, chunk), None
    return x


def _fuse(
    x: Tensor, source: Tensor | None, fusion: SpatioTemporalFusion, alpha: Tensor,
    layer: Callable[[Tensor], Tensor], chunk: int,
) -> Tensor:  # fmt: skip
    """`layer(x + alpha * fusion(x))` of a clip's maps; frame t's are x[source[t]], x[t] where `source` is None."""
    total = len(x) if source is None else len(source)
    means = in_chunks(lambda start, stop: average(x[start:stop]), len(x), chunk)  # (frames, C)
    mean = (means if source is None else means[source]).mean(0)  # (C,)
    weights = fusion.calibration(mean[None, :, None, None])  # (1, 4, 1, 1)

    def part(start: int, stop: int) -> Tensor:
        left, right = max(0, start - fusion.reach), min(total, stop + fusion.reach)
        around = x[left:right] if source is None else x[source[left:right]]
        out = fusion.forward_part(around, start - left, stop - start, weights)
        return layer(torch.addcmul(around[start - left : stop - left], alpha, out))

    return in_chunks(part, total, chunk)


def average(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C)."""
    return x.mean((2, 3))


def distinct_frames(clip: Tensor) -> tuple[Tensor, Tensor | None]:
    """The frames (T, ...) that differ from the one before: their indices, and for each frame its place among them.

    The places are None where all differ.
    """
    differs = (clip[1:] != clip[:-1]).flatten(1).any(1)  # (T - 1,)
    first = torch.cat([differs.new_ones(1), differs])  # (T,)
    indices = first.nonzero()[:, 0]
    return indices, None if len(indices) == len(clip) else first.cumsum(0) - 1


def in_chunks(compute: Callable[[int, int], Tensor], total: int, chunk: int) -> Tensor:
    """`compute(start, stop)` for `chunk` frames at a time, joined along the first dimension."""
    out = None
    for start in range(0, total, chunk):
        stop = min(start + chunk, total)
        part = compute(start, stop)
        if out is None:
            shape = (total, *part.shape[1:])
            layout = torch.channels_last if part.ndim == 4 else torch.contiguous_format
            out = torch.empty(shape, dtype=part.dtype, device=part.device, memory_format=layout)
        out[start:stop] = part
    return out
