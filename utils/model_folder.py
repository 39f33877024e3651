"""The folder in which a network is shared: its weights without a pickle, and all else as text that a person can read.

`engine.export --format safetensors` writes it; read, it is what a checkpoint is (`utils.checkpoint`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from safetensors import safe_open
from torch import Tensor

from utils.checkpoint_file import CheckpointError, check_regular_file
from utils.errors import ParseError
from utils.files import plain_path, read_text
from utils.plain_json import parse_json
from utils.plain_yaml import read_yaml

WEIGHTS, CONFIG, GLOSSES, RECOGNITION = "model.safetensors", "config.yaml", "glosses.txt", "recognition.json"
FILES = (WEIGHTS, CONFIG, GLOSSES, RECOGNITION)
"""What a model folder must hold."""
CARD = "README.md"
"""The card, which people read and no program."""

FORMAT = 1
"""To be raised when a key of `recognition.json` changes its meaning."""
DIGEST = "sha256"
"""The key of `recognition.json` for what `compute_digest` gives: a file of safetensors has no checksum."""
CARRIED = ("frame_size", "frame_rate", "rendered", "calibration", "train_state", "precision")
"""The entries of a checkpoint that `recognition.json` may hold."""

MOST_HEADER = 4 * 2**20
MOST_TEXT = 64 * 2**20
"""Bytes of a header and of a text that no honest model folder has."""

Read = TypeVar("Read")


def is_model_folder(path: str | Path) -> bool:
    """Whether this is a folder with at least one of the files that only a model folder has."""
    # Not by Path, which raises an error for some names that no file can have.
    return any(os.path.isfile(os.path.join(path, name)) for name in (WEIGHTS, RECOGNITION))  # noqa: PTH113, PTH118


def read_model_folder(folder: str | Path, name: str | Path) -> dict[Any, Any]:
    """Read a model folder onto the CPU, as what a checkpoint holds.

    Args:
        folder: the folder.
        name: what messages call it.

    Returns:
        `model_state_dict`, `config`, `glosses`, and those of `CARRIED` that are known.

    Raises:
        CheckpointError: a file is missing, damaged, or does not hold what it should.
    """
    folder = Path(folder)
    missing = [file for file in FILES if not (folder / file).exists()]
    if missing:
        raise CheckpointError(
            f"{name} is no whole model folder, it lacks {', '.join(missing)}: copy or download all of it again"
        )
    held = _read(lambda: parse_json(read_text(folder / RECOGNITION, MOST_TEXT), RECOGNITION), name)
    config = _read(lambda: read_yaml(folder / CONFIG), name)
    text = _read(lambda: read_text(folder / GLOSSES, MOST_TEXT), name)
    if not isinstance(held, Mapping) or held.get("format") != FORMAT:
        raise CheckpointError(
            f"{name}: {RECOGNITION} does not say `format` {FORMAT}; it is damaged, or of a newer version"
        )
    # Named one by one: a file that others wrote must not bring an optimiser or other weights.
    entries = {key: held[key] for key in CARRIED if key in held}
    entries |= {"config": config, "glosses": text.removesuffix("\n").split("\n")}
    weights = read_weights(folder / WEIGHTS, name)
    from utils.checkpoint_content import check_entries  # noqa: PLC0415  as in `utils.checkpoint`

    check_entries({"model_state_dict": weights} | entries, name)
    if held.get(DIGEST) != compute_digest(folder / WEIGHTS, entries["glosses"]):
        raise CheckpointError(
            f"{name}: {WEIGHTS} or {GLOSSES} is not what was exported, since {DIGEST} in {RECOGNITION} is of other "
            "contents; copy or download the folder again, or export the checkpoint again"
        )
    return {"model_state_dict": weights} | entries


def compute_digest(weights: Path, glosses: Sequence[str]) -> str:
    """The SHA-256 of a file of weights and of the glosses after it, which a wrong bit or order changes.

    Of the glosses as they are read: other line ends, which Git may write on Windows, are no other glosses.
    """
    digest = hashlib.sha256()
    with weights.open("rb") as file:
        while part := file.read(2**20):
            digest.update(part)
    digest.update("\n".join(glosses).encode())
    return digest.hexdigest()


def read_weights(path: Path, name: str | Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file onto the CPU.

    Args:
        path: the file.
        name: what messages call the folder that it is in.

    Raises:
        CheckpointError: it cannot be read, is damaged, or holds no tensor.
    """
    check_regular_file(path)
    try:
        with path.open("rb") as file:
            header = int.from_bytes(file.read(8), "little")  # its length comes first
        if header > MOST_HEADER:
            raise CheckpointError(f"{name}: {path.name} is damaged: its header would have {header:,} bytes")
        with plain_path(path) as plain, safe_open(plain, framework="pt") as opened:
            # Copies, since the tensors are views of the file, which somebody may write again.
            weights = {key: opened.get_tensor(key).clone() for key in opened.keys()}  # noqa: SIM118
    except CheckpointError:
        raise
    except Exception as error:  # a damaged file can make its reader raise anything
        raise CheckpointError(f"{name}: {path.name} is truncated or damaged: {str(error)[:200]}") from error
    if not weights:
        raise CheckpointError(f"{name}: {path.name} holds no weights")
    return weights


def _read(read: Callable[[], Read], name: str | Path) -> Read:
    """What `read` gives; its complaint as a CheckpointError that names the folder."""
    try:
        return read()
    except (ParseError, FileNotFoundError) as error:
        raise CheckpointError(f"{name} is damaged or was changed: {error}") from error
