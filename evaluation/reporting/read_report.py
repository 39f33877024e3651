"""Reading `report.json` back, to compare runs and for model cards; it may have been edited, so all of it is checked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from evaluation.ctm import fold_case
from evaluation.wer_result import SentenceCounts
from utils.errors import InputError, ParseError
from utils.plain_json import read_json
from utils.text import plural, quote_value, shorten
from utils.unicode import to_nfc

FORMAT = 1
"""To be raised when a key changes its meaning, so that older reports are refused and not misread."""
FILE_NAME = "report.json"

Text = Annotated[str, Field(strict=True, min_length=1)]


@dataclass(frozen=True)
class Sentence:
    """A sentence of a report that was read.

    Attributes:
        id: the name of the clip.
        signer: the person who signs in it.
        alignment: (op, reference gloss, recognised gloss), as `evaluation.wer.align_glosses` gives it.
    """

    id: Text
    signer: Text
    alignment: tuple[tuple[Literal["C", "S", "D", "I"], Text | None, Text | None], ...]

    def __post_init__(self) -> None:
        for op, gloss, read in self.alignment:
            if _contradicts(op, gloss, read):
                raise ValueError(f"{quote_value(self.id)}: {op} contradicts {quote_value(gloss)}, {quote_value(read)}")

    @property
    def reference(self) -> tuple[str, ...]:
        """The glosses signed."""
        return tuple(gloss for _, gloss, _ in self.alignment if gloss is not None)

    @property
    def counts(self) -> SentenceCounts:
        """The counts of the alignment."""
        return SentenceCounts.from_alignment(self.id, self.signer, self.alignment)

    @property
    def errors(self) -> int:
        """S + D + I."""
        return self.counts.errors


@dataclass(frozen=True)
class Split:
    """A split of a report that was read: how it was scored, and its sentences."""

    normalise: Text
    merge_repeats: Annotated[bool, Field(strict=True)]
    sentences: tuple[Sentence, ...]

    def __post_init__(self) -> None:
        twice = [name for name, count in Counter(of.id for of in self.sentences).items() if count > 1]
        if twice:
            raise ValueError(f"sentences that are there twice: {shorten(map(quote_value, twice))}")

    @property
    def counts(self) -> tuple[SentenceCounts, ...]:
        """The counts of every sentence."""
        return tuple(sentence.counts for sentence in self.sentences)


@dataclass(frozen=True)
class Report:
    """What comparing needs of a report that was read, and what tells whose it is."""

    run: str
    config: dict[str, Any]
    weights: str | None
    splits: dict[str, Split]
    history: tuple[dict[str, Any], ...] = ()


def _contradicts(op: str, gloss: str | None, read: str | None) -> bool:
    """Whether an operation cannot be what aligned these two glosses, of which None stands for no gloss."""
    if gloss is None or read is None:
        return op != ("D" if gloss is not None else "I" if read is not None else "")
    # Two spellings of one gloss in Unicode may be either: earlier versions counted them as a substitution.
    if op == "C":
        return fold_case(to_nfc(gloss)) != fold_case(to_nfc(read))
    return op != "S" or fold_case(gloss) == fold_case(read)


def read_report(path: str | Path) -> Report:
    """Read the report in a file, or in a run folder.

    Args:
        path: the file or the folder.

    Raises:
        InputError: it is not there, not a report, or of another format; the message names the file.
    """
    file = Path(path) / FILE_NAME if Path(path).is_dir() else Path(path)
    try:
        content = read_json(file)
    except FileNotFoundError:
        raise InputError(f"there is no report {file}; evaluating a run writes one into its folder") from None
    except ParseError as error:
        raise InputError(f"this is not a report: {error}") from None
    if not isinstance(content, dict) or "format" not in content:
        raise InputError(f"{file} is not a report: it has no `format`")
    if content["format"] != FORMAT:
        found = quote_value(content["format"])
        raise InputError(f"{file} has format {found}, expected {FORMAT}; evaluate the run again")
    try:
        return TypeAdapter(Report).validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))[:200]
        said = first["ctx"]["error"] if first["type"] == "value_error" else first["msg"].lower()
        raise InputError(
            f"{file} is not a report: {where}: {said} ({plural(error.error_count(), 'mistake')})"
        ) from None
