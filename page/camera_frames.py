"""The pictures of a page's camera on their way from the WebSocket to the network: bounded, and thinned out evenly."""

from __future__ import annotations

import math
import struct
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

HEAD = struct.Struct("<d")
"""What stands before the JPEG: seconds of the page's clock."""
MOST_FRAMES = 64
MOST_BYTES = 48 * 2**20
AHEAD = 2.0
"""Seconds by which the page's clock may be ahead of this machine's: more is no clock."""


class CameraFrame(NamedTuple):
    """A picture as it came: seconds since the first one, and the bytes of a JPEG."""

    time: float
    data: bytes


class CameraFrames:
    """Pictures that wait to be read. Put in by the event loop, taken out by the thread of the job.

    Where they come faster than they are taken, every second one is dropped, of those that wait and of those that come;
    once few are waiting, all are taken again.

    Attributes:
        every: of so many pictures that come one is kept.
        dropped: how many were dropped.
        refused: how many were no pictures with a time.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.every = 1
        self.dropped = 0
        self.refused = 0
        self._clock = clock
        self._frames: list[CameraFrame] = []
        self._bytes = 0
        self._arrived = 0
        self._first: tuple[float, float] | None = None  # the time of the first picture: the page's, and this machine's
        self._last = -math.inf
        self._newest = clock()  # when it came
        self._changed = threading.Condition()

    @property
    def waiting(self) -> int:
        """How many pictures wait."""
        return len(self._frames)

    @property
    def now(self) -> float:
        """Seconds since the first picture, by this machine's clock; 0 before it."""
        return 0.0 if self._first is None else self._clock() - self._first[1]

    @property
    def silence(self) -> float:
        """Seconds since the newest picture came, or since the camera was asked for."""
        return self._clock() - self._newest

    def put(self, message: bytes) -> None:
        """Take a message of the page, if it is a picture with a time that a clock can show."""
        seconds = HEAD.unpack_from(message)[0] if len(message) > HEAD.size else math.nan
        with self._changed:
            if self._first is None and math.isfinite(seconds):
                self._first = (seconds, self._clock())
            moment = seconds - self._first[0] if self._first else math.nan
            if not self._last < moment <= self.now + AHEAD:  # so written, NaN is refused too
                self.refused += 1
                return
            self._last = moment
            self._newest = self._clock()
            self._arrived += 1
            if self._arrived % self.every:
                self.dropped += 1
                return
            self._frames.append(CameraFrame(moment, message[HEAD.size :]))
            self._bytes += len(message)
            while len(self._frames) > MOST_FRAMES or self._bytes > MOST_BYTES:
                self._thin_out()
            self._changed.notify()

    def take(self, seconds: float) -> list[CameraFrame]:
        """Wait so long for pictures, and take all that are there."""
        with self._changed:
            self._changed.wait_for(lambda: self._frames, seconds)
            if len(self._frames) <= MOST_FRAMES // 4 and self.every > 1:
                self.every //= 2
            taken, self._frames, self._bytes = self._frames, [], 0
            return taken

    def _thin_out(self) -> None:
        kept = self._frames[1::2]  # the newest stays
        self.dropped += len(self._frames) - len(kept)
        self._frames = kept
        self._bytes = sum(len(frame.data) for frame in kept)
        self.every = min(2 * self.every, MOST_FRAMES)
