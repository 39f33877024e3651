"""In which order the clips of a split come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

SPREAD = 0.05
"""How much longer or shorter than it is a clip may count when neighbours are sought, so that they are others in every
epoch even where lengths stay the same."""


class EpochSampler(Sampler[tuple[int, int]]):
    """(epoch, index) over a split, shuffled anew in every epoch, or in order.

    Set `epoch` before each epoch.
    """

    def __init__(self, size: int, shuffle: bool, seed: int) -> None:
        self.size = size
        self.shuffle = shuffle
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((self.epoch, int(index)) for index in self.order())

    def order(self) -> np.ndarray:
        """The indices (N,) in this epoch's order."""
        if self.shuffle:
            return np.random.default_rng((self.seed, self.epoch)).permutation(self.size)
        return np.arange(self.size)


class BucketSampler(EpochSampler):
    """Clips in such an order that each `batch_size` of them, taken one after the other, are of about one length.

    Every clip comes once an epoch. Batches come in random order; what is left over when batches are full comes last,
    and is of another length in every epoch.

    Args:
        lengths: of the clips (N,) in the epoch it is given, in frames.
        batch_size: clips in a batch.
        seed: of the order.
    """

    def __init__(self, lengths: Callable[[int], Sequence[int]], size: int, batch_size: int, seed: int) -> None:
        super().__init__(size, shuffle=True, seed=seed)
        self.lengths = lengths
        self.batch_size = batch_size

    def order(self) -> np.ndarray:
        """The indices (N,) in this epoch's order."""
        rng = np.random.default_rng((self.seed, self.epoch))
        lengths = np.asarray(self.lengths(self.epoch)) * rng.uniform(1 - SPREAD, 1 + SPREAD, self.size)
        by_length = np.argsort(lengths)
        full, rest = divmod(self.size, self.batch_size)
        cut = int(rng.integers(full + 1)) * self.batch_size
        batches = np.delete(by_length, np.s_[cut : cut + rest]).reshape(full, self.batch_size)
        return np.concatenate([rng.permutation(batches).ravel(), by_length[cut : cut + rest]])


class DistributedEpochSampler(Sampler[tuple[int, int]]):
    """The part of an order that one of several processes takes, from a position in the epoch on.

    In training, each process takes its `batch_size` of every `count * batch_size` clips, which together are what one
    process would take at once. What is left at the end is dealt out evenly; where that does not come out even, a clip
    or two come twice, so that all processes take equally many. In evaluation no clip comes twice.

    Args:
        order: of all clips.
        batch_size: clips in a batch of one process.
        rank: number of this process.
        count: of processes.
        training: as above.
    """

    def __init__(self, order: EpochSampler, batch_size: int, rank: int, count: int, training: bool) -> None:
        self.order = order
        self.batch_size = batch_size
        self.rank = rank
        self.count = count
        self.training = training
        self.begin = 0

    @property
    def epoch(self) -> int:
        """The epoch whose order it is."""
        return self.order.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self.set_position(epoch)

    def set_position(self, epoch: int, batches: int = 0) -> None:
        """Begin in `epoch`, after so many batches of this process."""
        self.order.epoch = epoch
        self.begin = batches * self.batch_size

    def __len__(self) -> int:
        """Clips of this process in a whole epoch."""
        return len(self._part(np.arange(len(self.order))))

    def __iter__(self) -> Iterator[tuple[int, int]]:
        part = self._part(self.order.order())
        return ((self.epoch, int(index)) for index in part[self.begin :])

    def _part(self, order: np.ndarray) -> np.ndarray:
        """This process's of the indices (N,)."""
        if not self.training:
            return order[self.rank :: self.count]
        together = self.count * self.batch_size
        whole = len(order) // together * together
        full = order[:whole].reshape(-1, self.count, self.batch_size)[:, self.rank].ravel()
        rest = order[whole:]
        each = -(-len(rest) // self.count)
        return np.concatenate([full, np.resize(rest, (self.count, each))[self.rank] if each else rest])
