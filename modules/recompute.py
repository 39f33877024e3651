"""Maps that training computes again for the gradients instead of keeping them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


def recomputed(module: nn.Module, part: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """`part(x)`, a part of a module; in training nothing that it computes on the way is kept, only `x`.

    It must not draw random numbers. A convolution at its end is not computed twice, nor are running statistics updated
    twice. A compiler decides itself what to keep.
    """
    if not (module.training and torch.is_grad_enabled()) or torch.compiler.is_compiling():
        return part(x)
    return checkpoint(
        part, x, use_reentrant=False, preserve_rng_state=False, context_fn=lambda: (nullcontext(), still(module))
    )


@contextmanager
def still(module: nn.Module) -> Iterator[None]:
    """While it is open, no BatchNorm of a module updates its running statistics."""
    found = norms(module)
    before = [(norm.momentum, norm.num_batches_tracked) for norm in found]
    for norm in found:
        norm.momentum, norm.num_batches_tracked = 0.0, norm.num_batches_tracked.clone()
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(found, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count


def norms(module: nn.Module) -> list[nn.Module]:
    """Every BatchNorm in a module."""
    return [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
