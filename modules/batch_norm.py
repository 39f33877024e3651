"""What is done to every BatchNorm of a network at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def find_batch_norms(modules: Iterable[nn.Module]) -> list[_BatchNorm]:
    """Every BatchNorm in some modules, those that processes share among them."""
    return [part for module in modules for part in module.modules() if isinstance(part, _BatchNorm)]


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
