"""The check of a device's gradients, with stand-ins for one that computes wrongly."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from config.load import load_config
from engine import gradient_check
from engine.gradient_check import (
    ALLOWED,
    CPU,
    choose_training_device,
    compare_gradients,
    compute_gradients,
    find_wrong_gradient,
)
from utils.errors import InputError

MPS = torch.device("mps")
build = gradient_check.build_model


def make_config(*, system: str = "mstfnet", **settings: str):
    return load_config(None, {"system": system, "model_args.c2d_type": "resnet18"} | settings)[0]


class Scaled(torch.autograd.Function):
    """The identity, whose gradient is wrong."""

    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return 1.5 * gradient


def spoil_batch_norm(model: nn.Module) -> None:
    """The weight's gradient alone is wrong, as it is on MPS."""
    model.conv2d.layer3[0].bn2.weight.register_hook(lambda gradient: gradient + 1)


def spoil_lstm(model: nn.Module) -> None:
    """What the LSTM hands back is wrong, and its own weights' gradients are right, as it is on MPS."""
    model.temporal_model.register_forward_pre_hook(lambda _, inputs: (Scaled.apply(inputs[0]), *inputs[1:]))


def spoil_one_number(model: nn.Module) -> None:
    model.classifier.weight.register_hook(lambda gradient: gradient * float("nan"))


def fail(model: nn.Module) -> None:
    def raise_error(*_):
        raise NotImplementedError("The operator 'aten::x' is not implemented for the MPS device.\nIf you want")

    model.conv2d.register_forward_pre_hook(raise_error)


def build_second_with(monkeypatch, spoil) -> None:
    """Let the network of the device in question be spoilt; the first one is that of the reference."""
    built: list[nn.Module] = []

    def build_and_spoil(*args, **options):
        built.append(build(*args, **options))
        if len(built) == 2:
            spoil(built[1])
        return built[-1]

    monkeypatch.setattr(gradient_check, "build_model", build_and_spoil)


@pytest.mark.parametrize("system", ["mstfnet", "vac", "tlp", "corrnet"])
def test_a_device_that_computes_rightly_passes_and_no_random_state_changes(system):
    before = torch.get_rng_state()
    assert find_wrong_gradient(make_config(system=system), CPU) == ""
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (spoil_batch_norm, r"its gradient of conv2d\.layer3\.0\.bn2\.weight is \d+ % off the right one"),
        (spoil_lstm, r"its gradient of \S+ is 50 % off"),
        (spoil_one_number, r"its gradient of classifier\.weight is inf % off"),
        (fail, r"The operator 'aten::x' is not implemented for the MPS device\.$"),
    ],
)
def test_a_device_that_computes_wrongly_is_found_out(monkeypatch, spoil, said):
    build_second_with(monkeypatch, spoil)
    found = find_wrong_gradient(make_config(), CPU)
    assert re.match(said, found), found


def test_rounding_is_far_from_what_is_refused(monkeypatch):
    config = make_config()
    single = compute_gradients(config, CPU)
    monkeypatch.setattr(gradient_check, "build_model", lambda *args, **options: build(*args, **options).double())
    _, share = compare_gradients(single, compute_gradients(config, CPU))
    assert 0 < share < ALLOWED / 4


def test_short_gradients_are_measured_by_the_longest():
    right = {"long": torch.tensor([3.0, 4.0]), "short": torch.tensor([1e-8])}
    assert compare_gradients({"long": torch.tensor([3.0, 4.0]), "short": torch.tensor([0.01])}, right) == (
        "short",
        pytest.approx(0.2, rel=1e-4),  # 0.01 of 5 / 100
    )
    assert compare_gradients({"long": torch.tensor([0.0, 0.0]), "short": torch.tensor([0.01])}, right)[0] == "long"


def test_by_name_a_wrong_device_is_refused_and_by_auto_the_cpu_is_taken(monkeypatch):
    monkeypatch.setattr(gradient_check, "find_wrong_gradient", lambda *_: "its gradient of x is 99 % off")
    with pytest.raises(InputError, match=r"cannot train this network on mps: its gradient of x .*--device cpu"):
        choose_training_device(make_config(device="mps"), MPS)
    device, note = choose_training_device(make_config(device="auto"), MPS)
    assert device == CPU
    assert "its gradient of x is 99 % off; the CPU is used" in note
    assert choose_training_device(make_config(device="auto"), torch.device("cuda", 0)) == (torch.device("cuda", 0), "")
    monkeypatch.setattr(gradient_check, "find_wrong_gradient", lambda *_: "")
    assert choose_training_device(make_config(device="mps"), MPS) == (MPS, "")
