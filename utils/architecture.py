"""The kind of network that weights belong to, told from their names and shapes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from utils.temporal import CHAINS

FUSIONS = {"corr": "correlation", "stf": "stf"}
"""How the names of a fusion's modules begin -> its kind in the configuration."""

FOREIGN = {
    "SEN": r"conv2d\.layer\d\.\d+\.[ts]sem\.",
    "CorrNet+": r"conv2d\.(temporal_weight\d|corr\d\.attpool)\.",
    "SlowFastSign": r"conv2d\.s\d\.pathway\d_",
}
"""Systems with the same names around another backbone -> how names begin that they alone have."""


@dataclass(frozen=True)
class Architecture:
    """The settings of a network as its weights tell them; None where they do not.

    Attributes:
        backbone: "resnet18", "resnet34", ...
        fusion: what sees a frame's neighbours in the backbone: "none", "correlation" or "stf".
        fusion_after: the stages of the backbone that a fusion follows; None if there is none.
        pooling: of the temporal chain: "lift" or "max".
        hfam: whether there are the heads of HFAM.
        width: channels of the backbone's first stage.
        hidden_size: channels of the temporal convolutions.
        conv_type: temporal chain, as in `TemporalSpec`.
        weight_norm: whether classifiers have columns of length one, and no bias.
        share_classifier: whether the convolutional head has no classifier of its own, or an equal one.
        share_heads: whether there is one alignment attention, or three equal ones, instead of three that differ.
        classes: V, glosses and the blank.
    """

    backbone: str | None
    fusion: str | None
    fusion_after: tuple[int, ...] | None
    pooling: str | None
    hfam: bool | None
    width: int | None
    hidden_size: int | None
    conv_type: int | None
    weight_norm: bool | None
    share_classifier: bool | None
    share_heads: bool | None
    classes: int | None

    @property
    def is_of_family(self) -> bool:
        """Whether it has all parts that every network of the family has."""
        return None not in (self.backbone, self.pooling, self.hidden_size, self.classes)

    @property
    def model_args(self) -> dict[str, Any]:
        """The keys of the configuration's section `model_args` that the weights tell, with their values."""
        told = {("c2d_type" if key == "backbone" else key): value for key, value in vars(self).items()}
        return {key: value for key, value in told.items() if value is not None and key != "classes"}


def detect_architecture(weights: Mapping[str, Tensor]) -> Architecture:
    """Tell the settings of a network from its weights.

    Args:
        weights: the weights by the names of `SLRModel`.
    """
    has_backbone = "conv2d.conv1.weight" in weights
    has_classifier = "classifier.weight" in weights
    weight_norm = "classifier.bias" not in weights if has_classifier else None
    fusion, fusion_after = detect_fusion(weights)
    kernels = list_temporal_kernels(weights)
    pooling = "lift" if "0.0" in kernels else "max" if "0" in kernels else None
    first = "conv1d.temporal_conv.0.0.weight" if pooling == "lift" else "conv1d.temporal_conv.0.weight"
    return Architecture(
        backbone=detect_backbone(weights),
        fusion=fusion or ("none" if has_backbone else None),
        fusion_after=fusion_after,
        pooling=pooling,
        hfam=any(name.startswith("HFEAM.") for name in weights) if has_backbone and has_classifier else None,
        width=axis_length(weights, "conv2d.conv1.weight", 0),
        hidden_size=axis_length(weights, first, 0),
        conv_type=detect_conv_type(kernels, pooling),
        weight_norm=weight_norm,
        share_classifier=adds_nothing(weights, "conv1d.fc.", "classifier.") if has_classifier else None,
        share_heads=detect_shared_heads(weights),
        classes=axis_length(weights, "classifier.weight", 1 if weight_norm else 0),
    )


def tell_model_args(weights: Mapping[str, Tensor], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of the configuration's section `model_args` that a network for these weights needs.

    Args:
        weights: the weights by the names of `SLRModel`.
        wanted: what is given. It counts where the weights go with either: a copy of a shared part is held, or is not.

    Returns:
        keys and values; nothing for weights that are not of this family.
    """
    architecture = detect_architecture(weights)
    if not architecture.is_of_family:
        return {}
    told = architecture.model_args
    for key, copy in (("share_classifier", "conv1d.fc."), ("share_heads", "HFEAM.stse2.")):
        if told.get(key) and any(name.startswith(copy) for name in weights):
            told[key] = wanted[key]
    return told


def detect_foreign_system(weights: Mapping[str, Tensor]) -> str | None:
    """The name of a known system that is not of this family and whose weights these are; else None."""
    for system, pattern in FOREIGN.items():
        if any(re.match(pattern, name) for name in weights):
            return system
    return None


def axis_length(weights: Mapping[str, Tensor], name: str, axis: int) -> int | None:
    """The length of one axis of a weight; None where there is no such weight or axis."""
    return weights[name].shape[axis] if name in weights and axis < weights[name].ndim else None


def detect_backbone(weights: Mapping[str, Tensor]) -> str | None:
    """The name of a ResNet, "resnet18" or another, from the convolutions of its blocks."""
    layers = sum(bool(re.fullmatch(r"conv2d\.layer\d+\.\d+\.conv\d+\.weight", name)) for name in weights)
    # A ResNet is called by the number of its layers; the stem's convolution and the image classifier are two more.
    return f"resnet{layers + 2}" if layers else None


def detect_fusion(weights: Mapping[str, Tensor]) -> tuple[str | None, tuple[int, ...] | None]:
    """The kind of the fusions in the backbone and the stages that they follow; None for both where there are none."""
    found = {match.groups() for name in weights if (match := re.match(r"conv2d\.(corr|stf)([1-3])\.", name))}
    kinds = {FUSIONS[kind] for kind, _ in found}
    # A fusion has the number of its place: after stage 2 stands number 1.
    return (kinds.pop(), tuple(sorted(int(place) + 1 for _, place in found))) if len(kinds) == 1 else (None, None)


def list_temporal_kernels(weights: Mapping[str, Tensor]) -> dict[str, int]:
    """The length of the kernel of each convolution and lift pooling in the temporal chain, by its place there."""
    pattern = re.compile(r"conv1d\.temporal_conv\.(\d+(?:\.0|\.predictor\.0)?)\.weight")
    places = {name: match[1] for name in weights if (match := pattern.fullmatch(name))}
    return {place: weights[name].shape[2] for name, place in places.items() if weights[name].ndim == 3}


def detect_conv_type(kernels: Mapping[str, int], pooling: str | None) -> int | None:
    """The `conv_type` of the temporal chain with these kernels (`list_temporal_kernels`); None where there is none."""
    for conv_type, chain in CHAINS.items():
        expected: dict[str, int] = {}
        place = 0
        for kind, length in chain:
            if pooling == "lift":
                expected |= {f"{place}.0": length} if kind == "K" else {f"{place}.predictor.0": 3}
                place += 1
            else:
                expected |= {str(place): length} if kind == "K" else {}  # the maximum has no weights
                place += 3 if kind == "K" else 1  # a norm and a ReLU follow a convolution
        if kernels == expected:
            return conv_type
    return None


def detect_shared_heads(weights: Mapping[str, Tensor]) -> bool | None:
    """Whether there is one alignment attention, or three that are equal; None where there is none."""
    if not any(name.startswith("HFEAM.stse1.") for name in weights):
        return None
    return all(adds_nothing(weights, f"HFEAM.stse{i}.", "HFEAM.stse1.") for i in (2, 3))


def adds_nothing(weights: Mapping[str, Tensor], prefix: str, other: str) -> bool:
    """Whether every weight under `prefix`, if there are any, equals the one of that name under `other`."""
    twins = {name: weights.get(other + name.removeprefix(prefix)) for name in weights if name.startswith(prefix)}
    return all(twin is not None and are_equal(weights[name], twin) for name, twin in twins.items())


def are_equal(weight: Tensor, other: Tensor) -> bool:
    """Whether two weights have one type and the same values; never where they have none, on the meta device."""
    if weight.is_meta or other.is_meta or weight.dtype != other.dtype:
        return False
    return torch.equal(weight, other)


def as_yaml(value: object) -> str:
    """A value as YAML spells it, a list in brackets and without spaces."""
    if isinstance(value, (tuple, list)):
        return f"[{','.join(map(str, value))}]"
    return str(value).lower()
