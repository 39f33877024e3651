"""Files of earlier systems: `gloss_dict.npy` and other pickled `.npy` files, read without running what is in them."""

from __future__ import annotations

import os
import pickle
import pickletools
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from dataset.vocabulary import BLANK_ID, Vocabulary, VocabularyError
from utils.errors import InputError
from utils.plain_pickle import NUMPY_FUNCTIONS, PLAIN_NAMES, find_excess
from utils.text import quote_value, shorten


def load_dictionary(path: str | Path) -> Vocabulary:
    """Read a gloss dictionary, of this project or of an earlier system.

    Args:
        path: `gloss_dict.txt` or a JSON list, as `Vocabulary.load` reads them; or a `.npy` file of an earlier system,
            a pickled dictionary gloss -> [id, count] with ids from 1.

    Raises:
        VocabularyError: the file cannot be read as one of these, or its ids are not 1 to their number.
        InputError: the `.npy` file cannot be read, or would run code.
    """
    path = Path(path)
    if path.suffix.lower() != ".npy":
        return Vocabulary.load(path)
    content = load_legacy_npy(path)
    if not isinstance(content, Mapping):
        raise VocabularyError(
            f"{path} holds {type(content).__name__}, not a dictionary gloss -> [id, count]: is it the gloss_dict.npy?"
        )
    ids = {gloss: _read_id(path, gloss, entry) for gloss, entry in content.items()}
    _check_ids(path, ids)
    # Sorted by id: the dictionary's own order can be another one, and a network's outputs follow the ids.
    return Vocabulary(sorted(ids, key=ids.__getitem__), source=str(path))


def load_legacy_npy(path: str | Path) -> Any:
    """Read a `.npy` file as earlier systems wrote theirs: a pickled dictionary, or a plain array.

    Nothing in the file is executed; `numpy.load` with `allow_pickle` would execute it.

    Returns:
        what `numpy.save` was given; an object array of no dimensions is unwrapped.

    Raises:
        InputError: no such file, not a `.npy` file, damaged, or it asks for anything but plain values.
    """
    if Path(path).exists() and not Path(path).is_file():
        raise InputError(f"{path} cannot be read: it is a folder, a pipe or a device")
    try:
        with Path(path).open("rb") as file:
            content = _read_array(file)
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path} is refused, and nothing in it was run: it is damaged, or holds more than plain values ({error})"
        ) from error
    except Exception as error:  # a damaged file can make its reader raise anything
        raise InputError(f"{path} is damaged or no .npy file: {error or type(error).__name__}") from error
    problem = find_excess(content)
    if problem:
        raise InputError(f"{path} is refused: {problem}")
    return content.item() if isinstance(content, np.ndarray) and content.shape == () else content


def _read_id(path: Path, gloss: Any, entry: Any) -> int:
    """Read the id in a dictionary's entry, where it is the first of a list or stands alone."""
    number = entry[0] if isinstance(entry, Sequence) and not isinstance(entry, str) and entry else entry
    if not isinstance(gloss, str) or not isinstance(number, int) or isinstance(number, bool):
        found = f"{quote_value(gloss)}: {quote_value(entry)}"
        raise VocabularyError(f"{path}: {found} is not gloss: [id, count]; is it the gloss_dict.npy?")
    return number


def _check_ids(path: Path, ids: Mapping[str, int]) -> None:
    """Raise VocabularyError unless the ids are 1, 2, ... without gaps or repetitions."""
    expected, found = set(range(BLANK_ID + 1, len(ids) + 1)), set(ids.values())
    if found == expected:
        return
    times = Counter(ids.values())
    problems = [
        f"{label}: {shorten(map(str, sorted(numbers)))}"
        for label, numbers in (
            ("missing", expected - found),
            ("too low or too high", found - expected),
            ("given twice", {number for number in found if times[number] > 1}),
        )
        if numbers
    ]
    raise VocabularyError(
        f"{path}: the ids of its {len(ids)} glosses must be 1 to {len(ids)}, {BLANK_ID} being the blank; "
        f"{'; '.join(problems)}. Use the dictionary that the network was trained with as it was written"
    )


class PlainType:
    """Stands for a numpy type of numbers, texts or objects; a pickle can set its byte order and nothing else."""

    def __init__(self, name: str, *_: Any) -> None:
        if not isinstance(name, str) or not re.fullmatch(r"[biufcSUO]\d{1,5}", name):
            raise pickle.UnpicklingError(f"arrays of type {name!r}")
        self.type = np.dtype(name)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        # The rest of the state is left out on purpose: a size set there would let an array read behind its data.
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
            # Item by item: given a list of lists, numpy would make an array of more dimensions out of it.
            flat = np.empty(len(data), object)
            for place, item in enumerate(data):
                flat[place] = item
        else:
            flat = np.frombuffer(data, plain.type)
        self.value = flat.reshape(shape, order="F" if fortran else "C")


class Maker:
    """What a pickle gets for a name: it can be called, but not be changed as a class or function could."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[..., Any]) -> None:
        self.make = make

    def __call__(self, *arguments: Any) -> Any:
        return self.make(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("a change to the program that reads it")


def _make_number(plain: PlainType, data: bytes) -> Any:
    """Make one number or text of numpy's, as Python's own."""
    return np.frombuffer(data, plain.type)[0].item()


def _encode_latin1(text: str, encoding: str) -> bytes:
    """Make the bytes that pickles of protocol 2 and older spell as a text."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"the encoding {encoding!r}")
    return text.encode("latin1")


STAND_INS = {
    np.ndarray: None,  # a pickle only hands it on to the maker of arrays, which does not look at it
    np.dtype: Maker(PlainType),
    NUMPY_FUNCTIONS._reconstruct: Maker(PlainArray),
    NUMPY_FUNCTIONS.scalar: Maker(_make_number),
    Counter: Maker(dict),
}
"""What a pickle gets for each thing that it may name: numpy's own functions trust what they are given too much."""

ADMITTED = {
    **{tuple(name.rsplit(".", 1)): STAND_INS[meaning] for name, meaning in PLAIN_NAMES.items()},
    # PyTorch admits these two by itself, so the common list lacks them.
    ("_codecs", "encode"): Maker(_encode_latin1),
    ("collections", "OrderedDict"): Maker(dict),
}


class PlainUnpickler(pickle.Unpickler):
    """Builds plain containers, numbers, texts and numpy's arrays of them, and refuses all else."""

    def find_class(self, module: str, name: str) -> Any:
        """Give what stands for `module.name` of the pickle."""
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return ADMITTED[module, name]


def _read_array(file: BinaryIO) -> Any:
    """Read the array in an open `.npy` file."""
    version = np.lib.format.read_magic(file)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    dtype = header(file)[2]
    if dtype.hasobject:
        _check_memo(file)
        return _replace_stand_ins(PlainUnpickler(file).load(), {})
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def _check_memo(file: BinaryIO) -> None:
    """Raise UnpicklingError if the pickle at this place numbers a value beyond its length.

    Python's reader makes room for as many values as the highest number says, whatever memory that needs.
    """
    begin = file.tell()
    length = file.seek(0, os.SEEK_END) - begin
    file.seek(begin)
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name in {"PUT", "BINPUT", "LONG_BINPUT"} and int(argument or 0) > length:
            raise pickle.UnpicklingError(f"{argument:,} values in {length:,} bytes")
    file.seek(begin)


def _replace_stand_ins(value: Any, done: dict[int, Any]) -> Any:
    """Put real arrays in the place of each `PlainArray` in a value, at any depth.

    Args:
        value: what a pickle holds.
        done: what became of each container, by its identity: one that stands in many places is followed once.
    """
    if not isinstance(value, (PlainArray, dict, list, tuple)):
        return value
    if id(value) not in done:
        done[id(value)] = _replace_inner(value, done)
    return done[id(value)]


def _replace_inner(value: Any, done: dict[int, Any]) -> Any:
    if isinstance(value, PlainArray):
        array = value.value
        if not array.dtype.hasobject:
            return array
        flat = np.empty(array.size, object)
        for place, item in enumerate(array.flat):
            flat[place] = _replace_stand_ins(item, done)
        return flat.reshape(array.shape)
    if isinstance(value, dict):
        return {_replace_stand_ins(key, done): _replace_stand_ins(item, done) for key, item in value.items()}
    return type(value)(_replace_stand_ins(item, done) for item in value)
