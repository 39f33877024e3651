"""Optimiser and learning rate."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from config.schema import OptimizerArgs


def build_optimizer(model: nn.Module, args: OptimizerArgs) -> torch.optim.Optimizer:
    """Adam or SGD over the network's weights, those left out that are not to change."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    if args.optimizer == "SGD":
        return torch.optim.SGD(
            weights, args.base_lr, args.momentum, weight_decay=args.weight_decay, nesterov=args.nesterov
        )
    return torch.optim.Adam(weights, args.base_lr, weight_decay=args.weight_decay, fused=True)


def build_scheduler(optimizer: torch.optim.Optimizer, args: OptimizerArgs, steps_per_epoch: int) -> LambdaLR:
    """Linear warm-up, then the base rate times `gamma` for each epoch of `step` that has passed; stepped each step."""

    def factor(step: int) -> float:
        passed = sum(step >= epoch * steps_per_epoch for epoch in args.step)
        return args.gamma**passed * min(1.0, (step + 1) / (args.warmup_steps + 1))

    return LambdaLR(optimizer, factor)
