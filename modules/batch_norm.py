"""What is done to every BatchNorm of a network at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

Statistics = tuple[Tensor, ...]


def find_batch_norms(modules: Iterable[nn.Module]) -> list[_BatchNorm]:
    """Every BatchNorm in some modules, those that processes share among them."""
    return [part for module in modules for part in module.modules() if isinstance(part, _BatchNorm)]


class RememberingNorm(_BatchNorm):
    """A BatchNorm that finds the statistics of a batch once, however often its layers run over that batch.

    Processes that share a BatchNorm exchange messages for them, which must not happen a second time.
    """

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1) -> None:
        super().__init__(num_features, eps, momentum)
        self._writing: list[list[Statistics]] = []  # of the first runs that go on, the innermost last
        self._reading: list[Iterator[Statistics]] = []  # of the second runs

    def remember(self, find: Callable[[], Statistics]) -> Statistics:
        """The statistics for this forward pass: what `find` returns, or in a second run what it gave in the first."""
        found = next(self._reading[-1]) if self._reading else find()
        for kept in self._writing:
            kept.append(found)
        return found


def two_runs(modules: Sequence[nn.Module]) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Contexts for two runs of the same layers over one batch, which count as one: see `Recompute`.

    Args:
        modules: what runs twice.

    Returns:
        one for the first run, and one for the second, which leaves running statistics as they are.
    """
    kept: dict[RememberingNorm, list[Statistics]] = {
        norm: [] for norm in find_batch_norms(modules) if isinstance(norm, RememberingNorm)
    }
    return _first_run(kept), _second_run(modules, kept)


@contextmanager
def _first_run(kept: dict[RememberingNorm, list[Statistics]]) -> Iterator[None]:
    for norm, statistics in kept.items():
        norm._writing.append(statistics)
    try:
        yield
    finally:
        for norm in kept:
            norm._writing.pop()


@contextmanager
def _second_run(modules: Sequence[nn.Module], kept: dict[RememberingNorm, list[Statistics]]) -> Iterator[None]:
    for norm, statistics in kept.items():
        norm._reading.append(iter(statistics))
    try:
        with frozen_running_stats(modules):
            yield
    finally:
        for norm in kept:
            norm._reading.pop()


@contextmanager
def frozen_running_stats(modules: Iterable[nn.Module]) -> Iterator[None]:
    """While it is open, no BatchNorm in these modules updates its running statistics.

    They still normalise by the batch, which evaluation mode would change.
    """
    norms = find_batch_norms(modules)
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm, (_, count) in zip(norms, before, strict=True):
        # A momentum of zero leaves mean and variance; the counter has no such switch, so a copy of it counts on.
        norm.momentum, norm.num_batches_tracked = 0.0, None if count is None else count.clone()
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count
