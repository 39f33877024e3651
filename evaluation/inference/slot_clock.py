"""The clock of a stream: which frame the network sees at which moment, however irregularly frames come."""

from __future__ import annotations

import math

from dataset.sampling import ROUNDING

GAP_SECONDS = 2.0
"""Seconds without a frame that are left out of the stream; a shorter gap is filled with the nearest frames."""
RESET_SECONDS = 1.0
"""Seconds by which a time must jump back to mean that the camera's clock was set anew; else the frame came late."""
MOST_LATE = 5
"""Frames that may come late one after the other; with one more the clock was set back by less than that."""

NONE = range(0)


class SlotClock:
    """Deals out slots, `frame_rate` / `interval` a second from the first frame on, to the frames nearest to them.

    It does what `sample_at_rate` does for a file, while the frames come. A slot that lies before the newest frame has
    its frame at once; one after it waits for the next frame, which may be nearer.

    Args:
        frame_rate: the frames a second that the network was trained on.
        interval: of so many of these frames it sees one.
    """

    def __init__(self, frame_rate: float, interval: int = 1) -> None:
        self.frame_rate = frame_rate
        self.interval = interval
        self.first = 0.0  # the seconds of slot 0
        self.last: float | None = None  # the seconds of the newest frame
        self._between = 1 / frame_rate  # the seconds between the last two frames
        self._next = 0  # the first slot without a frame
        self._shift = 0.0  # what was added to the times since the camera's clock was set back
        self._late = 0  # the frames that came late since the newest one

    def to_stream(self, time: float) -> float:
        """The seconds of the stream at a time of the camera's clock."""
        return time + self._shift

    def seconds_at(self, slot: float) -> float:
        """The seconds of the stream at which a slot begins."""
        return self.first + slot * self.interval / self.frame_rate

    @property
    def end(self) -> float:
        """The second of the stream at which the last frame ends, if it is seen as long as the one before; 0 of none."""
        return 0.0 if self.last is None else self.last + self._between

    def place(self, time: float) -> tuple[range, range]:
        """Take in that a frame has come.

        Args:
            time: the seconds of the camera's clock; a frame that is no later than the one before gets no slots.

        Returns:
            the slots that the frame before it takes besides those it has, and the slots that this frame takes.
        """
        if self.last is None:
            self.first = self.last = time
            self._next = 1
            return NONE, range(1)
        before, back = self.last, self.last - self.to_stream(time)
        self._late += back > ROUNDING  # of the same time as the newest are frames of a coarse clock
        if back >= RESET_SECONDS or self._late > MOST_LATE:
            self._shift = before + 1 / self.frame_rate - time
        now = self.to_stream(time)
        if now <= before:
            return NONE, NONE
        self.last, self._late = now, 0
        if now - before > GAP_SECONDS:
            slot = max(self._next, round(self._to_slots(now)))
            self._next = slot + 1
            return NONE, range(slot, slot + 1)
        self._between = now - before
        middle = math.ceil(self._to_slots((before + now) / 2 - ROUNDING))
        return self._deal_out(middle), self._deal_out(math.floor(self._to_slots(now + ROUNDING)) + 1)

    def finish(self) -> range:
        """The slots that the last frame takes until it ends."""
        if self.last is None:
            return NONE
        frames = max(1, round((self.end - self.first) * self.frame_rate))
        return self._deal_out(-(-frames // self.interval))

    def _to_slots(self, seconds: float) -> float:
        return (seconds - self.first) * self.frame_rate / self.interval

    def _deal_out(self, end: int) -> range:
        dealt = range(self._next, max(self._next, end))
        self._next = dealt.stop
        return dealt
