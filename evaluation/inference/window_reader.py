"""Reads windows that overlap: a frame is cropped once, and what was computed of it is kept while windows may see it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import numpy as np

from evaluation.inference.frame_memory import FrameMemory
from evaluation.inference.recognition import Recognition
from evaluation.inference.stillness import Stillness, leave_out_still
from evaluation.inference.torch_network import Network


class WindowReader:
    """Slots of a stream, numbered 0, 1, ..., each with its frame, and the reading of windows of them.

    Args:
        network: as `Recogniser.network`.
        recognise: makes a result of logits, frames and a name, without merging repeats.
        slot_seconds: the time from one slot to the next.
        drop_still: whether glosses are left out where nothing moves.
    """

    def __init__(
        self, network: Network, recognise: Callable[[np.ndarray, np.ndarray, str], Recognition], slot_seconds: float,
        drop_still: bool = True,
    ) -> None:  # fmt: skip
        self._recognise = recognise
        self._memory = FrameMemory(network)
        self._slot_seconds = slot_seconds
        self._stillness = Stillness(slot_seconds) if drop_still else None
        self._numbers: deque[int] = deque()  # of the frame of each slot that is held
        self._first = 0  # the slot of _numbers[0]
        self._appended = 0
        self._latest: np.ndarray | None = None

    @property
    def slots(self) -> int:
        """The number of slots that were added."""
        return self._first + len(self._numbers)

    def __len__(self) -> int:
        """The number of slots that are held."""
        return len(self._numbers)

    def add(self, seen: np.ndarray) -> None:
        """Add the next slot with its frame, cropped, (3, S, S) uint8; the same array again is the same frame."""
        if seen is not self._latest:
            self._memory.append(seen)
            if self._stillness is not None:
                self._stillness.append(seen)
            self._appended += 1
            self._latest = seen
        self._numbers.append(self._appended - 1)

    def read(self, begin: int, end: int, name: str = "this clip") -> Recognition:
        """Read the slots from `begin` to before `end`, with times from the beginning of the window.

        Args:
            begin, end: the window.
            name: what the error calls it.

        Raises:
            RecognitionError: the network's output is not finite.
        """
        numbers = list(islice(self._numbers, begin - self._first, end - self._first))
        found = self._recognise(self._memory.read(numbers), self._memory.frames(numbers), name)
        if self._stillness is None:
            return found
        return replace(found, words=leave_out_still(found.words, self._stillness, numbers, self._slot_seconds))

    def forget_before(self, slot: int) -> None:
        """Free the slots before one; no window may read them any more."""
        while self._numbers and self._first < slot:
            self._numbers.popleft()
            self._first += 1
        oldest = self._numbers[0] if self._numbers else self._appended
        self._memory.forget_before(oldest)
        if self._stillness is not None:
            self._stillness.forget_before(oldest)
        if not self._numbers:
            self._latest = None

    def begin_at(self, slot: int) -> None:
        """Free the slots before one, and count from it: it is slot 0 now."""
        self.forget_before(slot)
        self._first = 0
