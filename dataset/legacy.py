"""Gloss dictionaries in the formats that are about: this project's, and the `gloss_dict.npy` of earlier systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dataset.vocabulary import BLANK_ID, Vocabulary, VocabularyError
from utils.legacy_pickle import load_legacy_npy

SHOWN = 5


def load_dictionary(path: str | Path) -> Vocabulary:
    """Read a gloss dictionary.

    Args:
        path: `gloss_dict.txt` or a JSON list, as `Vocabulary.load` reads them; or a legacy `.npy` file, a pickled
            dictionary gloss -> [id, count] with ids from 1.

    Raises:
        VocabularyError: it cannot be read as one of these, or its ids are not 1 to their number.
        LegacyFileError: the `.npy` file cannot be read, or would run code.
    """
    path = Path(path)
    if path.suffix.lower() != ".npy":
        return Vocabulary.load(path)
    content = load_legacy_npy(path)
    if not isinstance(content, Mapping):
        raise VocabularyError(
            f"{path} holds {type(content).__name__}, not a dictionary gloss -> [id, count]: is it the gloss_dict.npy?"
        )
    ids = {gloss: gloss_id(path, gloss, entry) for gloss, entry in content.items()}
    check_ids(path, ids)
    return Vocabulary(sorted(ids, key=ids.__getitem__), source=str(path))


def gloss_id(path: Path, gloss: Any, entry: Any) -> int:
    """The id in an entry, which is the first of a list or stands alone."""
    number = entry[0] if isinstance(entry, Sequence) and not isinstance(entry, str) and entry else entry
    if not isinstance(gloss, str) or not isinstance(number, int) or isinstance(number, bool):
        raise VocabularyError(f"{path}: {gloss!r}: {entry!r} is not gloss: [id, count]; is it the gloss_dict.npy?")
    return number


def check_ids(path: Path, ids: Mapping[str, int]) -> None:
    """Raise VocabularyError unless the ids are 1, 2, ... without gaps or repetitions."""
    expected, found = set(range(BLANK_ID + 1, len(ids) + 1)), set(ids.values())
    if found == expected:
        return
    repeated = sorted({number for number in found if list(ids.values()).count(number) > 1})
    problems = []
    for label, numbers in (
        ("missing", sorted(expected - found)),
        ("too low or too high", sorted(found - expected)),
        ("given twice", repeated),
    ):
        listed = f"{', '.join(map(str, numbers[:SHOWN]))}{', ...' if len(numbers) > SHOWN else ''}"
        problems += [f"{label}: {listed}"] * bool(numbers)
    raise VocabularyError(
        f"{path}: the ids of its {len(ids)} glosses must be 1 to {len(ids)}, {BLANK_ID} being the blank; "
        f"{'; '.join(problems)}. Use the dictionary that the network was trained with as it was written"
    )
