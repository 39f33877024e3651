"""The backbone over one clip in evaluation, a few frames at a time: memory stays flat however long the clip."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from modules.chunked_fusions import Layer, add_frames, average, compute_from_fusion, in_chunks
from modules.recompute import run_layers
from modules.resnet import ResNet

CPU_VALUES = 2**22
"""Values of the first stage's maps in a chunk by default: few enough for a processor's cache to hold them."""
GPU_FRAMES = 64
"""Frames in a chunk on other devices: enough at 224 pixels for a GPU to be busy, and few where a clip's last chunk is
filled up to as many."""
GPU_VALUES = GPU_FRAMES * 64 * 56**2
"""Values of the first stage's maps in a chunk there at most, those of 64 frames of 224 pixels in the published width.
Larger frames come fewer at a time, so that memory does not grow with them."""


def choose_chunk(clip: Tensor, width: int) -> int:
    """The number of frames of a clip (T, 3, H, W) to compute at a time."""
    return _divide_memory(clip.device, width * clip.shape[2] * clip.shape[3] // 16)  # H/4 x W/4


def _divide_memory(device: torch.device, values: int) -> int:
    """The number of frames to compute at a time, of which each has so many values in the first stage's maps."""
    if device.type == "cpu":
        return max(1, CPU_VALUES // values)
    return min(max(1, GPU_VALUES // values), GPU_FRAMES)


def fills_chunks(device: torch.device) -> bool:
    """Whether every chunk is filled up to the same number of frames, so that each layer sees one shape.

    On CUDA a new shape costs a search for a plan of cuDNN, and with `compile` a compilation: more than some frames do.
    """
    return device.type == "cuda"


def compute_features(
    net: ResNet, video: Tensor, padded: Tensor | None, prepare: Layer, chunk: int = 0
) -> Tensor:  # fmt: skip
    """Compute the features of a batch, clip by clip; arguments as for `compute_clip_features`.

    Args:
        video: (B, T_pad, 3, H, W).
        padded: the number of frames of each clip that are computed, (B,), past which there are zeros; None: all.

    Returns:
        (B, C, T_pad).
    """
    batch, total = video.shape[:2]
    features = []
    for clip, frames in zip(video, [total] * batch if padded is None else padded.tolist(), strict=True):
        own = compute_clip_features(net, clip[:frames], prepare, chunk)  # (frames, C)
        features.append(F.pad(own, (0, 0, 0, total - frames)))
    return torch.stack(features).transpose(1, 2)


def compute_clip_features(net: ResNet, clip: Tensor, prepare: Layer, chunk: int = 0) -> Tensor:
    """Compute the features of one clip's frames, the same as all at once; for evaluation without gradients.

    The maps of a few frames are computed at a time. A fusion that must know the whole clip first needs what it reads of
    all frames; another one needs some frames and their neighbours, so that memory does not grow with the clip. A frame
    that equals the one before it, as padding does, is computed once up to the first fusion, which is the first to see a
    frame's neighbours; but not where chunks are filled up, since to find such frames is to wait for the device.

    Args:
        net: the backbone, in evaluation mode.
        clip: the frames (T, 3, H, W), as they were loaded.
        prepare: makes some of the frames what the network takes.
        chunk: the number of frames at a time; 0: `choose_chunk`.

    Returns:
        (T, C).
    """
    chunk = chunk or choose_chunk(clip, net.conv1.out_channels)
    size = chunk if fills_chunks(clip.device) else 0  # the number of frames that every chunk is filled up to
    first, source = (None, None) if size else find_distinct_frames(clip)

    def compute_maps(start: int, stop: int) -> Tensor:
        frames = clip[start:stop] if first is None else clip[first[start:stop]]
        return compute_first_maps(net, frames, prepare, size)

    total = len(clip) if first is None else len(first)
    if net.fusions:
        places = range(len(clip)) if source is None else source.tolist()
        return compute_from_fusion(net, compute_maps, total, places, chunk, size)
    x = in_chunks(compute_maps, total, chunk)
    return x if source is None else x[source]


def compute_first_maps(net: ResNet, frames: Tensor, prepare: Layer, size: int = 0) -> Tensor:
    """Compute what depends on one frame alone: the maps before the first fusion, or the features where there is none.

    Args:
        net: the backbone, in evaluation mode.
        frames: a few frames (N, 3, H, W), as they were loaded, all computed at once.
        prepare: makes of them what the network takes.
        size: the number of frames that they are filled up to; 0: none are added.

    Returns:
        (N, C, H', W') or, without a fusion, (N, C).
    """
    images = prepare(add_frames(frames, 0, max(0, size - len(frames))))
    layers: list[Layer] = [net.stem, *(stage.layer for stage in net.first_stages)]
    if not net.fusions:
        layers.append(average)
    return run_layers(images.contiguous(memory_format=torch.channels_last), *layers)[: len(frames)]


def compute_new_maps(net: ResNet, frames: Tensor, prepare: Layer, chunk: int = 0) -> Tensor:
    """Compute the first maps of frames that are new in a stream; arguments as for `compute_clip_features`.

    They are few as a rule. Where chunks are filled up, it is to the next power of two, which leaves few shapes.

    Returns:
        as `compute_first_maps`.
    """
    chunk = chunk or choose_chunk(frames, net.conv1.out_channels)
    filled = fills_chunks(frames.device)

    def compute_maps(start: int, stop: int) -> Tensor:
        size = min(chunk, 1 << (stop - start - 1).bit_length()) if filled else 0
        return compute_first_maps(net, frames[start:stop], prepare, size)

    return in_chunks(compute_maps, len(frames), chunk)


def compute_window_features(net: ResNet, maps: Sequence[Tensor], places: Sequence[int], chunk: int = 0) -> Tensor:
    """Compute the features of a window's frames from first maps that were kept.

    Args:
        net: the backbone, in evaluation mode.
        maps: those of each distinct frame, (C, H', W') or (C,), as rows of `compute_new_maps`.
        places: each frame's place among them, T numbers that never fall.
        chunk: as for `compute_clip_features`.

    Returns:
        (T, C).
    """
    if not net.fusions:
        return torch.stack([maps[place] for place in places])
    chunk = chunk or _divide_memory(maps[0].device, maps[0].numel() << (len(net.first_stages) - 1))
    size = chunk if fills_chunks(maps[0].device) else 0

    def join_maps(start: int, stop: int) -> Tensor:
        return torch.stack(tuple(maps[start:stop]))

    return compute_from_fusion(net, join_maps, len(maps), places, chunk, size)


def find_distinct_frames(clip: Tensor) -> tuple[Tensor, Tensor | None]:
    """Find the frames (T, ...) that differ from the one before: their indices, and each frame's place among them.

    The places are None where all differ. Frames are compared with the one before alone, which padding repeats.
    """
    differs = (clip[1:] != clip[:-1]).flatten(1).any(1)  # (T - 1,)
    first = torch.cat([differs.new_ones(1), differs])  # (T,)
    indices = first.nonzero()[:, 0]
    return indices, None if len(indices) == len(clip) else first.cumsum(0) - 1
