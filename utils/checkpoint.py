"""Checkpoints: written whole, read without running code, and weights made elsewhere."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from utils.errors import InputError
from utils.files import atomic_path

RECONSTRUCT = np._core.multiarray._reconstruct if hasattr(np, "_core") else np.core.multiarray._reconstruct
PLAIN_TYPES = [
    Counter,  # of PyTorch's MultiStepLR
    np.ndarray,
    np.dtype,
    (RECONSTRUCT, "numpy.core.multiarray._reconstruct"),  # as numpy 1 calls it ...
    (RECONSTRUCT, "numpy._core.multiarray._reconstruct"),  # ... and numpy 2
    type(np.dtype(np.uint32)),  # of numpy's random state
    type(np.dtype(np.int64)),
    type(np.dtype(np.float64)),
]
"""What a checkpoint may hold besides tensors and plain containers."""


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
    try:
        with torch.serialization.safe_globals(PLAIN_TYPES):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"there is no checkpoint {path}") from None
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} is refused: it is no checkpoint of tensors and plain values, and reading it could run code "
            f"({str(error).splitlines()[0]})"
        ) from error
    except (OSError, RuntimeError, EOFError, KeyError) as error:
        raise CheckpointError(f"{path} cannot be read, it is truncated or no checkpoint: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds {type(content).__name__}, not a dictionary of weights")
    return content


def load_weights(
    model: nn.Module, source: str | Path | Mapping[str, Any], ignore: Iterable[str] = (), name: str = "the weights"
) -> nn.Module:  # fmt: skip
    """Put weights into `model`: this project's checkpoints, or the published ones.

    Args:
        model: an `SLRModel`.
        source: a file, or what one holds: a state dict, or a dictionary with one under `model_state_dict`; a
            component `module` in the names, which data-parallel training leaves there, is taken out.
        ignore: names of weights to leave as they are.
        name: what `source` is called in an error, where it is no file.

    Returns:
        `model`.

    Raises:
        CheckpointError: unreadable, or lists every missing, unexpected and misshapen weight.
    """
    content = source if isinstance(source, Mapping) else load_checkpoint(source)
    weights = content.get("model_state_dict", content)
    weights = {".".join(part for part in name.split(".") if part != "module"): w for name, w in weights.items()}
    weights = drop_unused(weights, model.state_dict())
    ignore = set(ignore)
    own = model.state_dict()
    unknown = sorted(ignore - own.keys())
    if unknown:
        raise CheckpointError(f"ignore_weights names weights that the network does not have: {', '.join(unknown)}")
    missing = sorted(own.keys() - weights.keys() - ignore)
    unexpected = sorted(weights.keys() - own.keys() - ignore)
    misshapen = [
        f"{name}: {tuple(weights[name].shape)} in the file, {tuple(own[name].shape)} in the network"
        for name in sorted(own.keys() & weights.keys() - ignore)
        if weights[name].shape != own[name].shape
    ]
    if missing or unexpected or misshapen:
        problems = [f"{name if isinstance(source, Mapping) else source} and the network do not fit"]
        problems += [f"missing: {', '.join(missing)}"] * bool(missing)
        problems += [f"unexpected: {', '.join(unexpected)}"] * bool(unexpected)
        problems += [f"misshapen: {'; '.join(misshapen)}"] * bool(misshapen)
        raise CheckpointError("\n  ".join(problems))
    model.load_state_dict({name: w for name, w in weights.items() if name not in ignore}, strict=False)
    return model


def check_glosses(content: Mapping[str, Any], path: str | Path, glosses: Sequence[str]) -> None:
    """Raise CheckpointError if the checkpoint carries other glosses than these, or in another order."""
    held = content.get("glosses")
    if held is None or list(held) == list(glosses):
        return
    only_there, only_here = sorted(set(held) - set(glosses)), sorted(set(glosses) - set(held))
    raise CheckpointError(
        f"{path} was trained on another dictionary: {len(held)} glosses there, {len(glosses)} in the prepared corpus"
        f"{difference('there alone', only_there)}{difference('here alone', only_here)}; use the prepared folder "
        "that it was trained on, or prepare the corpus again"
    )


def difference(label: str, glosses: Sequence[str]) -> str:
    """ "; label: A, B, ..." or nothing."""
    return f"; {label}: {', '.join(glosses[:5])}{', ...' if len(glosses) > 5 else ''}" if glosses else ""


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
