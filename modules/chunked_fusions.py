"""The fusions of the backbone over one clip, a few frames at a time, with the layers between and after them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from modules.fusion import SpatioTemporalFusion
from modules.recompute import run_layers
from modules.resnet import ResNet, Stage
from utils.transfer import send

Layer = Callable[[Tensor], Tensor]
Maps = Callable[[int, int], Tensor]
"""Gives the maps (n, C, H, W) of a clip's frames from one to another, its end not included."""


def compute_from_fusion(
    net: ResNet, maps: Maps, total: int, places: Sequence[int], chunk: int, size: int = 0
) -> Tensor:  # fmt: skip
    """Compute the features of a clip's frames from the maps before the first fusion, which looks at their neighbours.

    Args:
        net: the backbone, in evaluation mode, with a fusion at least.
        maps: gives those of some distinct frames, as `compute_first_maps` does.
        total: the number of distinct frames, N.
        places: each frame's place among them, T numbers that never fall.
        chunk: the number of frames to compute at a time.
        size: the number of frames that every chunk is filled up to; 0: none are added.

    Returns:
        (T, C).
    """
    first, *rest = net.stages[len(net.first_stages) - 1 :]
    read = _add_fusion(first, maps, total, places, chunk, size)
    layers: list[Layer] = []  # those after the maps that `read` gives
    for stage in rest:
        layers.append(stage.layer)
        if stage.fusion is not None:  # from here on every frame has maps of its own
            run = partial(_run_chunk, read, layers)
            read, layers = _add_fusion(stage, run, len(places), range(len(places)), chunk, size), []
    return in_chunks(partial(_run_chunk, read, [*layers, average]), len(places), chunk)


def _add_fusion(
    stage: Stage, maps: Maps, total: int, places: Sequence[int], chunk: int, size: int
) -> Maps:  # fmt: skip
    """Give what computes the maps of some frames after a stage's fusion; arguments as for `compute_from_fusion`."""
    fusion, alpha = cast(SpatioTemporalFusion, stage.fusion), cast(Tensor, stage.alpha)
    fuse: Callable[..., Tensor] = fusion.forward_part
    around: Maps = SlidingMaps(maps, total, chunk)
    if fusion.needs_whole_clip is True:
        x = in_chunks(maps, total, chunk)
        around = partial(_slice, x)
        fuse = partial(fuse, weights=_summarise(x, places, fusion, chunk))
    return partial(_fuse_chunk, around, places, fuse, fusion.reach, alpha, size)


def _run_chunk(
    read: Maps, layers: Sequence[Layer], start: int, stop: int
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


def _summarise(x: Tensor, places: Sequence[int], fusion: SpatioTemporalFusion, chunk: int) -> Tensor:
    """Compute what a fusion needs to know of the whole clip, every frame counted as often as it occurs."""
    means = in_chunks(lambda start, stop: average(x[start:stop]), len(x), chunk)  # (distinct or all frames, C)
    return fusion.summarise_clip((means if len(places) == len(x) else pick_frames(means, places)).mean(0))


def _fuse_chunk(
    maps: Maps, places: Sequence[int], fuse: Callable[..., Tensor], reach: int, alpha: Tensor,
    size: int, start: int, stop: int,
) -> Tensor:  # fmt: skip
    """Compute `x + alpha * fusion(x)` of some frames t, whose x is what `maps` gives at places[t].

    With a `size` the result has so many frames, of which those after the first `stop - start` mean nothing.
    """
    left, right = max(0, start - reach), min(len(places), stop + reach)
    around = maps(places[left], places[right - 1] + 1)  # (distinct frames, C, H, W)
    if len(around) < right - left:
        around = pick_frames(around, [place - places[left] for place in places[left:right]])
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


def pick_frames(x: Tensor, places: Sequence[int]) -> Tensor:
    """`x[places]`, frames (N, ...) -> (T, ...), without waiting for a GPU to get the places."""
    return x[send(torch.tensor(places), x.device)]


def _slice(x: Tensor, start: int, stop: int) -> Tensor:
    return x[start:stop]


def average(x: Tensor) -> Tensor:
    """(N, C, H, W) -> (N, C)."""
    return x.mean((2, 3))


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
