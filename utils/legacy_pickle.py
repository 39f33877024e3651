"""Pickled `.npy` files of earlier systems, read without running what is in them."""

from __future__ import annotations

import pickle
import re
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from utils.errors import InputError

MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")  # as numpy 1 calls it, and numpy 2


class LegacyFileError(InputError, ValueError):
    """A `.npy` file cannot be read, or asks for more than plain values."""


def empty_array(*_: Any) -> np.ndarray:
    """What numpy starts an array from, whatever the file says; its state follows."""
    return np.empty(0, np.int8)


def plain_type(name: str, *_: Any) -> np.dtype:
    """Type of numbers, texts or objects; no others."""
    if not isinstance(name, str) or not re.fullmatch(r"[biufcSUO]\d+", name):
        raise pickle.UnpicklingError(f"arrays of type {name!r}")
    return np.dtype(name)


def plain_scalar(dtype: np.dtype, data: bytes) -> Any:
    """One number or text of numpy's, as Python's."""
    return np.frombuffer(data, dtype)[0].item()


def latin1(text: str, encoding: str) -> bytes:
    """How old pickles spell bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"the encoding {encoding!r}")
    return text.encode("latin1")


ADMITTED = {
    ("numpy", "ndarray"): None,  # is only handed to `empty_array`
    ("numpy", "dtype"): plain_type,
    **{(module, "_reconstruct"): empty_array for module in MULTIARRAY},
    **{(module, "scalar"): plain_scalar for module in MULTIARRAY},
    ("_codecs", "encode"): latin1,
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "Counter"): Counter,
}
"""All that a pickle may name, and what it gets: nothing here reaches beyond plain values."""


class PlainUnpickler(pickle.Unpickler):
    """Builds plain containers, numbers, texts and numpy's arrays of them."""

    def find_class(self, module: str, name: str) -> Any:
        """What stands for `module.name` in the pickle."""
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return ADMITTED[module, name]


def load_legacy_npy(path: str | Path) -> Any:
    """The content of a `.npy` file as earlier systems wrote theirs: a pickled dictionary, or a plain array.

    Nothing in the file is executed; `numpy.load` with `allow_pickle` would execute it.

    Returns:
        what `numpy.save` was given; an object array of no dimensions is unwrapped.

    Raises:
        LegacyFileError: no such file, not a `.npy` file, damaged, or it asks for anything but plain values.
    """
    try:
        with Path(path).open("rb") as file:
            content = read_array(file)
    except FileNotFoundError:
        raise LegacyFileError(f"there is no file {path}") from None
    except OSError as error:
        raise LegacyFileError(f"{path} cannot be read: {error}") from error
    except pickle.UnpicklingError as error:
        raise LegacyFileError(
            f"{path} is refused, and nothing in it was run: it is damaged, or holds more than plain values ({error})"
        ) from error
    except Exception as error:  # a damaged file can make its reader raise anything
        raise LegacyFileError(f"{path} is damaged or no .npy file: {error or type(error).__name__}") from error
    return content.item() if isinstance(content, np.ndarray) and content.shape == () else content


def read_array(file: BinaryIO) -> Any:
    """The array in an open `.npy` file."""
    version = np.lib.format.read_magic(file)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    dtype = header(file)[2]
    if dtype.hasobject:
        return PlainUnpickler(file).load()
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)
