"""Maps that training computes again for the gradients instead of keeping them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from modules.batch_norm import still


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
