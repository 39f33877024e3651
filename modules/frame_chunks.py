"""The backbone over one clip in evaluation, a few frames at a time: memory stays flat however long the clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from modules.fusion import SpatioTemporalFusion
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
    is_cpu = clip.device.type == "cpu"
    values = CPU_VALUES if is_cpu else GPU_VALUES
    frames = max(1, values * 16 // (width * clip.shape[2] * clip.shape[3]))  # the first stage's maps are H/4 x W/4
    return frames if is_cpu else min(frames, GPU_FRAMES)


def fills_chunks(device: torch.device) -> bool:
    """Whether every chunk is filled up to the same number of frames, so that each layer sees one shape.

    On CUDA a new shape costs a search for a plan of cuDNN, and with `compile` a compilation: more than some frames do.
    """
    return device.type == "cuda"


def compute_features(
    net: ResNet, video: Tensor, padded: Tensor | None, prepare: Callable[[Tensor], Tensor], chunk: int = 0
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


def compute_clip_features(net: ResNet, clip: Tensor, prepare: Callable[[Tensor], Tensor], chunk: int = 0) -> Tensor:
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

    def read_images(start: int, stop: int) -> Tensor:
        images = clip[start:stop] if first is None else clip[first[start:stop]]
        images = add_frames(images, 0, max(0, size - len(images)))
        return prepare(images).contiguous(memory_format=torch.channels_last)  # (n, 3, H, W)

    read: Callable[[int, int], Tensor] = read_images  # gives the maps of some frames before `layers`, filled up
    total = len(clip) if first is None else len(first)
    layers: list[Callable[[Tensor], Tensor]] = [net.stem]
    for stage in net.stages:
        layers.append(stage.layer)
        if stage.fusion is None or stage.alpha is None:
            continue
        run = partial(_run_chunk, read, layers)  # gives the maps of distinct or all frames, (n, C, H, W)
        maps: Callable[[int, int], Tensor] = SlidingMaps(run, total, chunk)
        fuse: Callable[..., Tensor]
        if stage.fusion.needs_whole_clip is True:
            x = in_chunks(run, total, chunk)
            maps = partial(_slice, x)
            fuse = partial(stage.fusion.forward_part, weights=_summarise(x, source, stage.fusion, chunk))
        else:
            fuse = stage.fusion.forward_part
        places = range(len(clip)) if source is None else source.tolist()
        read = partial(_fuse_chunk, maps, places, fuse, stage.fusion.reach, stage.alpha, size)
        total, source, layers = len(clip), None, []  # from here on every frame has maps of its own
    x = in_chunks(partial(_run_chunk, read, [*layers, average]), total, chunk)
    return x if source is None else x[source]


def _run_chunk(
    read: Callable[[int, int], Tensor], layers: Sequence[Callable[[Tensor], Tensor]], start: int, stop: int
) -> Tensor:  # fmt: skip
    """Run layers on the maps that `read` gives for some frames; what fills the chunk up is left out of the result."""
    return run_layers(read(start, stop), *layers)[: stop - start]


class SlidingMaps:
    """The maps of a few frames at a time, for a reader who goes through a clip from its beginning to its end.

    Args:
        compute: gives the maps from one frame to another, as for `in_chunks`.
        total: the number of frames.
        chunk: the number of frames to compute at a time.
    """

    def __init__(self, compute: Callable[[int, int], Tensor], total: int, chunk: int) -> None:
        self.compute = compute
        self.total = total
        self.chunk = chunk
        self._held: Tensor | None = None
        self._first, self._end = 0, 0  # the frames that are held

    def __call__(self, start: int, stop: int) -> Tensor:
        """The maps of some frames, (stop - start, C, H, W); those before `start` are forgotten with that."""
        parts = [] if self._held is None else [self._held[start - self._first :]]
        self._first = start
        while self._end < stop:
            end = min(self._end + self.chunk, self.total)
            parts.append(self.compute(self._end, end))
            self._end = end
        self._held = torch.cat(parts)
        return self._held[: stop - start]


def _summarise(x: Tensor, source: Tensor | None, fusion: SpatioTemporalFusion, chunk: int) -> Tensor:
    """Compute what a fusion needs to know of the whole clip, every frame counted as often as it occurs."""
    means = in_chunks(lambda start, stop: average(x[start:stop]), len(x), chunk)  # (distinct or all frames, C)
    return fusion.summarise_clip((means if source is None else means[source]).mean(0))


def _fuse_chunk(
    maps: Callable[[int, int], Tensor], places: Sequence[int], fuse: Callable[..., Tensor], reach: int, alpha: Tensor,
    size: int, start: int, stop: int,
) -> Tensor:  # fmt: skip
    """Compute `x + alpha * fusion(x)` of some frames t, whose x is what `maps` gives at places[t].

    With a `size` the result has so many frames, of which those after the first `stop - start` mean nothing.
    """
    left, right = max(0, start - reach), min(len(places), stop + reach)
    around = maps(places[left], places[right - 1] + 1)  # (distinct frames, C, H, W)
    if len(around) < right - left:
        around = around[[place - places[left] for place in places[left:right]]]
    before, frames, outside = start - left, stop - start, (0, 0)
    if size:
        outside = reach - before, start + size + reach - right
        around = add_frames(around, *outside)  # (reach + size + reach, C, H, W)
        before, frames = reach, size
    out = fuse(around, before, frames, outside=outside)
    x = around[before : before + frames]
    return torch.addcmul(x, alpha, out).to(x.dtype)  # correlation of float16 is float32


def add_frames(x: Tensor, before: int, after: int) -> Tensor:
    """(T, C, H, W) -> (before + T + after, C, H, W), with frames of zeros at both ends."""
    return F.pad(x, (0, 0, 0, 0, 0, 0, before, after)) if before or after else x


def _slice(x: Tensor, start: int, stop: int) -> Tensor:
    return x[start:stop]


def average(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C)."""
    return x.mean((2, 3))


def find_distinct_frames(clip: Tensor) -> tuple[Tensor, Tensor | None]:
    """Find the frames (T, ...) that differ from the one before: their indices, and each frame's place among them.

    The places are None where all differ. Frames are compared with the one before alone, which padding repeats.
    """
    differs = (clip[1:] != clip[:-1]).flatten(1).any(1)  # (T - 1,)
    first = torch.cat([differs.new_ones(1), differs])  # (T,)
    indices = first.nonzero()[:, 0]
    return indices, None if len(indices) == len(clip) else first.cumsum(0) - 1


def in_chunks(compute: Callable[[int, int], Tensor], total: int, chunk: int) -> Tensor:
    """Call `compute(start, stop)` for `chunk` frames at a time and join the results along the first dimension.

    They are written into one tensor as they come: to join them at the end would hold all of them twice.
    """
    part = compute(0, min(chunk, total))
    layout = torch.channels_last if part.ndim == 4 else torch.contiguous_format
    out = torch.empty((total, *part.shape[1:]), dtype=part.dtype, device=part.device, memory_format=layout)
    out[: len(part)] = part
    for start in range(chunk, total, chunk):
        stop = min(start + chunk, total)
        out[start:stop] = compute(start, stop)
    return out
