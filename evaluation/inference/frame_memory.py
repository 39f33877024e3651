"""The frames of a stream that its windows may still read, and what the network computed of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch

from evaluation.inference.torch_network import Network, TorchNetwork


class FrameMemory:
    """The last frames of a stream, by their numbers, which windows that overlap read one after the other.

    Of a network in PyTorch, what it computes before the first fusion depends on one frame alone. It is computed when
    the first window reads a frame, and kept on the network's device, in the number format in which it was computed,
    until the frame is forgotten. Any other network is called anew with the frames of each window.

    Frames may be appended from another thread than the one that reads and forgets.

    Args:
        network: a function of cropped frames, as `Recogniser.network`.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._seen: dict[int, np.ndarray] = {}
        self._maps: dict[int, torch.Tensor] = {}
        self._next = 0

    def append(self, seen: np.ndarray) -> None:
        """Add the next frame, cropped to what the network sees, (3, S, S) uint8; they are numbered 0, 1, ..."""
        self._seen[self._next] = seen
        self._next += 1

    def forget_before(self, number: int) -> None:
        """Free the frames before one; no window may read them any more."""
        for old in [held for held in list(self._seen) if held < number]:
            del self._seen[old]
            self._maps.pop(old, None)

    def __len__(self) -> int:
        """The number of frames that are held."""
        return len(self._seen)

    def frames(self, numbers: Sequence[int]) -> np.ndarray:
        """The frames of a window, (T, 3, S, S) uint8.

        Args:
            numbers: the number of each frame; they never fall, and one that stands for several slots is repeated.

        Raises:
            ValueError: there is no number, they fall, or a frame is not held.
        """
        self._check(numbers)
        return np.stack([self._seen[number] for number in numbers])

    def read(self, numbers: Sequence[int]) -> np.ndarray:
        """Compute the logits of a window, as the network gives them; arguments and errors as for `frames`."""
        if not isinstance(self.network, TorchNetwork):
            return self.network(self.frames(numbers))
        self._check(numbers)
        distinct = list(dict.fromkeys(numbers))
        new = [number for number in distinct if number not in self._maps]
        if new:
            # Copies, since a row alone would hold the memory of all frames that were computed with it.
            rows = self.network.compute_maps(self.frames(new))
            self._maps |= {number: row.clone() for number, row in zip(new, rows, strict=True)}
        places = {number: place for place, number in enumerate(distinct)}
        return self.network.read_maps([self._maps[n] for n in distinct], [places[n] for n in numbers])

    def _check(self, numbers: Sequence[int]) -> None:
        if not len(numbers):
            raise ValueError("a window needs at least one frame")
        if any(later < earlier for earlier, later in pairwise(numbers)):
            raise ValueError(f"the frames of a window must be in their order, these are {list(numbers)}")
        missing = [number for number in numbers if number not in self._seen]
        if missing:
            raise ValueError(f"frame {missing[0]} is not held: it was forgotten, or is none of the {self._next} so far")
