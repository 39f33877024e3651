"""Why the weights of a file do not fit a network, and which settings would make them fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor

from utils.architecture import Architecture, as_yaml, detect_architecture
from utils.systems import find_nearest_network
from utils.text import plural

MOST_LISTED = 10  # weights in an error

OF_FUSIONS = ("conv2d.alpha", "conv2d.corr", "conv2d.stf")
SETTINGS: dict[str, tuple[str, str | tuple[str, ...]]] = {
    "backbone": ("model_args.c2d_type", "conv2d.layer"),
    "fusion": ("model_args.fusion", OF_FUSIONS),
    "fusion_after": ("model_args.fusion_after", OF_FUSIONS),
    "pooling": ("model_args.pooling", "conv1d.temporal_conv."),
    "hfam": ("model_args.hfam", "HFEAM."),
    "width": ("model_args.width", "conv2d."),
    "hidden_size": ("model_args.hidden_size", "conv1d."),
    "conv_type": ("model_args.conv_type", "conv1d."),
    "weight_norm": ("model_args.weight_norm", "classifier."),
    "share_classifier": ("model_args.share_classifier", "conv1d.fc."),
    "share_heads": ("model_args.share_heads", "HFEAM.stse"),
}
"""Attribute of `Architecture` -> its key in the configuration, and how the names of weights that depend on it begin."""

OF_CORPORA = ("c2d_type", "fusion_after")  # which a corpus's file may set


def describe_misfit(
    name: str,
    weights: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
    missing: Sequence[str],
    unexpected: Sequence[str],
    misshapen: Sequence[str],
) -> str:
    """Say which weights do not fit a network, ten of them at most, what explains it, and which settings would fit."""
    wrong = [*missing, *unexpected, *misshapen]
    problems = [f"{name} and the network do not fit"]
    reasons = explain_misfit(weights, own, wrong)
    if reasons:
        problems.append(f"probably {'; '.join(reasons)}")
    settings = suggest_settings(weights, own, wrong)
    if settings:
        problems.append(f"the network of these weights has {' '.join(settings)}")
    shapes = [
        f"{key}: {tuple(weights[key].shape)} in the file, {tuple(own[key].shape)} in the network" for key in misshapen
    ]
    kinds = {"missing": (missing, ", "), "unexpected": (unexpected, ", "), "misshapen": (shapes, "; ")}
    most = MOST_LISTED // sum(bool(listed) for listed, _ in kinds.values())
    for kind, (listed, separator) in kinds.items():
        rest = f" and {len(listed) - most} more" if len(listed) > most else ""
        if listed:
            problems.append(f"{kind}: {separator.join(listed[:most])}{rest}")
    return "\n  ".join(problems)


def explain_misfit(theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor], wrong: Iterable[str]) -> list[str]:
    """Guess why weights do not fit a network.

    Args:
        theirs: the file's weights.
        ours: the network's weights.
        wrong: the names that are missing, unexpected or misshapen.

    Returns:
        a sentence for each setting in which the two differ; one that names another kind of network where they have
        little in common; nothing where there is no guess.
    """
    if "conv1.weight" in theirs and "layer1.0.conv1.weight" in theirs:
        return ["these are the weights of an image network, as torchvision offers them: model_args.pretrained=FILE"]
    there, here = detect_architecture(theirs), detect_architecture(ours)
    common = len(theirs.keys() & ours.keys())
    if 2 * common < len(ours) and not there.is_of_family:
        return [f"another kind of network: {common} of {len(ours)} names of weights are the same"]
    # A setting in which the two differ explains nothing where all weights that depend on it fit.
    wrong = list(wrong)
    reasons = []
    if there.classes != here.classes and any("classifier." in name or "conv1d.fc." in name for name in wrong):
        in_file, in_network = describe_classes(there.classes), describe_classes(here.classes)
        reasons.append(f"another vocabulary: {in_file} in the file, {in_network} in the network")
    for attribute, key in find_differing_settings(there, here, wrong):
        a, b = getattr(there, attribute), getattr(here, attribute)
        reasons.append(f"another {attribute}: {as_yaml(a)} in the file, {as_yaml(b)} in the network ({key})")
    return reasons


def find_differing_settings(there: Architecture, here: Architecture, wrong: Iterable[str]) -> list[tuple[str, str]]:
    """The settings that explain why some weights are wrong: (attribute of `Architecture`, key of the configuration)."""
    found = []
    for attribute, (key, prefix) in SETTINGS.items():
        a, b = getattr(there, attribute), getattr(here, attribute)
        if a != b and None not in (a, b) and any(name.startswith(prefix) for name in wrong):
            found.append((attribute, key))
    return found


def suggest_settings(theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor], wrong: Iterable[str]) -> list[str]:
    """The settings, as key=value, that a network needs for these weights and has otherwise; as `explain_misfit`.

    Where the weights are of another system, its name stands for the switches that it sets on every corpus.
    """
    there, here = detect_architecture(theirs), detect_architecture(ours)
    needed = {key: getattr(there, attribute) for attribute, key in find_differing_settings(there, here, list(wrong))}
    network, usual = find_nearest_network(there.model_args)[0], find_nearest_network(here.model_args)[0]
    if needed and network.system != usual.system:
        # What the system's file sets is right then, and what it sets otherwise has to be said.
        of_system = {key: value for key, value in network.model_args.items() if key not in OF_CORPORA}
        told = {f"model_args.{key}": value for key, value in there.model_args.items() if of_system.get(key) != value}
        named = {f"model_args.{key}" for key in of_system}
        needed = {"system": network.system} | {key: told[key] for key in told if key in needed or key in named}
    return [f"{key}={as_yaml(value)}" for key, value in needed.items()]


def describe_classes(classes: int | None) -> str:
    """The number of classes as a person thinks of it."""
    return "no classifier" if classes is None else f"{plural(classes - 1, 'gloss', 'glosses')} and the blank"
