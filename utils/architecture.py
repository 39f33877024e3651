"""The kind of network that weights belong to, told from their names and shapes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from utils.temporal import CHAINS


@dataclass(frozen=True)
class Architecture:
    """The settings of a network as its weights tell them; None where they do not.

    Attributes:
        backbone: "resnet18", "resnet34", ...
        width: channels of the backbone's first stage.
        hidden_size: channels of the temporal convolutions.
        conv_type: temporal chain, as in `TemporalSpec`.
        weight_norm: whether classifiers have columns of length one, and no bias.
        share_classifier: whether the convolutional head has no classifier of its own.
        share_heads: whether there is one alignment attention, or three equal ones, instead of three that differ.
        classes: V, glosses and the blank.
    """

    backbone: str | None
    width: int | None
    hidden_size: int | None
    conv_type: int | None
    weight_norm: bool | None
    share_classifier: bool | None
    share_heads: bool | None
    classes: int | None


def detect_architecture(weights: Mapping[str, Tensor]) -> Architecture:
    """Tell the settings of a network from its weights.

    Args:
        weights: the weights by the names of `SLRModel`.
    """
    has_classifier = "classifier.weight" in weights
    weight_norm = "classifier.bias" not in weights if has_classifier else None
    return Architecture(
        backbone=detect_backbone(weights),
        width=axis_length(weights, "conv2d.conv1.weight", 0),
        hidden_size=axis_length(weights, "conv1d.temporal_conv.0.0.weight", 0),
        conv_type=detect_conv_type(weights),
        weight_norm=weight_norm,
        share_classifier=adds_nothing(weights, "conv1d.fc.", "classifier.") if has_classifier else None,
        share_heads=detect_shared_heads(weights),
        classes=axis_length(weights, "classifier.weight", 1 if weight_norm else 0),
    )


def axis_length(weights: Mapping[str, Tensor], name: str, axis: int) -> int | None:
    """The length of one axis of a weight; None where there is no such weight or axis."""
    return weights[name].shape[axis] if name in weights and axis < weights[name].ndim else None


def detect_backbone(weights: Mapping[str, Tensor]) -> str | None:
    """The name of a ResNet, "resnet18" or another, from the convolutions of its blocks."""
    layers = sum(bool(re.fullmatch(r"conv2d\.layer\d+\.\d+\.conv\d+\.weight", name)) for name in weights)
    # A ResNet is called by the number of its layers; the stem's convolution and the image classifier are two more.
    return f"resnet{layers + 2}" if layers else None


def detect_conv_type(weights: Mapping[str, Tensor]) -> int | None:
    """The `conv_type` of the temporal chain that has these layers; None where there is no such chain."""
    prefix = "conv1d.temporal_conv."
    found = {name.removeprefix(prefix).split(".")[0] for name in weights if name.startswith(prefix)}
    for conv_type, chain in CHAINS.items():
        fits = (
            axis_length(weights, f"{prefix}{i}.0.weight", 2) == length
            if kind == "K"
            else f"{prefix}{i}.predictor.0.weight" in weights
            for i, (kind, length) in enumerate(chain)
        )
        if len(found) == len(chain) and all(fits):
            return conv_type
    return None


def detect_shared_heads(weights: Mapping[str, Tensor]) -> bool | None:
    """Whether there is one alignment attention, or three that are equal; None where there is none."""
    if not any(name.startswith("HFEAM.stse1.") for name in weights):
        return None
    return all(adds_nothing(weights, f"HFEAM.stse{i}.", "HFEAM.stse1.") for i in (2, 3))


def adds_nothing(weights: Mapping[str, Tensor], prefix: str, other: str) -> bool:
    """Whether every weight under `prefix`, if there are any, equals the one of that name under `other`."""
    names = [name for name in weights if name.startswith(prefix)]
    twins = [weights.get(other + name.removeprefix(prefix)) for name in names]
    return all(twin is not None and torch.equal(weights[name], twin) for name, twin in zip(names, twins, strict=True))


def as_yaml(value: object) -> str:
    """A value as YAML spells it."""
    return str(value).lower()
