"""Which frames and which part of them the network sees: decided first, so that only those are read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from config.load import ConfigError
from config.schema import FeederArgs


@dataclass(frozen=True)
class Plan:
    """What to do with one clip.

    Attributes:
        indices: frames to read, in order; some may repeat.
        size: side in pixels to read frames at.
        top, left: corner of the crop.
        flip: mirror left and right.
    """

    indices: tuple[int, ...]
    size: int
    top: int
    left: int
    flip: bool


@dataclass(frozen=True)
class Transform:
    """Draws random length, crop and mirroring in training; in evaluation takes every frame and the centre.

    Args:
        feeder: the settings.
        frame_size: side of the prepared frames.
        training: draw, or take the centre.

    Raises:
        ConfigError: the crop is larger than the frames.
    """

    feeder: FeederArgs
    frame_size: int
    training: bool

    def __post_init__(self) -> None:
        if self.size < self.feeder.input_size:
            raise ConfigError(
                f"feeder_args.input_size is {self.feeder.input_size}, but frames are {self.size}x{self.size} "
                f"(prepared at {self.frame_size}, image_scale {self.feeder.image_scale}); prepare them larger "
                "(--frame-size), raise image_scale or lower input_size"
            )

    @property
    def size(self) -> int:
        """Side at which frames are read, before the crop."""
        scale = self.feeder.image_scale
        return round(scale if scale > 1 else self.frame_size * scale)

    def plan(self, num_frames: int, rng: np.random.Generator, shortest: int = 1) -> Plan:
        """What to do with one clip.

        Args:
            num_frames: frames of the clip.
            rng: source of what is drawn in training.
            shortest: frames below which the clip's label could no longer be spelt.
        """
        kept = np.arange(0, num_frames, self.feeder.frame_interval)
        slack = self.size - self.feeder.input_size
        top, left, flip = slack // 2, slack // 2, False
        if self.training:
            top, left = int(rng.integers(slack + 1)), int(rng.integers(slack + 1))
            flip = bool(rng.random() < self.feeder.flip)
            if self.feeder.temporal_scale:
                kept = kept[self._rescale(len(kept), rng, shortest)]
        return Plan(tuple(kept.tolist()), self.size, top, left, flip)

    def view(self, frames: np.ndarray, plan: Plan) -> np.ndarray:
        """Crop and mirror without copying: uint8 (..., size, size, 3) -> uint8 (..., 3, input_size, input_size)."""
        side = self.feeder.input_size
        crop = frames[..., plan.top : plan.top + side, plan.left : plan.left + side, :]
        if plan.flip:
            crop = crop[..., ::-1, :]
        return np.moveaxis(crop, -1, -3)

    def apply(self, frames: np.ndarray, plan: Plan) -> np.ndarray:
        """Crop and mirror: uint8 (T, size, size, 3) -> uint8 (T, 3, input_size, input_size), contiguous."""
        return np.ascontiguousarray(self.view(frames, plan))

    def _rescale(self, length: int, rng: np.random.Generator, shortest: int) -> np.ndarray:
        """Sorted random positions: up to `temporal_scale` more or fewer, within bounds, a multiple of four."""
        scale = self.feeder.temporal_scale
        wanted = length * rng.uniform(1 - scale, 1 + scale)
        wanted = min(max(wanted, self.feeder.min_frames), self.feeder.max_frames)
        wanted = 4 * -(-int(max(wanted, shortest)) // 4)
        return np.sort(rng.choice(length, wanted, replace=wanted > length))
