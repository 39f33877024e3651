"""Whether the posteriors of networks can be combined: all give the same glosses, at the same steps of the same clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import torch
from torch import nn

from config.schema import Config
from utils.checkpoint import CheckpointError, format_extra_glosses
from utils.files import real_path
from utils.unicode import to_nfc

CHAIN = "the temporal chain (model_args.conv_type)"
"""The setting that weights tell of themselves."""


@dataclass(frozen=True)
class Demands:
    """What a network gives, and what it takes.

    Attributes:
        name: its file.
        glosses: its vocabulary, in the order of the ids; None where the file does not hold it.
        settings: by what a person calls it, each setting that must be the same; None where it is not known.
        input_size: the side of the crop that it was trained on; None where the file does not say it.
    """

    name: str
    glosses: tuple[str, ...] | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    input_size: int | None = None


def list_demands(
    name: object, glosses: Sequence[str] | None, config: Config, frame_rate: float | None, frame_size: int | None
) -> Demands:  # fmt: skip
    """What a network gives and takes, by its own configuration.

    Args:
        name: its file.
        glosses: its vocabulary, if it is known.
        config: the configuration of its training.
        frame_rate: the frames a second of the clips that it was trained on; None if that is not known.
        frame_size: the side of the frames before they are scaled and cropped; None where all are given the same.
    """
    feeder = config.feeder_args
    settings = {
        CHAIN: config.model_args.conv_type,
        "feeder_args.frame_interval": feeder.frame_interval,
        "feeder_args.image_scale": feeder.image_scale,
        "the frame rate": frame_rate,
        "the size of prepared frames": frame_size,
    }
    return Demands(str(name), None if glosses is None else tuple(glosses), settings, feeder.input_size)


def check_agreement(networks: Sequence[Demands]) -> None:
    """Raise CheckpointError if the first network and another one cannot be combined; names both and what differs."""
    first = networks[0]
    for other in networks[1:]:
        differing = [
            f"{setting} is {value} in the one and {other.settings[setting]} in the other"
            for setting, value in first.settings.items()
            if value != other.settings[setting] and None not in (value, other.settings[setting])
        ]
        if first.glosses is not None and other.glosses is not None:
            differing = compare_glosses(first.glosses, other.glosses) + differing
        if differing:
            raise CheckpointError(f"{first.name} and {other.name} cannot be combined: {'; '.join(differing)}")


def compare_glosses(one: Sequence[str], other: Sequence[str]) -> list[str]:
    """How two vocabularies differ, in words; nothing if they are the same in the same order."""
    a, b = list(map(to_nfc, one)), list(map(to_nfc, other))
    if a == b:
        return []
    if len(a) != len(b) or set(a) != set(b):
        extra = format_extra_glosses("in the one alone", sorted(set(a) - set(b)))
        extra += format_extra_glosses("in the other alone", sorted(set(b) - set(a)))
        return [f"the glosses are {len(a)} in the one and {len(b)} in the other{extra}"]
    place = next(number for number, (ours, theirs) in enumerate(zip(a, b, strict=True)) if ours != theirs)
    return [f"the glosses have another order, number {place + 1} is {a[place]} in the one and {b[place]} in the other"]


def check_named_once(names: Sequence[object]) -> None:
    """Raise CheckpointError if two names are of one file: combined twice, it would count for more than the others."""
    for one, other in combinations(map(str, names), 2):
        if one == other or real_path(one) == real_path(other):
            both = f"{one} is named twice" if one == other else f"{one} and {other} are one file"
            raise CheckpointError(f"{both}: name each checkpoint once")


def check_weights_differ(networks: Mapping[str, nn.Module]) -> None:
    """Raise CheckpointError if two networks have the same weights.

    Args:
        networks: the networks by their files; each may be on a device of its own.
    """
    for (one, first), (other, second) in combinations(networks.items(), 2):
        a, b = first.state_dict(), second.state_dict()
        if a.keys() == b.keys() and all(torch.equal(weight, b[name].to(weight.device)) for name, weight in a.items()):
            raise CheckpointError(f"{one} and {other} hold the same weights: leave one of them out")
