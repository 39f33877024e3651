"""CTM and STM files: recognised glosses with their times, and reference glosses with their signers.

The formats are those of NIST's sclite. Whatever sclite would misread (it rewrites some words, and crashes on
some lines) is an error here, when reading as well as when writing, so that both scorers see the same words.
"""

from __future__ import annotations

import math
import re
import string
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from utils.errors import InputError
from utils.files import write_text

CHANNEL = "1"
STM_TIMES = "0.0 1.79769e+308"  # the whole recording
COMMENT = ";;"
MAX_GLOSS_BYTES = 500
MAX_ID_BYTES = 250
SCLITE_KEYWORDS = ("<alt_begin>", "<alt>", "<alt_end>", "ignore_time_segment_in_scoring")

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_BOM = b"\xef\xbb\xbf"
_NOT_IN_A_WORD = re.compile("[ \t\n\r\v\f\0]")


class FormatError(InputError, ValueError):
    """A CTM or STM line that cannot be read, or a value that such a file cannot hold."""


@dataclass(frozen=True)
class Reference:
    """What was signed: one sentence of a corpus."""

    id: str
    signer: str
    glosses: tuple[str, ...]


class CtmWord(NamedTuple):
    """One recognised gloss; times in seconds from the start of the recording, confidence in [0, 1] or None."""

    gloss: str
    start: float
    duration: float
    confidence: float | None = None


class CtmEntry(NamedTuple):
    """All recognised glosses of one sentence; no words is an empty hypothesis."""

    id: str
    words: Sequence[CtmWord]

    @property
    def glosses(self) -> tuple[str, ...]:
        """The glosses alone, in order."""
        return tuple(word.gloss for word in self.words)


def fold_case(text: str) -> str:
    """Lower A-Z and nothing else, as sclite does whatever the encoding: `Ä` and `ä` stay different."""
    return text.translate(_LOWER)


def check_gloss(gloss: str, first_of_reference: bool = False) -> None:
    """Raise FormatError if sclite would not take `gloss` as the one plain word it is."""
    problem = _gloss_problem(gloss, first_of_reference)
    if problem:
        raise FormatError(f"the gloss {gloss[:60]!r} {problem}; rename it in the data or map it before scoring")


def _gloss_problem(gloss: str, first_of_reference: bool) -> str | None:
    checks = (
        (not gloss, "is empty"),
        (_NOT_IN_A_WORD.search(gloss) is not None, "contains white space or a zero byte"),
        (gloss == "@", "is sclite's word for nothing"),
        (any(letter in gloss for letter in "{;\\"), "contains '{', ';' or a backslash, which sclite interprets"),
        (gloss.endswith("*"), "ends in '*', which sclite removes"),
        (fold_case(gloss) in SCLITE_KEYWORDS, "is a keyword of sclite"),
        (first_of_reference and gloss.startswith("<"), "starts a reference with '<', which sclite takes for a label"),
        (len(gloss.encode("utf-8", "surrogatepass")) > MAX_GLOSS_BYTES, f"is longer than {MAX_GLOSS_BYTES} bytes"),
    )
    return next((problem for failed, problem in checks if failed), None)


def _check_id(name: str) -> None:
    if not name or _NOT_IN_A_WORD.search(name) or name.startswith(";"):
        raise FormatError(f"the id {name[:60]!r} is empty, starts with ';' or contains white space")
    if len(name.encode("utf-8", "surrogatepass")) > MAX_ID_BYTES:
        raise FormatError(f"the id {name[:60]!r}... is longer than {MAX_ID_BYTES} bytes, sclite's limit")


def _number(text: str | float, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise FormatError(f"the {what} is {text!r}, expected a finite number from 0")
    return value


class _Ids:
    """Ids seen so far; sclite compares them without regard to case, so two that differ in case alone collide."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def add(self, name: str) -> None:
        _check_id(name)
        earlier = self._seen.get(fold_case(name))
        if earlier is not None:
            how = "occurs twice, or its lines are not together" if earlier == name else f"collides with {earlier!r}"
            raise FormatError(f"the id {name!r} {how}")
        self._seen[fold_case(name)] = name


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line number from 1, fields) of each line that is neither blank nor a comment.

    Lines end at LF or CRLF and fields at space or tab only: U+00A0, U+3000 and U+2028 belong to words.
    """
    for number, raw in enumerate(path.read_bytes().removeprefix(_BOM).split(b"\n"), start=1):
        try:
            line = raw.removesuffix(b"\r").decode("utf-8")
        except UnicodeDecodeError as error:
            raise FormatError(f"{path}:{number}: not UTF-8 ({error.reason})") from error
        fields = re.split("[ \t]+", line.strip(" \t"))
        if fields != [""] and not fields[0].startswith(COMMENT):
            yield number, fields


def _check_channel(channel: str) -> None:
    if channel != CHANNEL:
        raise FormatError(f"the channel (second field) is {channel!r}, expected {CHANNEL!r}")


def _parse_word(fields: list[str], ids: Collection[str] | None) -> CtmWord:
    if not 5 <= len(fields) <= 6:
        raise FormatError(f"{len(fields)} fields, expected <id> {CHANNEL} <start> <duration> <gloss> [confidence]")
    name, channel, start, duration, gloss, *confidence = fields
    if ids is not None and name not in ids:
        raise FormatError(f"the id {name!r} has no reference")
    _check_channel(channel)
    check_gloss(gloss)
    value = _number(confidence[0], "confidence") if confidence else None
    return CtmWord(gloss, _number(start, "start"), _number(duration, "duration"), value)


def read_ctm(path: str | Path, ids: Collection[str] | None = None) -> list[CtmEntry]:
    """The sentences of a CTM file in the order of the file; each has at least one word, in the order of its lines.

    With `ids`, a sentence of any other id is an error. Raises FormatError with file and line for a line that is not
    `<id> 1 <start> <duration> <gloss> [confidence]`, and for an id whose lines are not together.
    """
    path = Path(path)
    ids = None if ids is None else frozenset(ids)
    seen = _Ids()
    entries: list[tuple[str, list[CtmWord]]] = []
    for number, fields in _lines(path):
        try:
            word = _parse_word(fields, ids)
            if not entries or entries[-1][0] != fields[0]:
                seen.add(fields[0])
                entries.append((fields[0], []))
        except FormatError as error:
            raise FormatError(f"{path}:{number}: {error}") from error
        entries[-1][1].append(word)
    return [CtmEntry(name, tuple(words)) for name, words in entries]


def read_stm(path: str | Path) -> list[Reference]:
    """The references of an STM file in the order of the file.

    Raises FormatError with file and line for a line that is not `<id> 1 <signer> <begin> <end> <glosses>`, for an id
    that occurs twice, and for a file without references.
    """
    path = Path(path)
    seen = _Ids()
    references = []
    for number, fields in _lines(path):
        try:
            references.append(_parse_reference(fields))
            seen.add(fields[0])
        except FormatError as error:
            raise FormatError(f"{path}:{number}: {error}") from error
    if not references:
        raise FormatError(f"{path}: no reference in this file")
    return references


def _parse_reference(fields: list[str]) -> Reference:
    if len(fields) < 5:
        raise FormatError(f"{len(fields)} fields, expected <id> {CHANNEL} <signer> <begin> <end> <glosses>")
    name, channel, signer, begin, end, *glosses = fields
    _check_channel(channel)
    if _number(begin, "begin") >= _number(end, "end"):
        raise FormatError(f"the segment ends at {end}, before or at its begin {begin}")
    for index, gloss in enumerate(glosses):
        check_gloss(gloss, first_of_reference=index == 0)
    return Reference(name, signer, tuple(glosses))


def write_ctm(path: str | Path, entries: Iterable[tuple[str, Sequence[CtmWord | tuple]]]) -> None:
    """Write (id, words) to a CTM file, whole or not at all; a word is (gloss, start, duration[, confidence]).

    A sentence without words has no line: sclite then counts its reference as deleted. Raises FormatError, naming the
    sentence, for anything that sclite would misread and for an id given twice.
    """
    seen = _Ids()
    lines = []
    for name, words in entries:
        seen.add(name)
        try:
            lines += [_format_word(name, CtmWord(*word)) for word in words]
        except FormatError as error:
            raise FormatError(f"{name}: {error}") from error
    write_text(path, "".join(lines))


def _format_word(name: str, word: CtmWord) -> str:
    check_gloss(word.gloss)
    start, duration = _number(word.start, "start"), _number(word.duration, "duration")
    confidence = "" if word.confidence is None else f" {_number(word.confidence, 'confidence'):.4f}"
    return f"{name} {CHANNEL} {start:.3f} {duration:.3f} {word.gloss}{confidence}\n"


def write_stm(path: str | Path, references: Iterable[Reference]) -> None:
    """Write references to an STM file, whole or not at all. Raises FormatError as `write_ctm` does."""
    seen = _Ids()
    lines = []
    for reference in references:
        seen.add(reference.id)
        if not reference.signer or _NOT_IN_A_WORD.search(reference.signer):
            raise FormatError(f"{reference.id}: the signer {reference.signer!r} is empty or contains white space")
        try:
            for index, gloss in enumerate(reference.glosses):
                check_gloss(gloss, first_of_reference=index == 0)
        except FormatError as error:
            raise FormatError(f"{reference.id}: {error}") from error
        lines.append(" ".join([reference.id, CHANNEL, reference.signer, STM_TIMES, *reference.glosses]) + "\n")
    write_text(path, "".join(lines))
