"""Checkpoints: written whole, read without running code, and weights made elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from utils.architecture import are_equal, detect_foreign_system
from utils.checkpoint_file import CheckpointError, read_checkpoint_file
from utils.files import atomic_path
from utils.hub import find_checkpoint
from utils.misfit import describe_misfit
from utils.model_folder import is_model_folder, read_model_folder
from utils.text import shorten
from utils.unicode import to_nfc

FLOATS = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
"""Number formats of weights that are converted to the network's own."""


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


def load_checkpoint(path: str | Path) -> dict[Any, Any]:
    """Read a checkpoint onto the CPU; nothing in it is executed, and every entry has the type that it should have.

    Args:
        path: the file, a model folder, or the name of a repository on the Hugging Face Hub, `owner/name`.

    Raises:
        CheckpointError: no such file, truncated, not a checkpoint, it holds more than tensors and plain values, or an
            entry is not what this project writes under its name. Or the repository cannot be fetched.
    """
    # Here, because what writes checkpoints, or takes weights from memory, needs no pydantic.
    from utils.checkpoint_content import check_content  # noqa: PLC0415

    local = find_checkpoint(path)
    if is_model_folder(local):
        return read_model_folder(local, name=path)
    return check_content(read_checkpoint_file(local), path)


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
        CheckpointError: unreadable, a weight is not what it should be, or names missing, unexpected and misshapen
            weights and what explains them.
    """
    # Not strict: only weights that are to be ignored can be missing.
    model.load_state_dict(select_weights(model.state_dict(), source, ignore, name), strict=False)
    return model


def select_weights(
    own: Mapping[str, Tensor], source: str | Path | Mapping[str, Any], ignore: Iterable[str], name: str
) -> dict[str, Tensor]:
    """The weights of a file that a network takes, as it takes them.

    Args:
        own: the network's weights by name; their values do not matter.
        source: as in `load_weights`, whose other arguments and errors are these too.
        ignore: see there.
        name: see there.
    """
    ignore = set(ignore)
    unknown = sorted(ignore - own.keys())
    if unknown:
        raise CheckpointError(f"ignore_weights names weights that the network does not have: {shorten(unknown, 10)}")
    if not isinstance(source, Mapping):
        source, name = load_checkpoint(source), str(source)
    held = extract_weights(source, name)
    refuse_foreign_system(held, name)
    weights = widen_kernels(drop_unused(held, own), own)
    missing = sorted(own.keys() - weights.keys() - ignore)
    unexpected = sorted(weights.keys() - own.keys() - ignore)
    misshapen = [key for key in sorted(own.keys() & weights.keys() - ignore) if weights[key].shape != own[key].shape]
    if missing or unexpected or misshapen:
        raise CheckpointError(describe_misfit(name, held, own, missing, unexpected, misshapen))
    return {key: convert_weight(w, own[key], key, name) for key, w in weights.items() if key not in ignore}


def extract_weights(content: Mapping[str, Any], name: str) -> dict[str, Tensor]:
    """The weights in what a checkpoint holds, by their names without components `module`.

    Args:
        content: a state dict, or a dictionary with one under `model_state_dict`.
        name: the name of `content` in an error.

    Raises:
        CheckpointError: there are none, or one of them is no array of plain numbers, or one name has two values.
    """
    held = content.get("model_state_dict", content)
    tensors = {key: w for key, w in held.items() if isinstance(w, Tensor)} if isinstance(held, Mapping) else {}
    if not tensors:
        raise CheckpointError(
            f"{name}: no tensor is there, only {shorten(map(_shorten_key, content), 10) or 'nothing'}"
        )
    weights: dict[str, Tensor] = {}
    for key, weight in tensors.items():
        own = ".".join(part for part in str(key).split(".") if part != "module")
        kind = _describe_odd_kind(weight)
        if kind:
            raise CheckpointError(f"{name}: the weight {_shorten_key(key)} is {kind}, not an array of plain numbers")
        twin = weights.setdefault(own, weight)
        if twin is not weight and not are_equal(twin, weight):
            names = f"{_shorten_key(own)}, with and without `module` in the name"
            raise CheckpointError(f"{name} holds a weight twice with different values: {names}")
    return weights


def _shorten_key(key: Any) -> str:
    return str(key)[:80]


def _describe_odd_kind(weight: Tensor) -> str:
    """The kind of a tensor that cannot be a weight; nothing if it can."""
    if weight.is_quantized:
        return "quantised"
    if weight.is_nested or weight.layout != torch.strided:
        return "sparse"
    if weight.is_complex():
        return "complex"
    return "without values" if weight.device.type == "meta" else ""


def convert_weight(weight: Tensor, own: Tensor, key: str, name: str) -> Tensor:
    """A weight in the number format of the network's own.

    Args:
        weight: what a file holds.
        own: the network's weight of this name.
        key: the name.
        name: the file, in an error.

    Raises:
        CheckpointError: it holds another kind of numbers, or some that are not finite.
    """
    fits = weight.dtype in FLOATS if own.is_floating_point() else weight.dtype == own.dtype
    if not fits:
        held, needed = (str(of.dtype).removeprefix("torch.") for of in (weight, own))
        raise CheckpointError(f"{name}: the weight {key} is of the type {held}, where {needed} is needed")
    converted = weight.to(own.dtype)
    if not converted.isfinite().all():  # after the conversion: a float64 may be too large for a float32
        raise CheckpointError(f"{name}: the weight {key} holds values that are not finite; take another checkpoint")
    return converted


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
            if first is not None and are_equal(first, kept[name]):
                del kept[name]
    return kept


def widen_kernels(weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights whose 2-D kernels, as VAC and TLP have them, have the network's five axes."""
    widened = dict(weights)
    for name, weight in weights.items():
        shape = own[name].shape if name in own else ()
        if weight.ndim == 4 and len(shape) == 5 and shape[2] == 1:
            widened[name] = weight.unsqueeze(2)  # (C', C, 1, k, k)
    return widened


def refuse_foreign_system(weights: Mapping[str, Tensor], name: str) -> None:
    """Raise CheckpointError if weights are of a known system that is not of this family; `name` is their file."""
    system = detect_foreign_system(weights)
    if system is not None:
        raise CheckpointError(
            f"{name} holds the weights of {system}, which is not supported; weights of VAC, SMKD, TLP, CorrNet and "
            "MSTFNet are"
        )
