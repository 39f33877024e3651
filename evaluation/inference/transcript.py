"""What was read in one video."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from evaluation.ctm import CtmWord
from utils.errors import InputError

WARNING = "warning: "
"""The beginning of a note that warns."""


class TranscriptError(InputError, ValueError):
    """A transcript, or the video with its glosses, cannot be saved under this name."""


@dataclass(frozen=True)
class Guess:
    """One of the n-best hypotheses for a stretch of the video.

    Attributes:
        start, end: the stretch, in seconds of the video.
        glosses: the glosses as CTC spells them, before repeats are merged.
        score: -log p.
    """

    start: float
    end: float
    glosses: tuple[str, ...]
    score: float


@dataclass(frozen=True)
class Transcript:
    """What was read in one video. All times are seconds of the video as its player shows them.

    Attributes:
        name: the clip's name.
        video: the video file, or the folder of images.
        duration: the video's length in seconds.
        rate: the video's frames a second.
        frames: the number of frames in the video.
        frames_read: how many of them the network was given.
        words: the glosses.
        nbest: the best guesses, best first; of a long video those of each window.
        notes: what was done to the video, a sentence each.
    """

    name: str
    video: Path
    duration: float
    rate: float
    frames: int
    frames_read: int
    words: tuple[CtmWord, ...]
    nbest: tuple[Guess, ...]
    notes: tuple[str, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was warned of, among the notes."""
        return tuple(note.removeprefix(WARNING) for note in self.notes if note.startswith(WARNING))


def round_to_milliseconds(words: Iterable[CtmWord]) -> list[tuple[CtmWord, int, int]]:
    """Each word with its start and end in milliseconds.

    Annotations of one tier of ELAN cannot overlap, and a subtitle that lasts no time is never seen; rounding could make
    either of short words. So a word lasts a millisecond at least, and begins no earlier than the one before it ends.
    """
    rounded, last_end = [], 0
    for word in words:
        start = max(round(word.start * 1000), last_end)
        last_end = max(round((word.start + word.duration) * 1000), start + 1)
        rounded.append((word, start, last_end))
    return rounded
