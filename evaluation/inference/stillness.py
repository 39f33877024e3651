"""Where in a stream nothing moves: what is read there is no gloss, since nobody signs.

A network that has seen sentences only finds glosses everywhere, also in somebody who stands at rest. A sign moves a
hand, so a small part of the picture changes much. What changes from frame to frame is measured in blocks, whose means
hold little of the camera's noise, less what all of them have in common, which is the light.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from evaluation.ctm import CtmWord

BLOCKS = 16
"""Blocks on a side of the picture."""
PART = 0.05
"""The share of the blocks that counts, those that change most: about what a hand takes of the picture."""
STILL = 0.12
"""The change below which nothing moves, as a share of the picture's contrast, so that light and exposure do not count.
Of the glosses of the built-in corpus the least has 0.16; standing signers have 0.03 to 0.08. That is between frames
`USUAL` apart: where they come faster less changes from one to the next, and less counts. Where they come more slowly
it stays, so that no gloss is lost."""
USUAL = 0.04
"""Seconds from one frame of the built-in corpus to the next."""
NOISE = 3.8
"""The change below which nothing moves either, as a factor on the change of the block in the middle of all: noise
changes every block. Noise alone has 3.4 to 3.7; the least of any gloss is 67, and 4.05 in very noisy pictures."""
MIDDLE = 0.6
"""Seconds around the middle of a gloss in which something must move, with the ways to the sign and from it: in some
signs no more than fingers move. A gloss that is read at rest may last for seconds, and reach into a sentence."""
LEAST_CONTRAST = 1.0
"""Grey levels; a picture with less is of one colour, and does not show whether anything moves."""


class Change(NamedTuple):
    """How a frame differs from the one before it, in grey levels.

    Attributes:
        most: the change of the blocks that change most.
        usual: the change of the block in the middle of all.
        contrast: how much the blocks of the frame differ from each other.
    """

    most: float
    usual: float
    contrast: float


class Stillness:
    """How much moves in the frames of a stream, which are numbered 0, 1, ... as in `FrameMemory`.

    Args:
        frame_seconds: the time from one frame to the next, at least.
    """

    def __init__(self, frame_seconds: float = USUAL) -> None:
        self._still = STILL * min(1.0, frame_seconds / USUAL)
        self._before: np.ndarray | None = None
        self._changes: deque[Change] = deque()
        self._first = 0  # the number of _changes[0]

    def append(self, seen: np.ndarray) -> None:
        """Measure the next frame, (3, S, S) uint8."""
        blocks = _average_blocks(seen)
        # The first frame has not changed from any.
        self._changes.append(_measure_change(blocks, blocks if self._before is None else self._before))
        self._before = blocks

    def forget_before(self, number: int) -> None:
        """Free what was measured of the frames before one."""
        while self._changes and self._first < number:
            self._changes.popleft()
            self._first += 1

    def __len__(self) -> int:
        """The number of frames that are held."""
        return len(self._changes)

    def is_still(self, first: int, end: int) -> bool:
        """Whether nothing moves in the frames from `first` to before `end`, which are held, at least one."""
        found = list(islice(self._changes, first - self._first, end - self._first))
        most, usual, contrast = np.mean(found, axis=0)
        return bool(contrast >= LEAST_CONTRAST and most < max(self._still * contrast, NOISE * usual))


def leave_out_still(
    words: Sequence[CtmWord], stillness: Stillness, numbers: Sequence[int], slot_seconds: float
) -> tuple[CtmWord, ...]:
    """Leave out glosses in whose middle nothing moves.

    Args:
        words: the glosses of a window, their times in seconds from its beginning.
        stillness: which has measured the frames of the window.
        numbers: the number of the frame in each slot of the window; they never fall.
        slot_seconds: the time from one slot to the next.
    """
    kept = []
    for word in words:
        centre = word.start + word.duration / 2
        first = min(max(round((centre - MIDDLE / 2) / slot_seconds), 0), len(numbers) - 1)
        end = min(max(round((centre + MIDDLE / 2) / slot_seconds), first + 1), len(numbers))
        if not stillness.is_still(numbers[first], numbers[end - 1] + 1):
            kept.append(word)
    return tuple(kept)


def _average_blocks(seen: np.ndarray) -> np.ndarray:
    """The grey level of each block, (BLOCKS, BLOCKS), of a frame (3, S, S)."""
    grey = seen.mean(0, dtype=np.float32)  # (S, S)
    side = grey.shape[0]
    edges = np.arange(BLOCKS + 1) * side // BLOCKS
    sizes = np.maximum(np.diff(edges), 1)
    sums = np.add.reduceat(np.add.reduceat(grey, edges[:-1], 0), edges[:-1], 1)
    return sums / (sizes[:, None] * sizes)


def _measure_change(blocks: np.ndarray, before: np.ndarray) -> Change:
    difference = blocks - before
    sizes = np.sort(np.abs(difference - np.median(difference)), axis=None)
    count = round(PART * sizes.size)
    return Change(float(sizes[-count:].mean()), float(np.median(sizes)), float(blocks.std()))
