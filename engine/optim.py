"""Optimiser and learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from config.schema import Config, OptimizerArgs
from slr_network import SLRModel


def freeze_unused(model: SLRModel, config: Config) -> None:
    """Leave out of the training what is to stay, what no loss depends on, and what features stand for."""
    weights = config.loss_weights
    if config.feeder_args.datatype == "features":  # the backbone saw the frames
        model.conv2d.requires_grad_(False)
    if config.freeze_bn:
        model.conv2d.freeze_norms()
    if not weights.AuxCTC:
        model.HFEAM.requires_grad_(False)
    if not weights.SeqCTC:
        model.temporal_model.requires_grad_(False)
    if model.conv1d.fc is not None:
        model.conv1d.fc.requires_grad_(bool(weights.ConvCTC or weights.Dist))
        model.classifier.requires_grad_(bool(weights.SeqCTC or weights.AuxCTC))


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


def restore(optimizer: torch.optim.Optimizer, scheduler: LambdaLR, content: Mapping[str, Any]) -> None:
    """Put both where they were when a checkpoint with this content was written."""
    optimizer.load_state_dict(content["optimizer_state_dict"])
    scheduler.load_state_dict(content["scheduler_state_dict"])


def adopt(optimizer: torch.optim.Optimizer, scheduler: LambdaLR, content: Mapping[str, Any], step: int) -> None:
    """Take over from a checkpoint of other settings what serves: the averages of the same optimiser's same weights.

    Args:
        optimizer, scheduler: built from the new settings, which stay.
        content: of the checkpoint.
        step: to go on after.
    """
    own = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    held = content["optimizer_state_dict"]
    counts = [len(group["params"]) for group in held["param_groups"]]
    fits = counts == [len(group["params"]) for group in optimizer.param_groups]
    if fits and own[0].keys() == held["param_groups"][0].keys() - {"params"}:
        optimizer.load_state_dict(held)
    scheduler.last_epoch = step
    for group, settings, factor in zip(optimizer.param_groups, own, scheduler.lr_lambdas, strict=True):
        group.update(settings | {"lr": settings["initial_lr"] * factor(step)})
