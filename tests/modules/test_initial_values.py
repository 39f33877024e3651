"""A fresh network has weights of the published mean and spread, by rules from their names and shapes."""

import math
import re
from collections.abc import Mapping

import pytest
import torch

from slr_network import SLRModel

SETTINGS = [
    {"backbone": "resnet34"},
    {"backbone": "resnet18", "weight_norm": False, "share_classifier": False, "share_heads": True},
]


def mean_and_spread(name: str, shapes: Mapping[str, torch.Size]) -> tuple[float, float]:
    """What the published network starts with: of a normal distribution, or of a uniform one of bound b, b / sqrt(3).

    PyTorch's own initial values are uniform between +-1 / sqrt(fan_in), of weights and biases.
    """
    parent, kind = name.rpartition(".")[::2]
    shape = shapes[name]
    if f"{parent}.running_mean" in shapes or parent.endswith("insnorm"):
        return (1.0, 0.0) if kind == "weight" else (0.0, 0.0)
    if name == "conv2d.alpha" or re.search(r"(predictor\.2|updater\.2|weight[12]\.conv)\.weight$", name):
        return 0.0, 0.0
    if name.startswith("conv2d.") and kind == "weight":  # kaiming normal, fan_out, relu: all outputs count
        return 0.0, math.sqrt(2 / (shape[0] * math.prod(shape[2:])))
    if parent in ("classifier", "conv1d.fc") and f"{parent}.bias" not in shapes:  # xavier uniform, gain of relu
        return 0.0, math.sqrt(2) * math.sqrt(2 / sum(shape))
    if parent == "temporal_model.rnn":  # bound 1 / sqrt(hidden)
        return 0.0, 1 / math.sqrt(3 * shapes["temporal_model.rnn.weight_hh_l0"][1])
    return 0.0, 1 / math.sqrt(3 * math.prod(shapes[f"{parent}.weight"][1:]))


@pytest.mark.parametrize("settings", SETTINGS)
def test_every_weight_starts_as_published(settings):
    torch.manual_seed(0)
    model = SLRModel(60, width=32, hidden_size=128, **settings)
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    wrong = []
    for name, weight in model.named_parameters():
        mean, spread = mean_and_spread(name, shapes)
        values = weight.detach().double()
        found, deviation = values.mean().item(), (values - mean).square().mean().sqrt().item()
        # Five standard errors: what chance gives to one weight in a million.
        tolerance = 5 / math.sqrt(values.numel())
        if abs(found - mean) > tolerance * spread or abs(deviation - spread) > tolerance / math.sqrt(2) * spread:
            wrong.append(f"{name}: {found:.4f} and {deviation:.4f}, not {mean} and {spread:.4f}")
        if spread and values.unique().numel() < values.numel() / 2:
            wrong.append(f"{name}: not drawn")
    assert wrong == []


def test_the_rules_tell_pytorchs_own_initial_values_from_the_published_ones():
    """What the temporal branches of STF would start with, were they forgotten."""
    torch.manual_seed(0)
    model = SLRModel(60, "resnet18", width=32, hidden_size=128)
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    name = "conv2d.stf1.t_convs.0.0.weight"
    model.conv2d.stf1.t_convs[0][0].reset_parameters()
    _, spread = mean_and_spread(name, shapes)
    assert model.get_parameter(name).std() > 2 * spread
