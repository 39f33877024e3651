"""Clips of any length, read in overlapping windows whose results are stitched.

A network that was trained on sentences reads a gloss the better the more of its surroundings it sees. So of the glosses
in the overlap of two windows each is kept from the window in which it lies farther from the edge, which is the earlier
window up to the middle of the overlap and the later one after it. A gloss that both windows read there, though with
slightly other times, counts once; what an edge cut through lies close to that edge, so it is taken from the other
window, and what was misread of it is dropped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from evaluation.ctm import CtmWord
from utils.errors import InputError

OVERLAP = 3  # windows share one third of their length
SAME = 0.24  # seconds between two readings of a gloss that are one: six frames, twice the error of a boundary

Span = tuple[int, int]


class WindowError(InputError, ValueError):
    """Windows that are too short."""


def window_spans(frames: int, length: int, grid: int = 1) -> list[Span]:
    """Frames (first, last + 1) of windows that cover a clip.

    Args:
        frames: of the clip.
        length: of a window; the last one may be shorter, but is longer than the overlap.
        grid: windows begin at multiples of it, so that they share the network's output steps.

    Raises:
        WindowError: windows are so short that more than two would overlap.
    """
    overlap = length // OVERLAP
    hop = (length - overlap) // grid * grid
    if frames > length and 2 * hop < length:  # the window after the next would overlap too
        raise WindowError(
            f"windows of {length} frames are too short for this network: give --max_frames_num {3 * grid} or more"
        )
    hop = hop or length
    starts = [start for start in range(0, frames, hop) if start == 0 or start + length - hop < frames]
    return [(start, min(start + length, frames)) for start in starts]


def cut(frames: Iterable[np.ndarray], spans: Sequence[Span]) -> Iterator[np.ndarray]:
    """The frames (N, H, W, 3) of each window, from all frames one by one; holds no more than one window."""
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
    """The glosses of a clip from those of its windows.

    Args:
        parts: (begin, end, glosses) of each window in order, in seconds of the clip; a window may overlap its
            neighbours, but no other.

    Returns:
        the glosses, none of which overlaps its neighbours: where two did, they meet in the middle.
    """
    _, previous_end, kept = parts[0]
    for begin, end, words in parts[1:]:
        kept = _join(kept, words, (begin + previous_end) / 2)
        previous_end = end
    return _apart(sorted(kept, key=_centre))


def _join(left: Sequence[CtmWord], right: Sequence[CtmWord], middle: float) -> list[CtmWord]:
    """The glosses of two windows whose overlap has this middle."""
    place = {id(word): _centre(word) for word in (*left, *right)}
    for a, b in _pairs(left, right):
        place[id(a)] = place[id(b)] = (_centre(a) + _centre(b)) / 2
    return [word for word in left if place[id(word)] < middle] + [word for word in right if place[id(word)] >= middle]


def _pairs(left: Sequence[CtmWord], right: Sequence[CtmWord]) -> list[tuple[CtmWord, CtmWord]]:
    """Readings of one gloss in two windows: the same gloss at about the same time, the nearest first."""
    candidates = [
        (abs(_centre(a) - _centre(b)), a, b) for a in left for b in right if a.gloss == b.gloss and _gap(a, b) < SAME
    ]
    pairs: list[tuple[CtmWord, CtmWord]] = []
    taken: set[int] = set()
    for _, a, b in sorted(candidates, key=lambda candidate: candidate[0]):
        if not taken & {id(a), id(b)}:
            pairs.append((a, b))
            taken |= {id(a), id(b)}
    return pairs


def _apart(words: Sequence[CtmWord]) -> tuple[CtmWord, ...]:
    """The words in order, none ending after the next begins."""
    out: list[CtmWord] = []
    for word in words:
        if out and _end(out[-1]) > word.start:
            last = out.pop()
            border = (max(last.start, word.start) + min(_end(last), _end(word))) / 2
            out.append(last._replace(duration=border - last.start))
            word = word._replace(start=border, duration=_end(word) - border)  # noqa: PLW2901
        out.append(word)
    return tuple(out)


def _centre(word: CtmWord) -> float:
    return word.start + word.duration / 2


def _end(word: CtmWord) -> float:
    return word.start + word.duration


def _gap(a: CtmWord, b: CtmWord) -> float:
    """Seconds between two words; negative if they overlap."""
    return max(a.start, b.start) - min(_end(a), _end(b))
