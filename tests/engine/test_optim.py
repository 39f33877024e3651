import warnings

import pytest
import torch
from torch import nn

from config.sections import OptimizerArgs
from engine.learning_rate import build_scheduler
from engine.optim import build_optimizer


def rates(args: OptimizerArgs, steps_per_epoch: int, steps: int) -> list[float]:
    optimizer = build_optimizer(nn.Linear(1, 1), args)
    scheduler = build_scheduler(optimizer, args, steps_per_epoch)
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


def test_the_rate_falls_after_the_epochs_of_step():
    args = OptimizerArgs(base_lr=1.0, step=(2, 3), gamma=0.2)
    assert rates(args, 2, 8) == pytest.approx([1, 1, 1, 1, 0.2, 0.2, 0.04, 0.04])


def test_the_rate_rises_in_the_warm_up():
    args = OptimizerArgs(base_lr=1.0, step=(100,), warmup_steps=3)
    assert rates(args, 10, 6) == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1])


def test_a_first_step_that_is_skipped_is_no_mistake():
    optimizer = build_optimizer(nn.Linear(1, 1), OptimizerArgs())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build_scheduler(optimizer, OptimizerArgs(), 2).step()


def test_adam_and_sgd_get_their_settings():
    adam = build_optimizer(nn.Linear(1, 1), OptimizerArgs(weight_decay=0.3))
    assert isinstance(adam, torch.optim.Adam)
    assert adam.defaults["weight_decay"] == 0.3
    sgd = build_optimizer(nn.Linear(1, 1), OptimizerArgs(optimizer="SGD", momentum=0.8, nesterov=True))
    assert (sgd.defaults["momentum"], sgd.defaults["nesterov"]) == (0.8, True)
