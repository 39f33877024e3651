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
        hop: frames from the end of one window to the end of the next, and each gloss counts as a live recogniser reads
            it (`evaluation.inference.live_windows`); None: windows overlap by a third.
        lookahead: with `hop`, the frames that must follow a gloss's centre in the window that it is taken from.

    Raises:
        ReadingError: a number of frames or a rate that is not positive, windows that are too short, or hop and
            lookahead that do not go with them or with each other.
    """

    max_frames: int = 360
    windows: bool = True
    rate: float | None = None
    crop: str = "none"
    min_confidence: float = 0.0
    hop: int | None = None
    lookahead: int | None = None

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
        self._check_hop()

    def _check_hop(self) -> None:
        if (self.hop is None) != (self.lookahead is None):
            raise ReadingError("hop and lookahead go together: give both, or neither")
        if self.hop is not None and self.lookahead is not None:
            if not self.windows:
                raise ReadingError("hop and lookahead are of windows: they do not go with --sample")
            check_live_numbers(self.max_frames, self.hop, self.lookahead)

    def sample_frames(self, times: np.ndarray) -> Sampling:
        """Choose the frames of a video with `times` (T + 1,) at the rate asked for, however many they are."""
        return sample_every_frame(times) if self.rate is None else sample_at_rate(times, self.rate)


def check_live_numbers(window: int, hop: int, lookahead: int) -> None:
    """Check numbers of frames that a user gave; raises ReadingError."""
    if hop < 1 or lookahead < 0:
        raise ReadingError(
            f"hop is {hop} and lookahead {lookahead}; a hop is at least 1 frame, and a lookahead at least 0"
        )
    if hop + lookahead > window:
        raise ReadingError(
            f"a hop of {hop} and a lookahead of {lookahead} frames are more than a window of {window}: frames would go "
            "unread; give smaller ones or a longer window"
        )
