"""What was read in one window of a video, in the video's own time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from dataset.sampling import Sampling
from evaluation.ctm import CtmWord
from evaluation.inference.recognition import Recognition
from evaluation.inference.transcript import Guess
from utils.progress import show_progress

Part = TypeVar("Part")
Watch = Callable[[int, int], None]
"""Called before each window with its number, from 0, and the number of windows; what it raises ends the reading."""


@dataclass(frozen=True)
class Window:
    """What was read in one window of the sampled frames; all times are seconds of the video."""

    start: float
    end: float
    words: tuple[CtmWord, ...]
    nbest: tuple[Guess, ...]
    doubts: tuple[str, ...]


def convert_times(recognition: Recognition, rate: float, sampling: Sampling, first: int, end: int) -> Window:
    """Turn the times of a recognition into those of the video.

    Args:
        recognition: what the network read in one window.
        rate: the frames that the network takes for a second.
        sampling: which frames of the video the network was given.
        first, end: the window's positions in `sampling`, (first, last + 1).
    """

    def to_video_time(seconds: float) -> float:
        # Clamped to the window: where a network leaves out frames, the last one it sees stands for some past the end.
        return sampling.seconds_at(min(first + seconds * rate, end))

    words = []
    for word in recognition.words:
        begin, stop = to_video_time(word.start), to_video_time(word.start + word.duration)
        words.append(word._replace(start=begin, duration=stop - begin))
    start, stop = sampling.seconds_at(first), sampling.seconds_at(end)
    nbest = tuple(Guess(start, stop, best.glosses, best.score) for best in recognition.nbest)
    return Window(start, stop, tuple(words), nbest, recognition.doubts)


def watch_windows(parts: Iterable[Part], count: int, watch: Watch | None) -> Iterator[Part]:
    """Go through `count` windows and say how far that is: to `watch`, or on the terminal if there is none."""
    hidden = watch is not None or count < 2
    for number, part in enumerate(show_progress(parts, count, "reading", "window", hidden)):
        if watch is not None:
            watch(number, count)
        yield part
