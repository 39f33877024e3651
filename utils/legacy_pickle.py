"""Pickled `.npy` files of earlier systems, read without running what is in them."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from utils.errors import InputError

MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")  # as numpy 1 calls it, and numpy 2


class LegacyFileError(InputError, ValueError):
    """A `.npy` file cannot be read, or asks for more than plain values."""


class PlainType:
    """Stands for a numpy type of numbers, texts or objects; a pickle can set its byte order and nothing else."""

    def __init__(self, name: str, *_: Any) -> None:
        if not isinstance(name, str) or not re.fullmatch(r"[biufcSUO]\d{1,5}", name):
            raise pickle.UnpicklingError(f"arrays of type {name!r}")
        self.type = np.dtype(name)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in ("<", ">"):
            self.type = self.type.newbyteorder(state[1])


class PlainArray:
    """Stands for a numpy array; only its own state, which numpy's checked functions turn into an array, can be set."""

    def __init__(self, *_: Any) -> None:
        self.value: Any = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, plain, fortran, data = state
        if not isinstance(plain, PlainType):
            raise pickle.UnpicklingError(f"arrays of type {plain!r}")
        if plain.type.hasobject:
            flat = np.empty(len(data), object)
            for place, item in enumerate(data):
                flat[place] = item
        else:
            flat = np.frombuffer(data, plain.type)
        self.value = flat.reshape(shape, order="F" if fortran else "C")


class Maker:
    """What a pickle gets for a name: it can be called, and not be changed."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[..., Any]) -> None:
        self.make = make

    def __call__(self, *arguments: Any) -> Any:
        return self.make(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("a change to the program that reads it")


def plain_scalar(plain: PlainType, data: bytes) -> Any:
    """One number or text of numpy's, as Python's."""
    return np.frombuffer(data, plain.type)[0].item()


def latin1(text: str, encoding: str) -> bytes:
    """How old pickles spell bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"the encoding {encoding!r}")
    return text.encode("latin1")


def resolved(value: Any) -> Any:
    """The value with the arrays that `PlainArray` stands for."""
    if isinstance(value, PlainArray):
        array = value.value
        if not array.dtype.hasobject:
            return array
        flat = np.empty(array.size, object)
        for place, item in enumerate(array.flat):
            flat[place] = resolved(item)
        return flat.reshape(array.shape)
    if isinstance(value, dict):
        return {resolved(key): resolved(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(resolved, value))
    return value


ADMITTED = {
    ("numpy", "ndarray"): None,  # is only handed to `PlainArray`
    ("numpy", "dtype"): Maker(PlainType),
    **{(module, "_reconstruct"): Maker(PlainArray) for module in MULTIARRAY},
    **{(module, "scalar"): Maker(plain_scalar) for module in MULTIARRAY},
    ("_codecs", "encode"): Maker(latin1),
    ("collections", "OrderedDict"): Maker(dict),
    ("collections", "Counter"): Maker(dict),
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
        return resolved(PlainUnpickler(file).load())
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)
