"""The rule of live windows: which frames each reading sees, and which glosses it makes final.

Windows end every `hop` frames and reach back `window` frames. What lies `lookahead` frames or more before the end of a
window has been seen with what follows it: it is final, and no later window changes it. What lies after that may still
change. A stream is read by this rule while it comes, and a clip by the same code, so that both give the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from evaluation.ctm import CtmWord
from evaluation.inference.reading import ReadingError, check_live_numbers
from evaluation.inference.windows import SAME_GLOSS_SECONDS, find_centre, find_end, pair_readings

DIGITS = 6  # of seconds: what computing leaves in those beyond must not decide between two glosses
LEAST_SECONDS = 0.04
"""The shortest that a gloss becomes where the one before it, which is final, reaches into it."""


@dataclass(frozen=True)
class LiveWindow:
    """One reading: it sees the frames from `begin` to before `end`, and decides all glosses up to `settled`."""

    begin: int
    end: int
    settled: int


@dataclass(frozen=True)
class LiveWindows:
    """Plans the windows of a stream, or of a stretch of it, whose frames are numbered from 0.

    Args:
        window: the most frames that a reading sees.
        hop: frames from the end of one window to the end of the next.
        lookahead: frames before the end of a window in which glosses may still change.
        grid: windows begin at multiples of it, and `window` and `hop` become multiples of it, so that windows share the
            network's output steps.

    Raises:
        ReadingError: a number is too small, or a window is shorter than hop and lookahead: frames would go unread.
    """

    window: int
    hop: int
    lookahead: int
    grid: int = 1

    def __post_init__(self) -> None:
        check_live_numbers(self.window, self.hop, self.lookahead)
        object.__setattr__(self, "window", max(self.grid, self.window // self.grid * self.grid))
        object.__setattr__(self, "hop", -(-self.hop // self.grid) * self.grid)
        if self.hop + self.lookahead > self.window:
            raise ReadingError(
                f"windows of {self.window} frames are too short for a hop of {self.hop} and a lookahead of "
                f"{self.lookahead} (this network counts in steps of {self.grid}): give at most {self.window} together"
            )

    def window_to(self, end: int) -> LiveWindow:
        """The window that ends before frame `end`, which more windows follow."""
        return LiveWindow(self._find_begin(end), end, end - self.lookahead)

    def last_window(self, frames: int) -> LiveWindow:
        """The last window of a stretch of so many frames, which decides all that is left."""
        return LiveWindow(self._find_begin(frames), frames, frames)

    def plan(self, frames: int) -> list[LiveWindow]:
        """All windows of a clip of so many frames, one or more, in order."""
        return [*map(self.window_to, range(self.hop, frames, self.hop)), self.last_window(frames)]

    def find_due(self, read: int, frames: int, ended: bool = False) -> LiveWindow | None:
        """The window to read next.

        If several are due, since reading takes longer than a hop, those before the latest are left out. But one is
        read from which no frame is missing that its predecessor did not decide.

        Args:
            read: the end of the window before; 0 if there is none.
            frames: how many frames there are.
            ended: whether no more come, so that the last window is due too, even if it is shorter than a hop.

        Returns:
            the window; None if none is due.
        """
        # The window after the next one begins no later before what is undecided than usual, so one always fits.
        margin = min(self.lookahead, self.window - self.hop - self.lookahead)
        undecided = read - self.lookahead - margin
        if ended and read < frames and self._find_begin(frames) <= max(0, undecided):
            return self.last_window(frames)
        for end in range(frames // self.hop * self.hop, read, -self.hop):
            if self._find_begin(end) <= max(0, undecided) or end <= read + self.hop:
                return self.window_to(end)
        return None

    def _find_begin(self, end: int) -> int:
        return max(0, -(-(end - self.window) // self.grid) * self.grid)


@dataclass
class FinalGlosses:
    """Decides from the readings of windows, one after the other, which glosses are final.

    A gloss is taken from the first reading in which its centre lies in the part that this reading decides. Two readings
    of one gloss count once, even if one lies on this side of the border and one on the other.

    Attributes:
        merging: whether equal neighbours count as one gloss; it is then the first of them, which is final before the
            others are seen.
        min_confidence: glosses with a lower confidence are left out.
        provisional: what may still change, of the latest reading.
        left_out: the number of final glosses that were left out.
    """

    merging: bool = False
    min_confidence: float = 0.0
    provisional: tuple[CtmWord, ...] = ()
    left_out: int = 0
    _border: float = float("-inf")
    _last_end: float = float("-inf")  # no gloss to come begins before it
    _decided: list[CtmWord] = field(default_factory=list)  # as they were read, while windows may see them again
    _pending: list[CtmWord] = field(default_factory=list)  # of the latest reading, beyond the border
    _run: tuple[str, bool] = ("", False)  # the last gloss, and whether one of its run has been given out

    def take(self, words: Sequence[CtmWord], begin: float, border: float) -> tuple[CtmWord, ...]:
        """Take in the reading of one window.

        Args:
            words: its glosses in order, not merged; times in seconds of the stream.
            begin: where the window begins, in seconds of the stream; later windows begin no earlier.
            border: the seconds up to which this reading decides; it never falls.

        Returns:
            the glosses that are final now, in order.
        """
        words = [
            word._replace(start=round(word.start, DIGITS), duration=round(word.duration, DIGITS)) for word in words
        ]
        self._decided = [word for word in self._decided if round(begin - find_end(word), DIGITS) < SAME_GLOSS_SECONDS]
        pairs = pair_readings([*self._decided, *self._pending], words, DIGITS)
        final = set(map(id, self._decided))  # by identity, since a gloss that is signed twice can be two equal words
        read_before = {id(new) for old, new in pairs if id(old) in final}
        was_open = {id(new) for old, new in pairs} - read_before
        border = round(border, DIGITS)
        settled, self._pending = [], []
        for word in words:
            centre = round(find_centre(word), DIGITS)
            if id(word) in read_before:
                continue
            if centre > border:
                self._pending.append(word)
            elif centre > self._border or id(word) in was_open:
                settled.append(word)
        self._border = border
        return self._settle(settled)

    def take_rest(self) -> tuple[CtmWord, ...]:
        """Make final what the latest reading left open: no window follows, or none that sees it again."""
        rest, self._pending = self._pending, []
        return self._settle(rest)

    def _settle(self, words: Sequence[CtmWord]) -> tuple[CtmWord, ...]:
        self._decided += words
        given_out, self._last_end, self._run, left_out = self._lay_out(words)
        self.left_out += left_out
        self.provisional = tuple(self._lay_out(self._pending)[0])
        return tuple(given_out)

    def _lay_out(self, words: Sequence[CtmWord]) -> tuple[list[CtmWord], float, tuple[str, bool], int]:
        """The words that are given out of these, the new `_last_end` and `_run`, and how many words were left out."""
        end, (gloss, seen), given_out, left_out = self._last_end, self._run, [], 0
        for word in words:
            repeated = self.merging and seen and word.gloss == gloss
            kept = word.confidence is None or word.confidence >= self.min_confidence
            gloss, seen = word.gloss, kept or repeated
            if kept and not repeated:
                given_out.append(self._place(word, end))
                end = find_end(given_out[-1])
            left_out += not kept and not repeated
        return given_out, end, (gloss, seen), left_out

    @staticmethod
    def _place(word: CtmWord, earliest: float) -> CtmWord:
        """The word, begun no earlier than the end of what is final; that never changes."""
        if word.start >= earliest:
            return word
        duration = max(find_end(word) - earliest, min(word.duration, LEAST_SECONDS))
        return word._replace(start=earliest, duration=duration)
