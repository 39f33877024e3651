"""Averages of an optimiser that go on, and those that are refused because they belong to nothing."""

from __future__ import annotations

import pytest
import torch
from torch.optim.lr_scheduler import LambdaLR

from config.sections import OptimizerArgs
from engine.learning_rate import build_scheduler
from engine.optim import build_optimizer
from engine.optimizer_state import carry_over_optimizer_state, restore_optimizer_state
from utils.checkpoint import CheckpointError

ADAM = OptimizerArgs(base_lr=0.1, step=(1,), gamma=0.5)


def build(args: OptimizerArgs = ADAM, wide: int = 3) -> tuple[torch.nn.Module, torch.optim.Optimizer, LambdaLR]:
    torch.manual_seed(0)
    model = torch.nn.Linear(2, wide)
    optimizer = build_optimizer(model, args)
    return model, optimizer, build_scheduler(optimizer, args, steps_per_epoch=2)


def train(model, optimizer, scheduler, steps: int) -> torch.Tensor:
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.ones(1, 2)).square().sum().backward()
        optimizer.step()
        scheduler.step()
    return model.weight.detach().clone()


@pytest.mark.parametrize("args", [ADAM, OptimizerArgs(optimizer="SGD", step=(1,)), OptimizerArgs("SGD", momentum=0.0)])
def test_three_steps_and_two_are_five(args):
    expected = train(*build(args), 5)
    first = build(args)
    train(*first, 3)
    state, weights = first[1].state_dict(), first[0].state_dict()
    # What a file says of the settings does not count, but those of the configuration.
    state["param_groups"] = [
        {"params": group["params"], "lr": "high", "nonsense": 1} for group in state["param_groups"]
    ]
    second = build(args)
    second[0].load_state_dict(weights)
    restore_optimizer_state(second[1], second[2], state, 3, "a.pt")
    assert torch.equal(train(*second, 2), expected)


def change(**changes):
    model, optimizer, scheduler = build()
    train(model, optimizer, scheduler, 1)
    state = optimizer.state_dict()
    state["state"][1] = {key: value for key, value in (state["state"][1] | changes).items() if value is not None}
    return state


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (change(exp_avg=torch.zeros(4)), "the exp_avg of weight 1 cannot be its average"),
        (change(exp_avg=torch.zeros(3).long()), "the exp_avg of weight 1"),
        (change(exp_avg=torch.zeros(3).to_sparse()), "the exp_avg of weight 1"),
        (change(exp_avg=torch.zeros(3, device="meta")), "the exp_avg of weight 1"),
        (change(exp_avg=torch.full((3,), float("nan"))), "the exp_avg of weight 1"),
        (change(exp_avg_sq=-torch.ones(3)), "the exp_avg_sq of weight 1"),
        (change(exp_avg_sq=[1.0, 1.0, 1.0]), "the exp_avg_sq of weight 1"),
        (change(step="1"), "the step of weight 1"),
        (change(step=torch.ones(2)), "the step of weight 1"),
        (change(step=None), "weight 1 has exp_avg, exp_avg_sq, not exp_avg, exp_avg_sq, step"),
        (change(exp_avg=None, exp_avg_sq=None, step=None), "weight 1 has nothing"),
        (change(momentum_buffer=torch.zeros(3)), "weight 1 has exp_avg, exp_avg_sq, momentum_buffer, step"),
        ({"state": {0: change()["state"][0]}, "param_groups": [{"params": [0, 1]}]}, "averages for 1 of 2 weights"),
        ({"state": {}, "param_groups": []}, "other weights than this training"),
        ({"state": {}, "param_groups": [{"params": [0]}]}, "other weights than this training"),
        ({"state": {}, "param_groups": [{"params": [0, 0]}]}, "other weights than this training"),
    ],
)
def test_averages_that_cannot_be_these_weights_are_refused_or_left(held, said):
    _, optimizer, scheduler = build()
    with pytest.raises(CheckpointError, match=rf"a\.pt cannot be resumed.*{said}"):
        restore_optimizer_state(optimizer, scheduler, held, 1, "a.pt")
    carry_over_optimizer_state(optimizer, scheduler, held, 2)
    assert not optimizer.state
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05)  # the second epoch


def test_averages_of_another_kind_of_optimiser_are_not_carried_over():
    first = build()
    train(*first, 1)
    _, optimizer, scheduler = build(OptimizerArgs(optimizer="SGD"))
    carry_over_optimizer_state(optimizer, scheduler, first[1].state_dict(), 1)
    assert not optimizer.state


def test_averages_go_on_where_settings_changed():
    first = build()
    train(*first, 1)
    _, optimizer, scheduler = build(OptimizerArgs(base_lr=0.3, step=(1,), gamma=0.5))
    carry_over_optimizer_state(optimizer, scheduler, first[1].state_dict(), 1)
    assert [float(state["step"]) for state in optimizer.state.values()] == [1.0, 1.0]
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.3)
