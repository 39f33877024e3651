"""In which order the clips of a split come, and which of them each of several processes reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

SPREAD = 0.05
"""By what share a clip's length is made longer or shorter at random before clips are sorted. A clip then has other
neighbours in every epoch, even where lengths stay the same."""


class EpochSampler(Sampler[tuple[int, int]]):
    """The (epoch, index) of every clip of a split, shuffled anew in every epoch, or in order.

    Set `epoch` before each epoch. It goes along with the index, since a worker that stays for the whole training has
    no other way to know it.

    Args:
        size: the number of clips N.
        shuffle: whether to shuffle them.
        seed: the seed of the orders.
    """

    def __init__(self, size: int, shuffle: bool, seed: int) -> None:
        self.size = size
        self.shuffle = shuffle
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((self.epoch, int(index)) for index in self.draw_order())

    def draw_order(self) -> np.ndarray:
        """Draw the indices (N,) in this epoch's order.

        It depends on seed and epoch alone, so a resumed run goes on in the order that was interrupted.
        """
        if self.shuffle:
            return np.random.default_rng((self.seed, self.epoch)).permutation(self.size)
        return np.arange(self.size)


class BucketSampler(EpochSampler):
    """Clips in such an order that each `batch_size` of them, taken one after the other, are of about one length.

    That leaves little padding. Every clip comes once an epoch. Batches come in random order, since a training that goes
    from short clips to long ones would see one kind of sentence at a time. What is left over when batches are full
    comes last, and is of another length in every epoch, so that no clip is always in the smaller batch.

    Args:
        lengths: a function from the epoch to the lengths (N,) of the clips in it, in frames.
        size: the number of clips N.
        batch_size: the number of clips in a batch, of all processes together.
        seed: the seed of the orders.
    """

    def __init__(self, lengths: Callable[[int], Sequence[int]], size: int, batch_size: int, seed: int) -> None:
        super().__init__(size, shuffle=True, seed=seed)
        self.lengths = lengths
        self.batch_size = batch_size

    def draw_order(self) -> np.ndarray:
        """Draw the indices (N,) in this epoch's order."""
        rng = np.random.default_rng((self.seed, self.epoch))
        lengths = np.asarray(self.lengths(self.epoch)) * rng.uniform(1 - SPREAD, 1 + SPREAD, self.size)
        by_length = np.argsort(lengths)
        full, rest = divmod(self.size, self.batch_size)
        # The rest is cut out between two batches, of any length, or it would always be the longest clips.
        cut = int(rng.integers(full + 1)) * self.batch_size
        batches = np.delete(by_length, np.s_[cut : cut + rest]).reshape(full, self.batch_size)
        return np.concatenate([rng.permutation(batches).ravel(), by_length[cut : cut + rest]])


class DistributedEpochSampler(Sampler[tuple[int, int]]):
    """The part of an order that one of several processes reads, from a position in the epoch on.

    In training, each process takes its `batch_size` of every `world_size * batch_size` clips, which together are what
    one process would take at once; so buckets keep their meaning. What is left at the end is dealt out evenly; where
    that does not come out even, a clip or two come twice, so that all processes take equally many. In evaluation no
    clip comes twice: it would count twice in the WER. `torch.utils.data.DistributedSampler` does neither, and cannot
    begin within an epoch, where a run is resumed.

    Args:
        order: the order of all clips.
        batch_size: the number of clips in a batch of one process.
        rank: the number of this process.
        world_size: the number of processes.
        training: whether all processes must take equally many clips.
    """

    def __init__(self, order: EpochSampler, batch_size: int, rank: int, world_size: int, training: bool) -> None:
        self.order = order
        self.batch_size = batch_size
        self.rank = rank
        self.world_size = world_size
        self.training = training
        self.begin = 0

    @property
    def epoch(self) -> int:
        """The epoch whose order is read."""
        return self.order.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self.set_position(epoch)

    def set_position(self, epoch: int, batches: int = 0) -> None:
        """Begin in `epoch`, after its first `batches` batches of this process."""
        self.order.epoch = epoch
        self.begin = batches * self.batch_size

    def __len__(self) -> int:
        """Count the clips of this process in a whole epoch."""
        return len(self._take_part(np.arange(len(self.order))))

    def __iter__(self) -> Iterator[tuple[int, int]]:
        part = self._take_part(self.order.draw_order())
        return ((self.epoch, int(index)) for index in part[self.begin :])

    def _take_part(self, order: np.ndarray) -> np.ndarray:
        """Take the indices of this process from the indices (N,) of all."""
        if not self.training:
            return order[self.rank :: self.world_size]
        together = self.world_size * self.batch_size
        whole = len(order) // together * together
        full = order[:whole].reshape(-1, self.world_size, self.batch_size)[:, self.rank].ravel()
        rest = order[whole:]
        each = -(-len(rest) // self.world_size)
        # Repeated where they do not suffice: without a batch of this process the others would wait for its gradients.
        if each:
            rest = np.resize(rest, (self.world_size, each))[self.rank]
        return np.concatenate([full, rest])
