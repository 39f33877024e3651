"""The posteriors of dev in a run's folder, so that a second tuning need not recognise it again.

A file of numpy without pickles. It holds a record of what computed the posteriors, and is used only where the same
record would be written today.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.ctc.posteriors import SUM_TOLERANCE
from evaluation.tuning.kept_posteriors import BLANK, KeptPosteriors, count_kept
from utils.errors import ParseError
from utils.files import atomic_path
from utils.plain_json import parse_json

ARRAYS = {"blank": np.float32, "glosses": np.float32, "classes": np.int32, "rest": np.float32}
SOURCE = "source"
MOST_OF_SOURCE = 2**20
HEADER = 1024
"""Bytes: of the record at most, and of what numpy writes before an array."""
DAMAGES = (
    OSError, ValueError, KeyError, EOFError, TypeError, RuntimeError, NotImplementedError, MemoryError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What zipfile, zlib and numpy raise on damaged files."""


class StalePosteriorsError(ParseError):
    """The file holds posteriors that something else computed."""


def write_posteriors(path: Path, posteriors: KeptPosteriors, source: Mapping[str, Any]) -> None:
    """Write the posteriors of a split, whole or not at all.

    Args:
        path: the file, named .npz.
        posteriors: what is kept of them.
        source: what computed them, in plain values.
    """
    arrays: dict[str, Any] = {name: getattr(posteriors, name) for name in ARRAYS}
    arrays[SOURCE] = np.frombuffer(json.dumps(source).encode(), np.uint8)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def read_posteriors(
    path: Path, source: Mapping[str, Any], steps: Sequence[int], num_classes: int, members: int = 1
) -> KeptPosteriors:  # fmt: skip
    """Read the posteriors of a split.

    Args:
        path: the file.
        source: what would compute them today.
        steps: the number of output steps of each clip.
        num_classes: V, the glosses and the blank.
        members: the number of networks that read together.

    Raises:
        FileNotFoundError: there is no such file.
        StalePosteriorsError: something else has computed them; says what differs.
        ParseError: the file is damaged, or no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}")
    N, K = members * sum(steps), count_kept(num_classes, members)
    shapes = {name: (N, K) if name in {"glosses", "classes"} else (N,) for name in ARRAYS}
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {entry.filename.removesuffix(".npy"): entry.file_size for entry in archive.infolist()}
        # What is unpacked is bounded: a small file could fill the memory.
        _check_sizes(sizes, {SOURCE: MOST_OF_SOURCE})
        with np.load(path, allow_pickle=False) as content:
            _check_source(content[SOURCE].tobytes().decode(), source, path)
            _check_sizes(sizes, {name: 4 * int(np.prod(shape)) + HEADER for name, shape in shapes.items()})
            arrays = {name: content[name] for name in ARRAYS}
    except ParseError:
        raise
    except DAMAGES as error:
        raise ParseError(f"{path} is damaged ({error})") from error
    for name, kind in ARRAYS.items():
        if arrays[name].dtype != kind or arrays[name].shape != shapes[name]:
            raise ParseError(f"{path} is damaged ({name} is {arrays[name].dtype} {arrays[name].shape})")
    posteriors = KeptPosteriors(**arrays, steps=np.array(steps, np.int64), num_classes=num_classes, members=members)
    _check_values(posteriors, path)
    return posteriors


def _check_sizes(sizes: Mapping[str, int], most: Mapping[str, int]) -> None:
    """Raise ValueError if one of the entries `most` is not there, or unpacks to more bytes than that."""
    for name, limit in most.items():
        if not 0 <= sizes.get(name, -1) <= limit:
            raise ValueError(f"{name} is missing or too large")


def _check_source(text: str, source: Mapping[str, Any], path: Path) -> None:
    held = parse_json(text, str(path))
    wanted = json.loads(json.dumps(source))
    if held != wanted:
        of_file = held if isinstance(held, dict) else {}
        differing = [name for name in wanted if of_file.get(name) != wanted[name]] or ["something else"]
        raise StalePosteriorsError(f"{path} is of another {', another '.join(differing)}")


def _check_values(posteriors: KeptPosteriors, path: Path) -> None:
    """Raise ParseError unless every step is a distribution over classes that there are, each of them once."""
    classes = np.sort(posteriors.classes, axis=1)
    V = posteriors.num_classes
    known = classes.min() >= 0 and classes.max() < V and (classes != BLANK).all() and (np.diff(classes) > 0).all()
    values = [posteriors.blank, posteriors.rest, posteriors.glosses]
    is_sane = all(np.isfinite(array).all() and array.min() >= 0 for array in values)
    others = V - 1 - classes.shape[1]
    sums = posteriors.blank.astype(np.float64) + others * posteriors.rest + posteriors.glosses.sum(1, dtype=np.float64)
    if not (known and is_sane and (np.abs(sums - 1) <= SUM_TOLERANCE).all()):
        raise ParseError(f"{path} is damaged: a step in it is no distribution of classes")
