"""What comes in from a camera: frames become slots that wait to be read, and what is wrong with them is noticed."""

from __future__ import annotations

import math
import threading
from collections import deque
from typing import NamedTuple

import numpy as np

from dataset.crop import crop_and_resize
from dataset.frames import FrameError
from dataset.sampling import ROUNDING
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.slot_clock import GAP_SECONDS, SlotClock
from evaluation.inference.torch_network import TorchNetwork

BLACK_SECONDS = 1.0
"""Seconds after which a black picture is told."""
BLACK = 8.0
"""The mean of a picture, of 255, below which it is black: a covered lens gives noise, not zeros."""
MOST_EVERY = 5
"""Of so many slots one gets a frame of its own at least; fewer show no movement."""
AGAIN_SECONDS = 30.0
"""A machine that lost a part of the stream and loses another within so many seconds is too slow for all frames."""
ORDINALS = {2: "second", 3: "third", 4: "fourth", 5: "fifth"}


def describe_dropping(rate: float, every: int) -> str:
    """Say that this machine does not read all frames.

    Args:
        rate: the slots a second.
        every: every n-th of them has a frame of its own; from 2 to `MOST_EVERY`.
    """
    return f"this machine reads {rate / every:.3g} frames a second: every {ORDINALS[every]} frame is taken"


class Slot(NamedTuple):
    """A moment of the stream with the frame that is seen at it, cropped, (3, S, S) uint8."""

    number: int
    seen: np.ndarray


class Notice(NamedTuple):
    """What was noticed, and at which second of the stream."""

    time: float
    message: str


class LiveInput:
    """Takes frames from one thread and hands slots on to another; what nobody fetches is dropped, the oldest first.

    Args:
        recogniser: what the frames are for.
        most: the most slots that wait.
        every: every n-th slot gets a frame of its own; the others repeat it.
        crop: as for `crop_and_resize`.

    Attributes:
        clock: which slots there are.
        frames: the number of frames that came.
        frames_taken: the number of slots that have a frame of their own.
    """

    def __init__(self, recogniser: Recogniser, most: int, every: int = 1, crop: str = "none") -> None:
        self._recogniser = recogniser
        self._crop = crop
        self._dropping_helps = isinstance(recogniser.network, TorchNetwork)  # others read each window anew
        self.clock = SlotClock(recogniser.frame_rate, recogniser.config.feeder_args.frame_interval)
        self.every = every
        self._waiting: deque[Slot] = deque(maxlen=most)
        self._notices: list[Notice] = []
        self._lock = threading.Lock()
        self.frames = self.frames_taken = 0
        self._newest: np.ndarray = np.zeros((1, 1, 3), np.uint8)  # as it came; cropped once a slot takes it
        self._cropped: np.ndarray | None = None  # of it
        self._slot: Slot | None = None  # the newest one
        self._lost: int | None = None  # the first slot that others pushed out before it was fetched
        self._lost_until = -math.inf  # the seconds of the stream up to which parts were lost
        self._shape: tuple[int, ...] = ()
        self._black_since: float | None = None
        self._black_told = self._still_told = False
        self._asked_first: float | None = None

    def feed(self, frame: np.ndarray, time: float) -> None:
        """Take in a frame, as `LiveRecogniser.feed`."""
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[-1] != 3 or not frame.size:
            raise FrameError(f"a frame is {frame.dtype} {frame.shape}; it must be uint8 (H, W, 3), RGB from 0 to 255")
        if not math.isfinite(time):
            raise FrameError(f"a frame's time is {time}; it must be seconds")
        with self._lock:
            before = self.clock.last
            of_last, of_this = self.clock.place(time)
            now = self.clock.last
            self._fill(of_last)
            if now is None or now == before:  # it came no later than the one before
                return
            self.frames += 1
            self._look_for_gap(before, now)
            self._look_at_size(frame, now)
            self._newest, self._cropped = frame, None
            self._fill(of_this)

    def finish(self) -> None:
        """Take in that no frame follows."""
        with self._lock:
            self._fill(self.clock.finish())

    def fetch(self, expected: int | None) -> tuple[list[Slot], bool]:
        """The slots that wait, up to the first that does not follow on the one before; they are taken away.

        Args:
            expected: the number of the next slot; None if any may be next.

        Returns:
            the slots, and whether others wait behind a hole.
        """
        with self._lock:
            if self._lost is not None:
                self._tell_lost(self.clock.seconds_at(self._lost), self.clock.seconds_at(self._waiting[0].number))
                self._lost = None
            found: list[Slot] = []
            while self._waiting and expected in (None, self._waiting[0].number):
                found.append(self._waiting.popleft())
                expected = found[-1].number + 1
            return found, bool(self._waiting)

    def __len__(self) -> int:
        """The number of slots that wait."""
        return len(self._waiting)

    def fetch_notices(self) -> list[Notice]:
        """What was noticed since the last call."""
        with self._lock:
            found, self._notices = self._notices, []
            return found

    def is_still(self, now: float) -> bool:
        """Whether no frame has come for `GAP_SECONDS` before `now`, in seconds of the camera's clock."""
        with self._lock:
            if self._asked_first is None:
                self._asked_first = now
            last = self._asked_first if self.clock.last is None else self.clock.last
            since = self.clock.to_stream(now) - last
            if since <= GAP_SECONDS:
                return False
            if not self._still_told:
                self._still_told = True
                self._notices.append(Notice(last, f"no frame for {GAP_SECONDS:g} s"))
            return True

    def tell_lost(self, begin: float, end: float) -> None:
        """Say that a part of the stream was not read.

        If it happens again and again, fewer slots get a frame of their own from then on. Once is no reason: the machine
        may have been busy with something else.

        Args:
            begin, end: the part, in seconds of the stream.
        """
        with self._lock:
            self._tell_lost(begin, end)

    def _tell_lost(self, begin: float, end: float) -> None:
        self._notices.append(Notice(begin, f"from {begin:.1f} to {end:.1f} s nothing was read: this machine is slow"))
        since, self._lost_until = begin - self._lost_until, max(end, self._lost_until)
        if ROUNDING < since < AGAIN_SECONDS and self.every < MOST_EVERY and self._dropping_helps:
            self.every += 1
            self._notices.append(Notice(end, describe_dropping(self._recogniser.slot_rate, self.every)))

    def _fill(self, slots: range) -> None:
        for number in slots:
            last = self._slot
            if last is None or last.number + 1 != number or number % self.every == 0:
                self.frames_taken += 1
                self._slot = Slot(number, self._crop_newest(number))
            else:
                self._slot = Slot(number, last.seen)
            if len(self._waiting) == self._waiting.maxlen and self._lost is None:
                self._lost = self._waiting[0].number
            self._waiting.append(self._slot)

    def _crop_newest(self, slot: int) -> np.ndarray:
        if self._cropped is None:
            prepared = crop_and_resize(self._newest, self._recogniser.frame_size, self._crop)
            self._cropped = self._recogniser.crop(prepared[None])[0]  # (3, S, S)
            self._look_for_black(self._cropped, self.clock.seconds_at(slot))
        return self._cropped

    def _look_for_gap(self, before: float | None, now: float) -> None:
        if before is not None and (self._still_told or now - before > GAP_SECONDS):
            self._notices.append(Notice(now, f"frames are back after {now - before:.1f} s without"))
            self._black_since, self._black_told = None, False
        self._still_told = False

    def _look_at_size(self, frame: np.ndarray, now: float) -> None:
        if self._shape and self._shape != frame.shape:
            (height, width), (new_height, new_width) = self._shape[:2], frame.shape[:2]
            message = f"the pictures were {width}x{height} pixels, and are {new_width}x{new_height} now"
            self._notices.append(Notice(now, message))
        self._shape = frame.shape

    def _look_for_black(self, seen: np.ndarray, now: float) -> None:
        if seen.mean() >= BLACK:
            self._black_since, self._black_told = None, False
            return
        if self._black_since is None:
            self._black_since = now
        if now - self._black_since > BLACK_SECONDS and not self._black_told:
            self._black_told = True
            message = f"the picture has been black for {BLACK_SECONDS:g} s: is the camera covered?"
            self._notices.append(Notice(now, message))
