"""The learning rate over a training: it warms up, then falls in steps."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch
from torch.optim.lr_scheduler import LambdaLR

if TYPE_CHECKING:
    from config.sections import OptimizerArgs


def build_scheduler(optimizer: torch.optim.Optimizer, args: OptimizerArgs, steps_per_epoch: int) -> LambdaLR:
    """A linear warm-up, then the base rate times `gamma` for each epoch of `step` that has passed.

    Args:
        optimizer: the optimiser whose learning rate is set.
        args: the configuration's `optimizer_args`.
        steps_per_epoch: the optimiser's steps in an epoch.

    Returns:
        a scheduler whose `step` is to be called after every step of the optimiser.
    """

    # The factor depends on the number of the step alone, so a resumed run can ask for it at any step.
    def compute_factor(step: int) -> float:
        passed = sum(step >= epoch * steps_per_epoch for epoch in args.step)
        # Counted from step + 1: the first step has the number 0, and at a rate of zero it would learn nothing.
        warmup = min(1.0, (step + 1) / (args.warmup_steps + 1))
        return args.gamma**passed * warmup

    # The rate also moves where the very first step is skipped, e.g. for an overflow in fp16: that is no mistake.
    warnings.filterwarnings("ignore", r"Detected call of `lr_scheduler\.step\(\)` before `optimizer\.step\(\)`")
    return LambdaLR(optimizer, compute_factor)
