"""The glosses a network can read, and their ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from utils.errors import InputError, ParseError
from utils.files import read_text, write_text
from utils.plain_json import read_json
from utils.text import list_first, quote_path
from utils.unicode import to_nfc

BLANK_ID = 0
"""Id of the CTC blank; the glosses follow from 1."""
DICTIONARY = "gloss_dict.txt"
"""The name of the gloss dictionary in the folder of a prepared corpus."""
MOST_BYTES = 64 * 2**20
"""The size of a dictionary that no language has."""


class VocabularyError(InputError, ValueError):
    """A list of glosses that cannot serve as a dictionary, or a label that holds glosses which it lacks."""


@dataclass(frozen=True, init=False)
class Vocabulary:
    """An immutable gloss dictionary: gloss number i of `glosses` has id i + 1, and id 0 is the CTC blank.

    Its glosses are in Unicode's form NFC. A dictionary that was made without that can hold one gloss in two forms: both
    ids then mean it, and labels get the first, so that the network keeps its outputs.

    Args:
        glosses: the glosses in id order: at least one, each unique, not empty and without white space.
        source: the file that they come from, for messages; two dictionaries are equal without it.

    Attributes:
        glosses: the glosses in NFC.
        stored: the glosses as they were given, which is how files keep them.

    Raises:
        VocabularyError: one or more glosses are empty, blank, repeated or hold white space.
    """

    glosses: tuple[str, ...]
    source: str = field(default="the gloss dictionary", compare=False)
    stored: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _ids: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __init__(self, glosses: Sequence[str], source: str = "the gloss dictionary") -> None:
        _check_glosses(glosses, source)
        object.__setattr__(self, "glosses", tuple(map(to_nfc, glosses)))
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "stored", tuple(glosses))
        ids: dict[str, int] = {}
        for index, gloss in enumerate(self.glosses, start=BLANK_ID + 1):
            ids.setdefault(gloss, index)
        object.__setattr__(self, "_ids", ids)

    def __len__(self) -> int:
        """The number of ids, the blank not counted."""
        return len(self.glosses)

    def __contains__(self, gloss: object) -> bool:
        return isinstance(gloss, str) and to_nfc(gloss) in self._ids

    @property
    def num_classes(self) -> int:
        """The number of outputs a classifier needs: the glosses and the blank."""
        return len(self.glosses) + 1

    def encode(self, glosses: Iterable[str]) -> list[int]:
        """Turn glosses into their ids, each in 1..len(self).

        Raises:
            VocabularyError: the dictionary lacks some of them; the message names ten.
        """
        glosses = list(map(to_nfc, glosses))
        unknown = [gloss for gloss in dict.fromkeys(glosses) if gloss not in self._ids]
        if unknown:
            named = ", ".join(list_first(unknown))
            raise VocabularyError(
                f"not among the {len(self)} glosses of {self.source}: {named}. Labels and dictionary must "
                "come from one preparation: run `python -m preprocess.prepare` again for this corpus, or name the "
                "dictionary that was written beside these labels"
            )
        return [self._ids[gloss] for gloss in glosses]

    def decode(self, ids: Iterable[int]) -> tuple[str, ...]:
        """Turn ids into their glosses.

        Raises:
            VocabularyError: an id is the blank or not in 1..len(self).
        """
        ids = [int(number) for number in ids]
        wrong = [number for number in ids if not BLANK_ID < number <= len(self)]
        if wrong:
            named = ", ".join(list_first(list(map(str, wrong))))
            raise VocabularyError(
                f"ids without a gloss in {self.source}: [{named}]; its glosses have ids 1 to {len(self)} and "
                f"{BLANK_ID} is the blank. The network and the dictionary must come from one training"
            )
        return tuple(self.glosses[number - 1] for number in ids)

    @classmethod
    def load(cls, path: str | Path) -> Vocabulary:
        """Read a dictionary: one gloss a line in id order (UTF-8), or a JSON list of glosses if it ends in `.json`.

        Raises:
            VocabularyError: the file is missing, not UTF-8, no list of glosses, or a gloss is invalid.
        """
        path = Path(path)
        try:
            if path.suffix.lower() == ".json":
                return cls(_check_json_list(path, read_json(path)), source=str(path))
            text = read_text(path, MOST_BYTES)
        except FileNotFoundError as error:
            raise VocabularyError(
                f"no gloss dictionary at {path}: `python -m preprocess.prepare --dataset NAME` writes gloss_dict.txt"
            ) from error
        except ParseError as error:
            raise VocabularyError(f"the gloss dictionary cannot be read: {error}") from error
        # Not splitlines, which would also split a gloss at rarer characters that end lines.
        lines = text.split("\n")
        return cls(lines[:-1] if lines[-1] == "" else lines, source=str(path))

    def save(self, path: str | Path) -> None:
        """Write the glosses to `path`, one a line in id order, as UTF-8."""
        write_text(path, "".join(f"{gloss}\n" for gloss in self.stored))


def load_vocabulary(prepared: str | Path, dataset: str, dataset_root: str | Path) -> Vocabulary:
    """Read the gloss dictionary of a prepared corpus.

    Args:
        prepared: the folder that `preprocess.prepare` wrote.
        dataset: the name of the corpus, for the advice where it is not prepared.
        dataset_root: the folder that the corpus should be linked to, for that advice too.

    Raises:
        ManifestError: there is no prepared corpus; says what to link and what to run.
        VocabularyError: the dictionary cannot be read.
    """
    from dataset.manifest import ManifestError  # noqa: PLC0415  a vocabulary in memory needs no pydantic

    if not Path(prepared).is_dir():
        link = ""
        if not Path(dataset_root).is_dir():
            link = f"link the corpus first (`ln -s WHERE_IT_LIES {quote_path(dataset_root)}`), then "
        raise ManifestError(
            f"{dataset} is not prepared: there is no folder {prepared}; {link}run `python -m preprocess.prepare "
            f"--dataset {dataset} --dataset-root {quote_path(dataset_root)} --output {quote_path(prepared)} "
            "--process-image`"
        )
    return Vocabulary.load(Path(prepared) / DICTIONARY)


def _check_json_list(path: Path, glosses: Any) -> list[str]:
    if not isinstance(glosses, list) or not all(isinstance(gloss, str) for gloss in glosses):
        raise VocabularyError(f'{path} must hold one JSON list of strings, the glosses in id order: ["ABEND", ...]')
    return glosses


def _check_glosses(glosses: Sequence[str], source: str) -> None:
    if isinstance(glosses, str):
        raise VocabularyError(f"{source}: the glosses must be a sequence of strings, not the one string {glosses!r}")
    if not glosses:
        raise VocabularyError(f"{source} holds no gloss")
    problems = []
    first_line: dict[str, int] = {}
    for line, gloss in enumerate(glosses, start=1):
        if not gloss.strip():
            problems.append(f"line {line} is empty")
        elif len(gloss.split()) > 1 or gloss != gloss.strip():
            problems.append(f"line {line}: {gloss!r} holds white space")
        elif gloss in first_line:
            problems.append(f"line {line}: {gloss!r} is already on line {first_line[gloss]}")
        first_line.setdefault(gloss, line)
    if problems:
        raise VocabularyError(f"{source} is no dictionary of one gloss a line: {'; '.join(list_first(problems))}")
