"""How a video is to be read; knows nothing of PyTorch, so that a command line is checked before that is loaded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dataset.frame_rate import FASTEST
from dataset.sampling import Sampling, sample_at_rate, sample_every_frame
from utils.arguments import MOST_NUMBER
from utils.errors import InputError
from utils.text import quote_value

SHORTEST_WINDOW = 48
"""Frames, about two seconds: a shorter window does not show a gloss together with its neighbours."""


class ReadingError(InputError, ValueError):
    """A clip cannot be read, or its heat not be drawn, in the way that was asked for."""


@dataclass(frozen=True)
class Reading:
    """How a video is read.

    Attributes:
        max_frames: the most frames that the network is given at once.
        windows: whether a longer video is read in overlapping windows; if not, `max_frames` of its frames are read,
            evenly spaced, as the papers' code does.
        rate: the frames to take of each second; all if None.
        crop: "none" squashes the picture as the preparation of the corpora does, "centre" takes the middle square.
        min_confidence: glosses with a lower confidence are left out.

    Raises:
        ReadingError: a number of frames or a rate that is not positive, or windows that are too short.
    """

    max_frames: int = 360
    windows: bool = True
    rate: float | None = None
    crop: str = "none"
    min_confidence: float = 0.0

    def __post_init__(self) -> None:
        least = SHORTEST_WINDOW if self.windows else 1
        if self.max_frames < least:
            sampling = "; --sample takes fewer" if self.max_frames > 0 else ""
            raise ReadingError(f"max_frames_num is {self.max_frames}; at least {least} are needed here{sampling}")
        if self.max_frames > MOST_NUMBER:
            raise ReadingError(f"max_frames_num is {quote_value(self.max_frames)}; no memory holds so many frames")
        if self.rate is not None and not 0 < self.rate <= FASTEST:  # so written, NaN is refused too
            raise ReadingError(f"fps is {self.rate:g}; a frame rate is above 0 and at most {FASTEST}")
        if not 0 <= self.min_confidence <= 1:
            raise ReadingError(f"min_confidence is {self.min_confidence:g}; a confidence is between 0 and 1")

    def sample_frames(self, times: np.ndarray) -> Sampling:
        """Choose the frames of a video with `times` (T + 1,) at the rate asked for, however many they are."""
        return sample_every_frame(times) if self.rate is None else sample_at_rate(times, self.rate)
