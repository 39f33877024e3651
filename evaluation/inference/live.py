"""Recognition that runs along with a video or a camera: it is fed frames, and tells glosses while they are signed.

live = LiveRecogniser(recogniser, LiveSettings(window=72, hop=8, lookahead=20))
live.feed(frame, time)
for event in live.poll():
    print(event.kind, event.word or event.message)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from evaluation.ctm import CtmWord
from evaluation.inference.live_input import LiveInput
from evaluation.inference.live_settings import LiveSettings
from evaluation.inference.live_windows import FinalGlosses, LiveWindow, LiveWindows
from evaluation.inference.notes import describe_left_out, describe_network
from evaluation.inference.reading import ReadingError
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.transcript import Transcript
from evaluation.inference.window_reader import WindowReader
from utils.temporal import TemporalSpec


@dataclass(frozen=True)
class Event:
    """What happened in a stream.

    Attributes:
        kind: a gloss that never changes any more, a gloss that may still change, or something to tell the user.
        time: the seconds of the stream up to which it was read; of a notice, the second that it is about.
        word: the gloss, with times in seconds of the stream; None for a notice.
        message: of a notice.
    """

    kind: Literal["final", "provisional", "notice"]
    time: float
    word: CtmWord | None = None
    message: str = ""


class LiveRecogniser:
    """Reads a stream of frames in windows that overlap. One thread may feed while another one polls.

    Args:
        recogniser: the network with its decoder.
        settings: the windows; rounded to the network's output steps.
        min_confidence: glosses with a lower confidence are left out.
        crop: "none" squashes the picture as the preparation of the corpora does, "centre" takes the middle square.
        drop_still: whether glosses are left out where nothing moves, since nobody signs there.

    Attributes:
        finals: the glosses that never change any more, in order; none overlaps another.
        readings: the number of windows that were read; with each, all that is provisional is replaced.

    Raises:
        ReadingError: the settings do not serve.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        settings: LiveSettings,
        min_confidence: float = 0.0,
        crop: str = "none",
        drop_still: bool = True,
    ) -> None:
        config = recogniser.config
        if settings.every < 1:
            raise ReadingError(f"every is {settings.every}; at least every frame is taken, which is 1")
        grid = TemporalSpec(config.model_args.conv_type).stride
        self.recogniser = recogniser
        self.settings = settings
        self.finals: tuple[CtmWord, ...] = ()
        self.readings = 0
        self._by_window = recogniser.without_merging()
        self._windows = LiveWindows(settings.window, settings.hop, settings.lookahead, grid)
        self._glosses = FinalGlosses(config.merge_repeats, min_confidence)
        self._input = LiveInput(recogniser, self._windows.window, settings.every, crop)
        self._drop_still = drop_still
        self._burst = 0  # the most slots that one frame has brought since all was read
        self._begin_stretch()

    @property
    def provisional(self) -> tuple[CtmWord, ...]:
        """The glosses of the latest reading that may still change."""
        return self._glosses.provisional

    def __len__(self) -> int:
        """The number of slots that are held in memory."""
        return len(self._reader) + len(self._input)

    def feed(self, frame: np.ndarray, time: float) -> None:
        """Take in a frame. It is quick: nothing is computed but the crop.

        Args:
            frame: uint8 (H, W, 3) RGB of any size; it must not be changed afterwards.
            time: when it was seen, in seconds of the camera's clock, which is the stream's.

        Raises:
            FrameError: the frame is of another kind, or the time is not finite.
        """
        self._input.feed(frame, time)

    def poll(self, now: float | None = None) -> list[Event]:
        """Read the window that is due, if one is; of several the latest from which nothing undecided is missing.

        Args:
            now: what the camera's clock shows, so that a camera which gives no frames is noticed.

        Raises:
            RecognitionError: the network's output is not finite.
        """
        still = now is not None and self._input.is_still(now)
        lost, hole = self._fetch()
        lost += self._skip_what_is_too_much()
        if not lost:
            self._input.keep_up()
        return [*self._tell(), *lost, *self._advance(ended=still or hole)]

    def finish(self) -> list[Event]:
        """Read what is left, all of which becomes final: the stream has ended."""
        self._input.finish()
        lost, _ = self._fetch()
        events = [*self._tell(), *lost]
        while self._reader.slots:
            events += self._advance(ended=True)
            lost, _ = self._fetch()
            events += lost
        return events

    def transcript(self, name: str, path: Path) -> Transcript:
        """The final glosses, to be saved with `evaluation.inference.formats`.

        Args:
            name: the stream's name.
            path: the file that was played; of a camera any name.
        """
        recogniser, glosses, clock = self.recogniser, self._glosses, self._input.clock
        frames = self._input.frames
        left_out = describe_left_out(glosses.left_out, glosses.min_confidence)
        return Transcript(
            name=name,
            video=path,
            duration=clock.end,
            rate=frames / (clock.end - clock.first) if frames else clock.frame_rate,
            frames=frames,
            frames_read=self._input.frames_taken,
            words=self.finals,
            nbest=(),
            notes=(*describe_network(recogniser.rendered, recogniser.combined), *left_out),
        )

    def _begin_stretch(self) -> None:
        """Begin a stretch of slots without a hole; windows see none of what was before."""
        self._reader = WindowReader(
            self.recogniser.network, self._by_window.recognise_logits, self.recogniser.slot_seconds, self._drop_still
        )
        self._base: int | None = None  # the number in the stream of its first slot
        self._read = 0  # the end of the latest window, counted from the stretch's first slot

    def _fetch(self) -> tuple[list[Event], bool]:
        """Take in the slots that came; returns what is told of a loss, and whether there is a hole behind them."""
        expected = None if self._base is None else self._base + self._reader.slots
        slots, lost, hole, burst = self._input.fetch(expected)
        events = []
        if lost is not None:
            # What of the stretch before was not read is lost too: reading it would cost as much of what follows.
            events = self._leave_out(lost if self._base is None else self._base + self._read, slots[0].number)
            self._begin_stretch()
        caught_up = self._reader.slots - self._read < self._windows.hop
        self._burst = burst if caught_up else max(self._burst, burst)
        for slot in slots:
            self._base = slot.number if self._base is None else self._base
            self._reader.add(slot.seen)
        return events, hole

    def _advance(self, ended: bool) -> list[Event]:
        """Read one window at most; of a stretch that has ended, the last one makes all of it final."""
        slots = self._reader.slots
        window = self._windows.find_due(self._read, slots, ended)
        events = [] if window is None else self._read_window(window)
        if not ended or self._read < slots or not slots:
            return events
        events += self._give_out(self._glosses.take_rest(), slots)
        self._begin_stretch()
        return events

    def _read_window(self, window: LiveWindow) -> list[Event]:
        begin = self._seconds_at(window.begin)
        recognition = self._reader.read(window.begin, window.end, f"the stream at {begin:.1f} s")
        words = [word._replace(start=word.start + begin) for word in recognition.words]
        final = self._glosses.take(words, begin, self._seconds_at(window.settled))
        self._read = window.end
        self._reader.forget_before(window.begin)
        self.readings += 1
        return self._give_out(final, window.end)

    def _skip_what_is_too_much(self) -> list[Event]:
        """Leave slots out if clearly more than a window of them have not been read: the delay must not grow.

        So few can be caught up with, and so can those that came at once, after a pause: the machine is not slow.
        """
        lost = self._reader.slots - self._read - self._windows.window
        if lost <= max(self._windows.window // 8, self._burst):
            return []
        base, end = self._base or 0, self._read + lost
        events = self._leave_out(base + self._read, base + end)
        self._reader.begin_at(end)
        self._base, self._read = base + end, 0
        return events

    def _leave_out(self, begin: int, end: int) -> list[Event]:
        """Say that slots, by their numbers in the stream, are not read; what was provisional before them is final."""
        events = self._give_out(self._glosses.take_rest(), self._read)
        self._input.tell_lost(self._input.clock.seconds_at(begin), self._input.clock.seconds_at(end))
        return [*events, *self._tell()]

    def _give_out(self, final: Sequence[CtmWord], end: int) -> list[Event]:
        self.finals += tuple(final)
        time = self._seconds_at(end)
        return [*self._to_events("final", time, final), *self._to_events("provisional", time, self.provisional)]

    @staticmethod
    def _to_events(kind: Literal["final", "provisional"], time: float, words: Iterable[CtmWord]) -> list[Event]:
        return [Event(kind, time, word) for word in words]

    def _tell(self) -> list[Event]:
        return [Event("notice", notice.time, None, notice.message) for notice in self._input.fetch_notices()]

    def _seconds_at(self, slot: int) -> float:
        return self._input.clock.seconds_at((self._base or 0) + slot)
