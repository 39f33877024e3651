"""Which frames and which part of them the network sees.

That is decided before any pixel is read, so that frames which the random length leaves out are never decoded, and only
the crop of the others is kept in memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from config.load import ConfigError
from config.sections import FeederArgs


@dataclass(frozen=True)
class Plan:
    """What to do with one clip.

    Attributes:
        indices: the frames to read, in order; some may repeat.
        size: the side in pixels to which frames are resized first.
        top, left: the corner of the crop.
        flip: whether to mirror left and right.
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
        frame_size: the side of the prepared frames in pixels.
        training: whether to draw; else every frame and the centre are taken.

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
        """The side in pixels to which frames are resized, before the crop.

        An `image_scale` above one is that side itself.
        """
        scale = self.feeder.image_scale
        return round(scale if scale > 1 else self.frame_size * scale)

    def plan(self, num_frames: int, rng: np.random.Generator, shortest: int = 1) -> Plan:
        """Decide what to do with one clip.

        Args:
            num_frames: the number of the clip's frames.
            rng: the source of what is drawn in training.
            shortest: the number of frames below which CTC could no longer spell the clip's label.
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

    def length_range(self, num_frames: int) -> tuple[int, int]:
        """The fewest and the most frames that `plan` makes of a clip, longer ones that its label needs left out."""
        kept = -(-num_frames // self.feeder.frame_interval)
        scale = self.feeder.temporal_scale
        if not self.training or not scale:
            return kept, kept
        low, high = (
            min(max(kept * factor, self.feeder.min_frames), self.feeder.max_frames) for factor in (1 - scale, 1 + scale)
        )
        return 4 * -(-int(low) // 4), 4 * -(-int(high) // 4)

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
        """Draw sorted random positions: up to `temporal_scale` more or fewer, within bounds, a multiple of four.

        Random and not evenly spaced frames, so that the speed also varies within the clip; sorted, so that signing goes
        forwards; a multiple of four, the stride of the published network, so that the last output step is a whole one.
        """
        scale = self.feeder.temporal_scale
        wanted = length * rng.uniform(1 - scale, 1 + scale)
        wanted = min(max(wanted, self.feeder.min_frames), self.feeder.max_frames)
        wanted = 4 * -(-int(max(wanted, shortest)) // 4)
        return np.sort(rng.choice(length, wanted, replace=wanted > length))
