"""The optimiser's averages in a checkpoint: checked against the network, and put back for a training that goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from utils.checkpoint import CheckpointError

AVERAGES = {torch.optim.Adam: {"step", "exp_avg", "exp_avg_sq"}, torch.optim.SGD: {"momentum_buffer"}}
"""What each kind of optimiser keeps for a weight."""


def restore_optimizer_state(
    optimizer: torch.optim.Optimizer, scheduler: LambdaLR, held: Mapping[str, Any], step: int, path: str
) -> None:  # fmt: skip
    """Put optimiser and scheduler back to where they were after `step` steps with the same settings.

    Args:
        optimizer: the optimiser, built from the configuration, whose settings stay.
        scheduler: its scheduler.
        held: the checkpoint's `optimizer_state_dict`.
        step: the number of steps done; training goes on after it.
        path: the checkpoint, for the error.

    Raises:
        CheckpointError: the averages are not those of these weights, or damaged.
    """
    if not _has_same_weights(optimizer, held):
        raise CheckpointError(f"{path} cannot be resumed: its optimiser has other weights than this training")
    problem = _find_wrong_average(optimizer, held)
    if problem:
        raise CheckpointError(f"{path} cannot be resumed, the state of its optimiser is damaged: {problem}")
    _load(optimizer, scheduler, held, step)


def carry_over_optimizer_state(
    optimizer: torch.optim.Optimizer, scheduler: LambdaLR, held: Mapping[str, Any], step: int
) -> None:  # fmt: skip
    """Take over what still serves from a checkpoint of other settings: the averages of the gradients.

    Only those of the same kind of optimiser over the same weights serve. The arguments are those of
    `restore_optimizer_state`.
    """
    serves = _has_same_weights(optimizer, held) and not _find_wrong_average(optimizer, held)
    _load(optimizer, scheduler, held if serves else None, step)


def _load(
    optimizer: torch.optim.Optimizer, scheduler: LambdaLR, held: Mapping[str, Any] | None, step: int
) -> None:  # fmt: skip
    settings = [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]
    if held is not None:
        numbers = [{"params": list(group["params"])} for group in held["param_groups"]]
        groups = [own | of_file for own, of_file in zip(settings, numbers, strict=True)]
        optimizer.load_state_dict({"state": held["state"], "param_groups": groups})
    scheduler.load_state_dict(scheduler.state_dict() | {"last_epoch": step, "_step_count": step + 1})
    for group, own, factor in zip(optimizer.param_groups, settings, scheduler.lr_lambdas, strict=True):
        group["lr"] = own["initial_lr"] * factor(step)


def _has_same_weights(optimizer: torch.optim.Optimizer, held: Mapping[str, Any]) -> bool:
    """Whether as many weights are in each group, each under a number of its own."""
    numbers = [number for group in held["param_groups"] for number in group["params"]]
    counts = [[len(group["params"]) for group in groups] for groups in (optimizer.param_groups, held["param_groups"])]
    return counts[0] == counts[1] and len(set(numbers)) == len(numbers)


def _find_wrong_average(optimizer: torch.optim.Optimizer, held: Mapping[str, Any]) -> str:
    """Say which average in a checkpoint cannot be one of this optimiser's; nothing if all can.

    All weights have averages, or none has: before the first step, or if every step was skipped.
    """
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    numbers = [number for group in held["param_groups"] for number in group["params"]]
    state, names = held["state"], AVERAGES[type(optimizer)]
    if state and set(state) != set(numbers):
        return f"it has averages for {len(set(state) & set(numbers))} of {len(numbers)} weights"
    for number, weight in zip(numbers, weights, strict=True):
        of_weight = {key: value for key, value in state.get(number, {}).items() if value is not None}
        # SGD keeps none where its momentum is zero.
        if number in state and set(of_weight) != names and (of_weight or "momentum_buffer" not in names):
            return f"weight {number} has {', '.join(sorted(of_weight)) or 'nothing'}, not {', '.join(sorted(names))}"
        for name, value in of_weight.items():
            if not _can_be_average(name, value, weight):
                return f"the {name} of weight {number} cannot be its average: other shape or type, or not finite"
    return ""


def _can_be_average(name: str, value: Any, weight: Tensor) -> bool:
    if name == "step" and isinstance(value, (int, float)):
        value = torch.tensor(float(value))
    if not isinstance(value, Tensor) or value.layout != torch.strided or value.device.type == "meta":
        return False
    if value.is_quantized or not value.is_floating_point() or not value.isfinite().all():
        return False
    if name in {"step", "exp_avg_sq"} and (value < 0).any():
        return False
    return value.numel() == 1 if name == "step" else value.shape == weight.shape
