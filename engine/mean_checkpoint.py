"""The mean of several checkpoints of one training, as a checkpoint."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from config.load import read_stored_config, to_dict
from config.schema import Config
from engine.checkpoints import match_numbered
from evaluation.agreement import compare_glosses
from utils.architecture import as_yaml, detect_architecture
from utils.checkpoint import CheckpointError, extract_weights, load_checkpoint
from utils.errors import InputError
from utils.files import real_path
from utils.text import plural, show_text

CARRIED = ("config", "precision", "glosses", "frame_size", "frame_rate", "rendered", "trained_on")
"""The entries of a checkpoint that its mean with others has as well: those that recognition needs."""
WITHOUT_WEIGHTS = ("mask_padding",)
"""Keys of `model_args` that no weight tells, and that change what a network gives."""


@dataclass(frozen=True)
class Source:
    """A checkpoint that is to be averaged.

    Attributes:
        path: the file.
        content: what it holds.
        weights: its weights by name, those that are evaluated.
        config: its configuration.
    """

    path: Path
    content: Mapping[str, Any]
    weights: dict[str, Tensor]
    config: Config


def list_last_checkpoints(run: Path, count: int) -> list[Path]:
    """The checkpoints of the last `count` epochs that a run has kept, the newest last.

    Raises:
        InputError: there are fewer.
    """
    if not run.is_dir():
        raise InputError(f"--last takes checkpoints from the folder of a run, and {run} is no folder")
    numbered = {int(found[1]): path for path in run.iterdir() if (found := match_numbered(path))}
    if len(numbered) < count:
        raise InputError(
            f"{run} has {plural(len(numbered), 'checkpoint')} epoch_N.pt, and the last {count} are to be averaged: "
            f"train with save_interval: 1, which keeps one of each epoch, and with keep: 0 or keep: {count}"
        )
    return [numbered[epoch] for epoch in sorted(numbered)[-count:]]


def average_checkpoints(paths: Sequence[Path]) -> dict[str, Any]:
    """The mean of the weights and of BatchNorm's statistics in several checkpoints; counters are those of the last.

    Sums are in float64, one file after the other: two networks are in memory at a time, however many files there are.

    Args:
        paths: the checkpoints, at least two, the newest last.

    Returns:
        a checkpoint without optimiser: the weights, what recognition needs besides, as in the newest, and `averaged`,
        which names the files.

    Raises:
        InputError: one is named twice, two hold the same weights (a best.pt is an epoch_N.pt too), or they cannot be
            averaged.
        CheckpointError: one cannot be read.
    """
    if len({real_path(path) for path in paths}) < len(paths):
        raise InputError("a checkpoint is named twice: it would count twice in the mean")
    first = read_source(paths[0])
    digests = {digest_weights(first.weights): first.path}
    sums = {name: w.double() if w.is_floating_point() else w for name, w in first.weights.items()}
    newest = first
    for path in paths[1:]:
        newest = read_source(path)
        check_alike(first, newest)
        twin = digests.setdefault(digest_weights(newest.weights), path)
        if twin != path:
            raise InputError(
                f"{path} and {twin} hold the same weights, which would count twice in the mean: name one of them"
            )
        for name, weight in newest.weights.items():
            sums[name] = sums[name] + weight if weight.is_floating_point() else weight
    mean = {
        name: (total / len(paths)).to(newest.weights[name].dtype) if total.is_floating_point() else total
        for name, total in sums.items()
    }
    carried = {key: newest.content[key] for key in CARRIED if key in newest.content}
    files = [show_text(path) for path in paths]
    return {"model_state_dict": mean, **carried, "averaged": {"files": files, "clips": 0}}


def read_source(path: Path) -> Source:
    """Read a checkpoint that is to be averaged.

    Raises:
        CheckpointError: it cannot be read, or does not say what network and which glosses it has.
    """
    content = load_checkpoint(path)
    missing = [key for key in ("config", "glosses") if key not in content]
    if missing:
        raise CheckpointError(
            f"{path} lacks {' and '.join(missing)}: checkpoints that this project has trained can be averaged"
        )
    return Source(path, content, extract_weights(content, str(path)), read_stored_config(content, path))


def digest_weights(weights: Mapping[str, Tensor]) -> str:
    """A digest of weights, by which equal ones are found while one file after the other is in memory."""
    digest = hashlib.sha256()
    for name, weight in sorted(weights.items()):
        digest.update(name.encode() + weight.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def check_alike(one: Source, other: Source) -> None:
    """Raise InputError if two checkpoints are of different vocabularies, systems or shapes; says which."""
    if differing := compare_glosses(one.content["glosses"], other.content["glosses"]):
        raise InputError(f"{one.path} and {other.path} have no mean: {'; '.join(differing)}")
    networks = [_tell_network(source) for source in (one, other)]
    differing = [
        f"{key} {as_yaml(its)}, not {as_yaml(networks[0][key])}"
        for key, its in networks[1].items()
        if its != networks[0][key]
    ]
    if differing:
        raise InputError(
            f"{other.path} (system {other.config.system}) has another network than {one.path} (system "
            f"{one.config.system}), so they have no mean: {', '.join(differing)}"
        )
    shapes, its_shapes = ({name: tuple(w.shape) for name, w in source.weights.items()} for source in (one, other))
    odd = sorted(name for name in shapes.keys() | its_shapes.keys() if shapes.get(name) != its_shapes.get(name))
    if odd:
        raise InputError(
            f"{other.path} has other weights than {one.path}, so they have no mean: {odd[0]} is "
            f"{its_shapes.get(odd[0], 'missing')} there, and {shapes.get(odd[0], 'missing')} here"
        )


def _tell_network(source: Source) -> dict[str, Any]:
    """The settings of a network, as its weights tell them and, where they cannot, as its configuration says."""
    args = to_dict(source.config.model_args)
    return vars(detect_architecture(source.weights)) | {key: args[key] for key in WITHOUT_WEIGHTS}
