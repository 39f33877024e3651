"""Maps that training computes again for the gradients instead of keeping them, which is what fills the memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from modules.batch_norm import two_runs


class Recompute:
    """How much of the backbone is computed again; results and gradients are the same at every level.

    Args:
        level: "none" keeps all maps; "blocks" computes again what is cheap beside a convolution: norms within blocks,
            pooling in the stem, and fusions; "stages" keeps no map inside a stage, and computes its convolutions
            again as well.
    """

    def __init__(self, level: str = "blocks") -> None:
        self.level = level

    def layers(self, x: Tensor, *layers: nn.Module) -> Tensor:
        """Run cheap layers one after the other; a convolution at their end is not computed twice."""
        return self.call(run_layers, x, *layers)

    def call(self, function: Callable[..., Tensor], *args: Any) -> Tensor:
        """Return `function(*args)`, which is cheap; the modules that it uses are among its arguments."""
        return function(*args) if self.level == "none" else compute_again(function, *args)

    def stage(self, stage: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """Return `stage(x)` of a module, or of a method of one."""
        return compute_again(stage, x) if self.level == "stages" else stage(x)


def run_layers(x: Tensor, *layers: Callable[[Tensor], Tensor]) -> Tensor:
    """Run layers one after the other."""
    for layer in layers:
        x = layer(x)
    return x


def compute_again(function: Callable[..., Tensor], *args: Any) -> Tensor:
    """Return `function(*args)`; in training nothing that it computes on the way is kept, only its arguments.

    Args:
        function: a module, a method of one, or a function of modules. It must not draw random numbers, since the
            random state is not kept for the second time.
        args: its arguments.
    """
    if torch.compiler.is_compiling() or not torch.is_grad_enabled():  # a compiler decides itself what to keep
        return function(*args)
    parts = (getattr(function, "__self__", function), *args)
    modules = [part for part in parts if isinstance(part, nn.Module)]
    # In evaluation gradients are asked for by heat maps alone, whose hooks must not run twice.
    if not any(module.training for module in modules):
        return function(*args)
    return checkpoint(
        function,
        *args,
        use_reentrant=False,
        preserve_rng_state=False,
        context_fn=lambda: two_runs(modules),  # else a batch would count twice
    )
