"""Checkpoints: written whole, read without running code, and weights made elsewhere."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from utils.architecture import explain_misfit, suggest_settings
from utils.errors import InputError
from utils.files import atomic_path
from utils.plain_pickle import PLAIN_NAMES
from utils.text import shorten
from utils.unicode import to_nfc

PLAIN_TYPES: list[Any] = [
    *((meaning, name) for name, meaning in PLAIN_NAMES.items()),
    # PyTorch also asks for the class of each number format: of random states, and of numbers such as a WER.
    *{type(np.dtype(code)) for code in "?bhilqBHILQefd"},
]
"""What a checkpoint may hold besides tensors and plain containers."""

MOST_LISTED = 10  # weights in an error


class CheckpointError(InputError, ValueError):
    """A checkpoint cannot be read or does not fit the network."""


def save_checkpoint(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write `content` to `path`; an error on the way (a full disk) leaves the older file whole.

    Raises:
        CheckpointError: the file could not be written; says what is left.
    """
    try:
        with atomic_path(path) as temporary:
            torch.save(dict(content), temporary)
    except (OSError, RuntimeError) as error:
        kept = f"; the older {path} is whole" if Path(path).is_file() else ""
        raise CheckpointError(f"cannot write the checkpoint {path}: {error}{kept}. Free some disk space") from error


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU; nothing in it is executed.

    Raises:
        CheckpointError: no such file, truncated, not a checkpoint, or it holds more than tensors and plain values.
    """
    damaged = _find_damaged_part(path)  # else a flipped bit in a weight would go unnoticed
    if damaged:
        raise CheckpointError(f"{path} is damaged: the checksum of {damaged} in it is wrong; take another checkpoint")
    try:
        with torch.serialization.safe_globals(PLAIN_TYPES), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch warns of foreign formats before it refuses them
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"there is no checkpoint {path}") from None
    except OSError as error:
        raise CheckpointError(f"the checkpoint {path} cannot be read: {error}") from error
    except Exception as error:  # a damaged file can make its reader raise anything
        raise CheckpointError(f"{path} is refused, and nothing in it was run: {explain_refusal(error)}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds {type(content).__name__}, not a dictionary of weights")
    return content


def _find_damaged_part(path: str | Path) -> str | None:
    """The first part of a zip archive, as PyTorch writes them, whose CRC-32 is wrong; PyTorch does not check it."""
    try:
        if not zipfile.is_zipfile(path):
            return None
        with zipfile.ZipFile(path) as archive:
            return archive.testzip()
    except Exception:  # a damaged file can make its reader raise anything
        return "a header"


def explain_refusal(error: Exception) -> str:
    """Why a file was refused, without PyTorch's advice to read it unsafely."""
    wanted = re.search(r"GLOBAL (\S+)", str(error))
    if wanted:
        return f"it asks for {wanted[1]}, which is neither a tensor nor a plain value, so reading it could run code"
    first = str(error).split(". ", maxsplit=1)[0] or "it ends too early"
    detail = "" if isinstance(error, pickle.UnpicklingError) else f" ({first})"
    return f"it is truncated, damaged or no checkpoint of PyTorch{detail}"


def load_weights(
    model: nn.Module, source: str | Path | Mapping[str, Any], ignore: Iterable[str] = (), name: str = "the weights"
) -> nn.Module:  # fmt: skip
    """Put weights into `model`: this project's checkpoints, or the published ones.

    Args:
        model: an `SLRModel`.
        source: a file, or its content: a state dict, or a dictionary with one under `model_state_dict`; a component
            `module` in the names, which data-parallel training leaves there, is taken out.
        ignore: the names of the weights to leave as they are.
        name: the name of `source` in an error, where it is no file.

    Returns:
        `model`.

    Raises:
        CheckpointError: unreadable, or names missing, unexpected and misshapen weights and what explains them.
    """
    own, ignore = model.state_dict(), set(ignore)
    unknown = sorted(ignore - own.keys())
    if unknown:
        raise CheckpointError(f"ignore_weights names weights that the network does not have: {', '.join(unknown)}")
    if not isinstance(source, Mapping):
        source, name = load_checkpoint(source), str(source)
    weights = drop_unused(extract_weights(source, name), own)
    missing = sorted(own.keys() - weights.keys() - ignore)
    unexpected = sorted(weights.keys() - own.keys() - ignore)
    misshapen = [key for key in sorted(own.keys() & weights.keys() - ignore) if weights[key].shape != own[key].shape]
    if missing or unexpected or misshapen:
        raise CheckpointError(describe_misfit(name, weights, own, missing, unexpected, misshapen))
    # Not strict: only weights that are to be ignored can be missing now.
    model.load_state_dict({key: w for key, w in weights.items() if key not in ignore}, strict=False)
    return model


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


def extract_weights(content: Mapping[str, Any], name: str) -> dict[str, Tensor]:
    """The weights in what a checkpoint holds, by their names without components `module`.

    Args:
        content: a state dict, or a dictionary with one under `model_state_dict`.
        name: the name of `content` in an error.

    Raises:
        CheckpointError: there are none.
    """
    weights = content.get("model_state_dict", content)
    tensors = {key: w for key, w in weights.items() if isinstance(w, Tensor)} if isinstance(weights, Mapping) else {}
    if not tensors:
        raise CheckpointError(f"{name}: no tensor is there, only {', '.join(map(str, content)) or 'nothing'}")
    return {".".join(part for part in str(key).split(".") if part != "module"): w for key, w in tensors.items()}


def check_glosses(content: Mapping[str, Any], path: str | Path, glosses: Sequence[str]) -> None:
    """Raise CheckpointError if the checkpoint carries other glosses than these, or in another order."""
    held = content.get("glosses")
    if held is None or list(map(to_nfc, held)) == list(map(to_nfc, glosses)):
        return
    only_there, only_here = sorted(set(held) - set(glosses)), sorted(set(glosses) - set(held))
    raise CheckpointError(
        f"{path} was trained on another dictionary: {len(held)} glosses there, {len(glosses)} in the prepared corpus"
        f"{format_extra_glosses('there alone', only_there)}{format_extra_glosses('here alone', only_here)}; use the "
        "prepared folder that it was trained on, or prepare the corpus again"
    )


def format_extra_glosses(label: str, glosses: Sequence[str]) -> str:
    """ "; label: A, B, ..." or nothing."""
    return f"; {label}: {shorten(glosses)}" if glosses else ""


def drop_unused(weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Published weights without what this network has no second copy of, where nothing is lost by it.

    That is HFAM's `con1`, which nothing uses; the second name of a shared classifier, of which `classifier` counts;
    and the second and third of three identical alignment attentions.
    """
    kept = {name: w for name, w in weights.items() if not name.startswith("HFEAM.con1.")}
    if "classifier.weight" in kept and not any(name.startswith("conv1d.fc.") for name in own):
        kept = {name: w for name, w in kept.items() if not name.startswith("conv1d.fc.")}
    if not any(name.startswith("HFEAM.stse2.") for name in own):
        for name in [name for name in kept if name.startswith(("HFEAM.stse2.", "HFEAM.stse3."))]:
            first = kept.get(f"HFEAM.stse1.{name.split('.', 2)[2]}")
            if first is not None and torch.equal(first, kept[name]):
                del kept[name]
    return kept
