"""CTM and STM files: recognised glosses with their times, and reference glosses with their signers.

The formats are those of NIST's sclite. Whatever sclite would misread (it rewrites some words, and crashes on
some lines) is an error here, when reading as well as when writing, so that both scorers see the same words.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from evaluation.sclite_words import NOT_IN_A_WORD, FormatError, check_gloss, check_id, fold_case
from utils.files import write_text
from utils.unicode import name_unseen, to_nfc

CHANNEL = "1"
STM_TIMES = "0.0 1.79769e+308"  # the whole recording: the largest double, as in the corpora's own files
COMMENT = ";;"

_BOM = b"\xef\xbb\xbf"
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


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


def _parse_number(text: str | float, what: str) -> float:
    # Not all that Python takes for a number: sclite reads 1 in 1_000.
    is_number = not isinstance(text, str) or _NUMBER.fullmatch(text)
    value = float(text) if is_number else math.nan
    if not math.isfinite(value) or value < 0:
        raise FormatError(f"the {what} is {text!r}, expected a finite number from 0")
    return value


class _SeenIds:
    """The ids of a file so far; sclite takes those that differ in case alone for the same."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def add(self, name: str) -> None:
        """Check an id and remember it."""
        check_id(name)
        earlier = self._seen.get(fold_case(name))
        if earlier is not None:
            how = "occurs twice, or its lines are not together" if earlier == name else f"collides with {earlier!r}"
            raise FormatError(f"the id {name!r} {how}")
        self._seen[fold_case(name)] = name


def _read_fields(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line number from 1, fields) of each line that is neither blank nor a comment."""
    if path.is_fifo() and path.parts[:2] != ("/", "dev"):  # a shell's <(...) lies in /dev, and somebody writes to it
        raise FormatError(f"{path} is a pipe, which would be waited for: give a file")
    # Not splitlines() and split(): for sclite, U+00A0, U+3000 and U+2028 belong to words. A byte order mark and CRLF,
    # which editors on Windows write, would spoil the first id and every word: they are taken off here.
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


def _check_seen(text: str) -> None:
    """Raise FormatError if an id or gloss holds what nobody sees, since it would equal no other that looks the same."""
    if unseen := name_unseen(text):
        raise FormatError(f"{text!r} holds {unseen}, which cannot be seen: take it out")


def _parse_word(fields: list[str], ids: Mapping[str, str] | None) -> CtmWord:
    if not 5 <= len(fields) <= 6:
        raise FormatError(f"{len(fields)} fields, expected <id> {CHANNEL} <start> <duration> <gloss> [confidence]")
    name, channel, start, duration, stored_gloss, *confidence = fields
    gloss = to_nfc(stored_gloss)
    _check_seen(name)
    if ids is not None and to_nfc(name) not in ids:
        raise FormatError(f"the id {name!r} has no reference")
    _check_channel(channel)
    check_gloss(gloss)
    _check_seen(gloss)
    value = _parse_number(confidence[0], "confidence") if confidence else None
    return CtmWord(gloss, _parse_number(start, "start"), _parse_number(duration, "duration"), value)


def read_ctm(path: str | Path, ids: Collection[str] | None = None) -> list[CtmEntry]:
    """Read the sentences of a CTM file, each with at least one word; glosses in Unicode's form NFC.

    The words stay in the order of the file, whatever their times are: so sclite scores them.

    Args:
        path: the file.
        ids: the only ids that may occur, in any Unicode form; the result has them as they are spelt here. None allows
            any.

    Raises:
        FormatError: a line is not `<id> 1 <start> <duration> <gloss> [confidence]`, or the lines of an id are not
            together; names file and line.
    """
    path = Path(path)
    spelt = None if ids is None else {to_nfc(name): name for name in ids}
    seen = _SeenIds()
    entries: list[tuple[str, list[CtmWord]]] = []
    for number, fields in _read_fields(path):
        try:
            word = _parse_word(fields, spelt)
            name = fields[0] if spelt is None else spelt[to_nfc(fields[0])]
            if not entries or entries[-1][0] != name:
                seen.add(name)
                entries.append((name, []))
        except FormatError as error:
            raise FormatError(f"{path}:{number}: {error}") from error
        entries[-1][1].append(word)
    return [CtmEntry(name, tuple(words)) for name, words in entries]


def read_stm(path: str | Path, allow_unseen: bool = False) -> list[Reference]:
    """Read the references of an STM file, in the order of the file; glosses and signers in Unicode's form NFC.

    Args:
        path: the file.
        allow_unseen: whether ids and glosses may hold characters that cannot be seen: preparation refuses them now, but
            did not always.

    Raises:
        FormatError: a line is not `<id> 1 <signer> <begin> <end> <glosses>`, or an id occurs twice (names file and
            line), or there is no reference.
    """
    path = Path(path)
    seen = _SeenIds()
    references = []
    for number, fields in _read_fields(path):
        try:
            references.append(_parse_reference(fields))
            seen.add(fields[0])
            if not allow_unseen:
                _check_seen(" ".join(fields))
        except FormatError as error:
            raise FormatError(f"{path}:{number}: {error}") from error
    if not references:
        raise FormatError(f"{path}: no reference in this file")
    return references


def _parse_reference(fields: list[str]) -> Reference:
    if len(fields) < 5:
        raise FormatError(f"{len(fields)} fields, expected <id> {CHANNEL} <signer> <begin> <end> <glosses>")
    name, channel, signer, begin, end, *stored_glosses = fields
    glosses = tuple(map(to_nfc, stored_glosses))
    _check_channel(channel)
    if _parse_number(begin, "begin") >= _parse_number(end, "end"):
        raise FormatError(f"the segment ends at {end}, before or at its begin {begin}")
    for index, gloss in enumerate(glosses):
        check_gloss(gloss, first_of_reference=index == 0)
    return Reference(name, to_nfc(signer), glosses)


def write_ctm(path: str | Path, entries: Iterable[tuple[str, Sequence[CtmWord | tuple]]]) -> None:
    """Write (id, words) to a CTM file, whole or not at all; a word is (gloss, start, duration[, confidence]).

    A sentence without words has no line: sclite then counts its reference as deleted. `[EMPTY]`, which other systems
    write there, would count as one more word, and so as an error.

    Raises:
        FormatError: a value that sclite would misread, or an id given twice; names the sentence.
    """
    seen = _SeenIds()
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
    start, duration = _parse_number(word.start, "start"), _parse_number(word.duration, "duration")
    confidence = "" if word.confidence is None else f" {_parse_number(word.confidence, 'confidence'):.4f}"
    return f"{name} {CHANNEL} {start:.3f} {duration:.3f} {word.gloss}{confidence}\n"


def write_stm(path: str | Path, references: Iterable[Reference]) -> None:
    """Write references to an STM file, whole or not at all; raises FormatError as `write_ctm` does."""
    seen = _SeenIds()
    lines = []
    for reference in references:
        seen.add(reference.id)
        if not reference.signer or NOT_IN_A_WORD.search(reference.signer):
            raise FormatError(f"{reference.id}: the signer {reference.signer!r} is empty or contains white space")
        try:
            for index, gloss in enumerate(reference.glosses):
                check_gloss(gloss, first_of_reference=index == 0)
        except FormatError as error:
            raise FormatError(f"{reference.id}: {error}") from error
        lines.append(" ".join([reference.id, CHANNEL, reference.signer, STM_TIMES, *reference.glosses]) + "\n")
    write_text(path, "".join(lines))
