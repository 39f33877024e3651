"""Clips of any length, read in overlapping windows whose results are stitched.

A network that was trained on sentences reads a gloss better when it sees more of the sentence around it. Where two
windows overlap, each gloss is therefore taken from the window in which it lies farther from the edge: from the earlier
window up to the middle of the overlap, and from the later one after it. A gloss that both windows read, with slightly
other times, counts once. A gloss that the edge of a window cuts lies close to that edge, so it is taken from the other
window, and what the first window misread of it is dropped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from evaluation.ctm import CtmWord
from evaluation.inference.reading import ReadingError

OVERLAP = 3
"""Windows share one part in `OVERLAP` of their length: a third. A gloss in the overlap is taken from the window in
which it lies half an overlap or more from the edge: 60 frames, over two seconds, in windows of 360. A larger overlap
costs time: with a third, half of all frames are read twice already. Above one half more than two windows would
overlap."""

SAME_GLOSS_SECONDS = 0.24
"""Seconds between two readings of a gloss that count as one: six frames, twice the error of a boundary."""

FrameSpan = tuple[int, int]


def plan_windows(frames: int, length: int, grid: int = 1) -> list[FrameSpan]:
    """The frames (first, last + 1) of the windows that cover a clip.

    Args:
        frames: the clip's length.
        length: the windows' length; the last one may be shorter, but is longer than the overlap.
        grid: windows begin at multiples of this number, so that they share the network's output steps.

    Raises:
        ReadingError: windows are so short that more than two would overlap.
    """
    overlap = length // OVERLAP
    hop = (length - overlap) // grid * grid
    if frames > length and 2 * hop < length:  # `stitch` knows no window but the neighbours
        raise ReadingError(
            f"windows of {length} frames are too short for this network: give --max_frames_num {3 * grid} or more"
        )
    hop = hop or length  # of a clip that one window holds, whatever the grid
    starts = [start for start in range(0, frames, hop) if start == 0 or start + length - hop < frames]
    return [(start, min(start + length, frames)) for start in starts]


def cut_windows(frames: Iterable[np.ndarray], spans: Sequence[FrameSpan]) -> Iterator[np.ndarray]:
    """Gather the frames (N, H, W, 3) of each window from frames that come one by one.

    No more than one window is in memory at a time, so that a film of any length can be read.
    """
    source = iter(frames)
    held: deque[np.ndarray] = deque()
    first = 0  # position of held[0]
    for start, end in spans:
        while first < start:
            held.popleft()
            first += 1
        while first + len(held) < end:
            held.append(next(source))
        yield np.stack(held)


def stitch(parts: Sequence[tuple[float, float, Sequence[CtmWord]]]) -> tuple[CtmWord, ...]:
    """Put the glosses of a clip together from those of its windows.

    Args:
        parts: the windows in order as (begin, end, glosses), in seconds of the clip; a window may overlap its
            neighbours, but no other.

    Returns:
        the glosses, none of which overlaps its neighbours: where two did, they meet in the middle.
    """
    _, previous_end, kept = parts[0]
    for begin, end, words in parts[1:]:
        kept = _join(kept, words, (begin + previous_end) / 2)
        previous_end = end
    return _separate(sorted(kept, key=find_centre))


def _join(left: Sequence[CtmWord], right: Sequence[CtmWord], middle: float) -> list[CtmWord]:
    """Choose from the glosses of two windows whose overlap has this middle."""
    # By identity, since a gloss that is signed twice can be two equal words.
    place = {id(word): find_centre(word) for word in (*left, *right)}
    # The two readings of one gloss get one place, or if they lay on different sides of the middle both would be kept,
    # or neither.
    for a, b in pair_readings(left, right):
        place[id(a)] = place[id(b)] = (find_centre(a) + find_centre(b)) / 2
    return [word for word in left if place[id(word)] < middle] + [word for word in right if place[id(word)] >= middle]


def pair_readings(
    left: Sequence[CtmWord], right: Sequence[CtmWord], digits: int | None = None
) -> list[tuple[CtmWord, CtmWord]]:
    """Find the readings of one gloss in two windows: the same gloss at about the same time, the nearest first.

    Args:
        left, right: the glosses of the windows.
        digits: decimals of a second that count; None: all of them.
    """

    def measure(seconds: float) -> float:
        return seconds if digits is None else round(seconds, digits)

    candidates = [
        (measure(abs(find_centre(a) - find_centre(b))), a, b)
        for a in left
        for b in right
        if a.gloss == b.gloss and measure(find_gap(a, b)) < SAME_GLOSS_SECONDS
    ]
    pairs: list[tuple[CtmWord, CtmWord]] = []
    taken: set[int] = set()
    for _, a, b in sorted(candidates, key=lambda candidate: candidate[0]):
        if not taken & {id(a), id(b)}:
            pairs.append((a, b))
            taken |= {id(a), id(b)}
    return pairs


def _separate(words: Sequence[CtmWord]) -> tuple[CtmWord, ...]:
    """Move the borders of words in order so that none ends after the next begins."""
    out: list[CtmWord] = []
    for word in words:
        if out and find_end(out[-1]) > word.start:
            last = out.pop()
            border = (max(last.start, word.start) + min(find_end(last), find_end(word))) / 2
            out.append(last._replace(duration=border - last.start))
            word = word._replace(start=border, duration=find_end(word) - border)  # noqa: PLW2901
        out.append(word)
    return tuple(out)


def find_centre(word: CtmWord) -> float:
    """The second in the middle of a word."""
    return word.start + word.duration / 2


def find_end(word: CtmWord) -> float:
    """The second at which a word ends."""
    return word.start + word.duration


def find_gap(a: CtmWord, b: CtmWord) -> float:
    """Seconds between two words; negative if they overlap."""
    return max(a.start, b.start) - min(find_end(a), find_end(b))
