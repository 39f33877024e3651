"""What comes in from a camera: frames become slots that wait to be read, and what is wrong with them is noticed."""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple

import numpy as np

from dataset.crop import crop_and_resize
from dataset.frames import FrameError
from evaluation.inference.live_pictures import PictureWatch
from evaluation.inference.live_thinning import Thinning
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.slot_clock import GAP_SECONDS, SlotClock
from evaluation.inference.torch_network import TorchNetwork

MOST_SECONDS = 1e11
"""The largest time of a frame: beyond it a number of seconds is no clock's, and too coarse for frames."""


class Slot(NamedTuple):
    """A moment of the stream with the frame that is seen at it, cropped, (3, S, S) uint8."""

    number: int
    seen: np.ndarray


class Notice(NamedTuple):
    """What was noticed, and at which second of the stream."""

    time: float
    message: str


class Fetched(NamedTuple):
    """Slots that follow on each other.

    Attributes:
        slots: in order.
        lost: the first of the slots before them that others pushed out; None if there are none.
        hole: whether others wait behind them that do not follow on.
        burst: the most slots that one frame has brought since the last call: after a pause they are many.
    """

    slots: list[Slot]
    lost: int | None
    hole: bool
    burst: int


class LiveInput:
    """Takes frames from one thread and hands slots on to another; what nobody fetches is dropped, the oldest first.

    Args:
        recogniser: what the frames are for.
        most: the slots that are kept where some are dropped; twice as many wait before that, or what comes in half as
            long again as the longest pause that is filled, if that is more.
        every: every n-th slot gets a frame of its own at first; the others repeat it.
        crop: as for `crop_and_resize`.

    Attributes:
        clock: which slots there are.
        frames: the number of frames that came.
        frames_taken: the number of slots that have a frame of their own.
    """

    def __init__(self, recogniser: Recogniser, most: int, every: int = 1, crop: str = "none") -> None:
        self._recogniser = recogniser
        self._crop = crop
        self._most = most
        self.clock = SlotClock(recogniser.frame_rate, recogniser.config.feeder_args.frame_interval)
        helps = isinstance(recogniser.network, TorchNetwork)  # others read each window anew
        self._thinning = Thinning(recogniser.slot_rate, every, helps)
        self._pictures = PictureWatch()
        self._waiting: deque[Slot] = deque(maxlen=max(2 * most, round(1.5 * GAP_SECONDS * recogniser.slot_rate)))
        self._notices: list[Notice] = []
        self._lock = threading.Lock()
        self.frames = self.frames_taken = 0
        self._newest: np.ndarray = np.zeros((1, 1, 3), np.uint8)  # as it came; cropped once a slot takes it
        self._cropped: np.ndarray | None = None  # of it
        self._slot: Slot | None = None  # the newest one
        self._lost: int | None = None  # the first slot that others pushed out before it was fetched
        self._burst = 0
        self._still_told = False
        self._asked_first: float | None = None

    def feed(self, frame: np.ndarray, time: float) -> None:
        """Take in a frame, as `LiveRecogniser.feed`."""
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[-1] != 3 or not frame.size:
            raise FrameError(f"a frame is {frame.dtype} {frame.shape}; it must be uint8 (H, W, 3), RGB from 0 to 255")
        if not abs(time) <= MOST_SECONDS:  # so written, NaN is refused too
            raise FrameError(f"a frame's time is {time:g}; it must be seconds")
        with self._lock:
            before = self.clock.last
            of_last, of_this = self.clock.place(time)
            self._burst = max(self._burst, len(of_last) + len(of_this))
            now = self.clock.last
            self._fill(of_last)
            if now is None or now == before:  # it came no later than the one before
                return
            self.frames += 1
            self._look_for_gap(before, now)
            self._notice(now, self._pictures.look_at_size(frame.shape, now))
            self._newest, self._cropped = frame, None
            self._fill(of_this)

    def finish(self) -> None:
        """Take in that no frame follows."""
        with self._lock:
            self._fill(self.clock.finish())

    def fetch(self, expected: int | None) -> Fetched:
        """The slots that wait, up to the first that does not follow on the one before; they are taken away.

        Where some were pushed out all but the newest are dropped: who comes so late must not come late again.

        Args:
            expected: the number of the next slot; None if any may be next.
        """
        with self._lock:
            lost, burst = self._lost, self._burst
            self._lost, self._burst = None, 0
            if lost is not None:
                expected = None
                while len(self._waiting) > self._most:
                    self._waiting.popleft()
            found: list[Slot] = []
            while self._waiting and expected in (None, self._waiting[0].number):
                found.append(self._waiting.popleft())
                expected = found[-1].number + 1
            return Fetched(found, lost, bool(self._waiting), burst)

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
        """Say that a part of the stream was not read; if it happens again, fewer frames are taken from then on.

        Args:
            begin, end: the part, in seconds of the stream.
        """
        with self._lock:
            digits = 1 if f"{begin:.1f}" != f"{end:.1f}" else 2
            message = f"from {begin:.{digits}f} to {end:.{digits}f} s nothing was read: this machine does not keep up"
            self._notice(begin, message)
            self._notice(end, self._thinning.lose(begin, end))

    def keep_up(self) -> None:
        """Take in that nothing was lost until now; after a while more frames are taken again, where some were not."""
        with self._lock:
            if self.clock.last is not None:
                self._notice(self.clock.last, self._thinning.keep_up(self.clock.last))

    def _notice(self, time: float, message: str) -> None:
        if message:
            self._notices.append(Notice(time, message))

    def _fill(self, slots: range) -> None:
        for number in slots:
            last = self._slot
            if last is None or last.number + 1 != number or number % self._thinning.every == 0:
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
            now = self.clock.seconds_at(slot)
            self._notice(now, self._pictures.look_for_black(self._cropped, now))
        return self._cropped

    def _look_for_gap(self, before: float | None, now: float) -> None:
        if before is not None and (self._still_told or now - before > GAP_SECONDS):
            self._notices.append(Notice(now, f"frames are back after {now - before:.1f} s without"))
            self._pictures.forget_black()
        self._still_told = False
