"""Which network weights are of, told from their names and shapes; and why they do not fit another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from utils.temporal import CHAINS

SETTINGS = {
    "backbone": ("model_args.c2d_type", "conv2d.layer"),
    "width": ("model_args.width", "conv2d."),
    "hidden_size": ("model_args.hidden_size", "conv1d."),
    "conv_type": ("model_args.conv_type", "conv1d."),
    "weight_norm": ("model_args.weight_norm", "classifier."),
    "share_classifier": ("model_args.share_classifier", "conv1d.fc."),
    "share_heads": ("model_args.share_heads", "HFEAM.stse"),
}
"""Attribute of `Architecture` -> its key in the configuration, and how the weights that depend on it begin."""


@dataclass(frozen=True)
class Architecture:
    """What weights say of their network; None where they do not say it.

    Attributes:
        backbone: "resnet18", "resnet34", ...
        width: channels of the backbone's first stage.
        hidden_size: channels of the temporal convolutions.
        conv_type: temporal chain, as in `TemporalSpec`.
        weight_norm: classifiers with columns of length one, without bias.
        share_classifier: the convolutional head has no classifier of its own.
        share_heads: one alignment attention, or three equal ones.
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


def architecture_of(weights: Mapping[str, Tensor]) -> Architecture:
    """The network that weights are of.

    Args:
        weights: by the names of `SLRModel`.
    """
    has_classifier = "classifier.weight" in weights
    weight_norm = "classifier.bias" not in weights if has_classifier else None
    return Architecture(
        backbone=backbone_of(weights),
        width=size(weights, "conv2d.conv1.weight", 0),
        hidden_size=size(weights, "conv1d.temporal_conv.0.0.weight", 0),
        conv_type=conv_type_of(weights),
        weight_norm=weight_norm,
        share_classifier=adds_nothing(weights, "conv1d.fc.", "classifier.") if has_classifier else None,
        share_heads=shares_heads(weights),
        classes=size(weights, "classifier.weight", 1 if weight_norm else 0),
    )


def size(weights: Mapping[str, Tensor], name: str, axis: int) -> int | None:
    """Length of one axis of a weight, if it is there and has that axis."""
    return weights[name].shape[axis] if name in weights and axis < weights[name].ndim else None


def backbone_of(weights: Mapping[str, Tensor]) -> str | None:
    """A ResNet is called by the number of its layers: the convolutions of its blocks, the first one and the last."""
    layers = sum(bool(re.fullmatch(r"conv2d\.layer\d+\.\d+\.conv\d+\.weight", name)) for name in weights)
    return f"resnet{layers + 2}" if layers else None


def conv_type_of(weights: Mapping[str, Tensor]) -> int | None:
    """The temporal chain whose layers these are."""
    prefix = "conv1d.temporal_conv."
    found = {name.removeprefix(prefix).split(".")[0] for name in weights if name.startswith(prefix)}
    for conv_type, chain in CHAINS.items():
        fits = (
            size(weights, f"{prefix}{i}.0.weight", 2) == length
            if kind == "K"
            else f"{prefix}{i}.predictor.0.weight" in weights
            for i, (kind, length) in enumerate(chain)
        )
        if len(found) == len(chain) and all(fits):
            return conv_type
    return None


def shares_heads(weights: Mapping[str, Tensor]) -> bool | None:
    """Whether there is one alignment attention, or three that are equal."""
    if not any(name.startswith("HFEAM.stse1.") for name in weights):
        return None
    return all(adds_nothing(weights, f"HFEAM.stse{i}.", "HFEAM.stse1.") for i in (2, 3))


def adds_nothing(weights: Mapping[str, Tensor], prefix: str, other: str) -> bool:
    """Whether every weight under `prefix`, if there are any, equals the one of that name under `other`."""
    names = [name for name in weights if name.startswith(prefix)]
    twins = [weights.get(other + name.removeprefix(prefix)) for name in names]
    return all(twin is not None and torch.equal(weights[name], twin) for name, twin in zip(names, twins, strict=True))


def diagnose(theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor], wrong: Iterable[str]) -> list[str]:
    """What probably explains that weights do not fit.

    Args:
        theirs: the weights of the file.
        ours: those of the network.
        wrong: names that are missing, unexpected or misshapen.

    Returns:
        a sentence for each setting in which the two differ; one that names another kind of network where they have
        little in common; nothing where there is no guess.
    """
    if "conv1.weight" in theirs and "layer1.0.conv1.weight" in theirs:
        return ["these are the weights of an image network, as torchvision offers them: model_args.pretrained=FILE"]
    common = len(theirs.keys() & ours.keys())
    if 2 * common < len(ours) and backbone_of(theirs) in (None, backbone_of(ours)):
        return [f"another kind of network: {common} of {len(ours)} names of weights are the same"]
    wrong = list(wrong)
    there, here = architecture_of(theirs), architecture_of(ours)
    reasons = []
    if there.classes != here.classes and any("classifier." in name or "conv1d.fc." in name for name in wrong):
        reasons.append(
            f"another vocabulary: {glosses(there.classes)} in the file, {glosses(here.classes)} in the network"
        )
    for attribute, (key, prefix) in SETTINGS.items():
        a, b = getattr(there, attribute), getattr(here, attribute)
        if a != b and None not in (a, b) and any(name.startswith(prefix) for name in wrong):
            reasons.append(f"another {attribute}: {shown(a)} in the file, {shown(b)} in the network ({key})")
    return reasons


def glosses(classes: int | None) -> str:
    """V as a person thinks of it."""
    return "no classifier" if classes is None else f"{classes - 1} glosses and the blank"


def shown(value: object) -> str:
    """As YAML spells it."""
    return str(value).lower()
