"""The file of a checkpoint: read whole or not at all, without running anything in it, and without endless work."""

from __future__ import annotations

import pickle
import re
import stat
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from utils.errors import InputError
from utils.plain_pickle import PLAIN_NAMES

LAST, BEST = "last.pt", "best.pt"
"""The names of a run's checkpoints: of its last epoch, and of the one with the lowest WER on dev."""
PLAIN_TYPES: list[Any] = [
    *((meaning, name) for name, meaning in PLAIN_NAMES.items()),
    # PyTorch also asks for the class of each number format: of random states, and of numbers such as a WER.
    *{type(np.dtype(code)) for code in "?bhilqBHILQefd"},
]
"""What a checkpoint may hold besides tensors and plain containers."""


class CheckpointError(InputError, ValueError):
    """A checkpoint cannot be read or does not fit the network."""


def read_checkpoint_file(path: str | Path) -> Any:
    """Read what a file of PyTorch holds onto the CPU; nothing in it is executed.

    Raises:
        CheckpointError: no such file, truncated, not of PyTorch, or it holds more than tensors and plain values.
    """
    check_regular_file(path)
    if Path(path).suffix == ".safetensors":
        raise CheckpointError(f"{path} holds weights alone: name the folder that it is in, {Path(path).parent}")
    if Path(path).suffix.lower() == ".onnx":
        raise CheckpointError(
            f"{path} is an exported network, which test_one_video.py reads: name the checkpoint that it was made from"
        )
    damage = _find_damage(path)
    if damage:
        raise CheckpointError(f"{path} is damaged: {damage}; take another checkpoint")
    try:
        with torch.serialization.safe_globals(PLAIN_TYPES), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch warns of foreign formats before it refuses them
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"the checkpoint {path} cannot be read: {error}") from error
    except Exception as error:  # a damaged file can make its reader raise anything
        raise CheckpointError(f"{path} is refused, and nothing in it was run: {explain_refusal(error)}") from error


def check_regular_file(path: str | Path) -> None:
    """Raise CheckpointError unless this is a file: a pipe or a device could be read for ever."""
    try:
        mode = Path(path).stat().st_mode
    except FileNotFoundError:
        raise CheckpointError(f"there is no checkpoint {path}") from None
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        raise CheckpointError(f"the checkpoint {str(path)!r} cannot be read: {error}") from error
    if stat.S_ISDIR(mode):
        raise CheckpointError(f"{path} is a folder, not a checkpoint: name a file in it, such as best.pt")
    if not stat.S_ISREG(mode):
        raise CheckpointError(f"{path} is a pipe or a device, not the file of a checkpoint")


def _find_damage(path: str | Path) -> str:
    """What is wrong with a zip archive as PyTorch writes them, which PyTorch does not check; else nothing.

    A flipped bit in a weight would go unnoticed, and an archive that unpacks to a thousand times its size would fill
    the memory.
    """
    try:
        if not zipfile.is_zipfile(path):
            return ""
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
            if unpacked > Path(path).stat().st_size:
                return f"it unpacks to {unpacked:,} bytes, more than it has, and PyTorch packs nothing"
            wrong = archive.testzip()
    except Exception:  # a damaged file can make its reader raise anything
        wrong = "a header"
    return f"the checksum of {wrong} in it is wrong" if wrong else ""


def explain_refusal(error: Exception) -> str:
    """Why a file was refused, without PyTorch's advice to read it unsafely."""
    wanted = re.search(r"GLOBAL (\S+)", str(error))
    if wanted:
        return f"it asks for {wanted[1]}, which is neither a tensor nor a plain value, so reading it could run code"
    first = str(error).split(". ", maxsplit=1)[0][:200] or "it ends too early"
    detail = "" if isinstance(error, pickle.UnpicklingError) else f" ({first})"
    return f"it is truncated, damaged or no checkpoint of PyTorch{detail}"
