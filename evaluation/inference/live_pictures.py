"""What is wrong with a camera's pictures: another size, or nothing to be seen."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

BLACK_SECONDS = 1.0
"""Seconds after which a black picture is told."""
BLACK = 8.0
"""The mean of a picture, of 255, below which it is black: a covered lens gives noise, not zeros."""
QUIET_SECONDS = 10.0
"""Seconds after a notice of another size in which there is none; twice as many after each that comes right then."""
LONGEST_QUIET = 3600.0


class PictureWatch:
    """Looks at the pictures of a stream as they come; each method returns what to tell the user, or ""."""

    def __init__(self) -> None:
        self._told: Sequence[int] = ()  # the shape that the user knows of
        self._shape: Sequence[int] = ()  # of the newest picture
        self._changes = 0  # of the size, since it was told
        self._quiet, self._quiet_until = QUIET_SECONDS, -math.inf
        self._black_since: float | None = None
        self._black_told = False

    def look_at_size(self, shape: Sequence[int], now: float) -> str:
        """Notice that pictures have another size: at once, and then rarely, should it change all the time.

        Args:
            shape: (H, W, 3) of the newest picture.
            now: its second of the stream.
        """
        if not self._told:
            self._told = self._shape = shape
        self._changes += shape != self._shape
        self._shape = shape
        if shape == self._told or now < self._quiet_until:
            return ""
        often = now - self._quiet_until < self._quiet
        self._quiet = min(2 * self._quiet, LONGEST_QUIET) if often else QUIET_SECONDS
        self._quiet_until = now + self._quiet
        (height, width), (new_height, new_width) = self._told[:2], shape[:2]
        many = f", after {self._changes} changes" if self._changes > 1 else ""
        self._told, self._changes = shape, 0
        return f"the pictures were {width}x{height} pixels, and are {new_width}x{new_height} now{many}"

    def look_for_black(self, seen: np.ndarray, now: float) -> str:
        """Notice that a picture has been black for a while.

        Args:
            seen: the picture, cropped, (3, S, S) uint8.
            now: its second of the stream.
        """
        if seen.mean() >= BLACK:
            self.forget_black()
            return ""
        if self._black_since is None:
            self._black_since = now
        if now - self._black_since <= BLACK_SECONDS or self._black_told:
            return ""
        self._black_told = True
        return f"the picture has been black for {BLACK_SECONDS:g} s: is the camera covered?"

    def forget_black(self) -> None:
        """Count anew: a picture was not black, or none came for a while."""
        self._black_since, self._black_told = None, False
