"""The published systems of the family, told from the settings of their networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from utils.architecture import Architecture, as_yaml


@dataclass(frozen=True)
class PublishedNetwork:
    """A network that was published.

    Attributes:
        system: the file config/systems/<system>.yaml that trains it.
        published: whose network it is; several where weights cannot tell them apart.
        model_args: the keys of the configuration's section `model_args` by which it differs from the others.
    """

    system: str
    published: str
    model_args: Mapping[str, Any]


_LINEAR = {"weight_norm": False, "share_classifier": False}
_NORMALISED = {"weight_norm": True, "share_classifier": True}
_VAC = {"c2d_type": "resnet18", "fusion": "none", "pooling": "max", "hfam": False}
_CORRNET = _VAC | _NORMALISED | {"fusion": "correlation"}

NETWORKS = (
    PublishedNetwork("vac", "VAC, or its baseline without ConvCTC and Dist: they have one network", _VAC | _LINEAR),
    PublishedNetwork("smkd", "VAC with SMKD, or CorrNet's baseline: they have one network", _VAC | _NORMALISED),
    PublishedNetwork("tlp", "TLP", _VAC | _LINEAR | {"pooling": "lift"}),
    PublishedNetwork("corrnet", "CorrNet as for CSL-Daily", _CORRNET | {"fusion_after": (3, 4)}),
    PublishedNetwork("corrnet", "CorrNet", _CORRNET | {"fusion_after": (2, 3, 4)}),
    PublishedNetwork(
        "mstfnet",
        "MSTFNet",
        _NORMALISED
        | {"c2d_type": "resnet34", "fusion": "stf", "fusion_after": (2, 3, 4), "pooling": "lift", "hfam": True},
    ),
)  # fmt: skip
"""From the oldest to the newest. config/systems/*.yaml say the same settings for training; a test compares the two."""

SIZES = {"width": 64, "hidden_size": 1024, "conv_type": 2}
"""What all of them have besides; the system of a network that is narrower is still the same."""


def find_nearest_network(model_args: Mapping[str, Any]) -> tuple[PublishedNetwork, dict[str, Any]]:
    """The published network that differs in the fewest settings, of equals the newest, and what it has otherwise.

    Args:
        model_args: keys of the configuration's section `model_args`; one that is absent differs from nothing.
    """
    differing = [
        (network, {key: own for key, own in network.model_args.items() if model_args.get(key, own) != own})
        for network in reversed(NETWORKS)
    ]
    return min(differing, key=lambda pair: len(pair[1]))


def describe_system(architecture: Architecture) -> str:
    """Which published system's network it is, in a line: by its name, or the nearest one and what that one has."""
    if not architecture.is_of_family:
        return "not told by the weights"
    network, differing = find_nearest_network(architecture.model_args)
    differing |= {key: value for key, value in SIZES.items() if architecture.model_args.get(key) != value}
    if not differing:
        return f"{network.system} ({network.published})"
    has = " ".join(f"{key}={as_yaml(value)}" for key, value in differing.items())
    return f"none of the published ones; the nearest is {network.system}, which has {has}"
