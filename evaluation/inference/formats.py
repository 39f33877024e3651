"""The files that a transcript can be saved as. ELAN's has a file of its own, `elan.py`.

To add a format, write `save_<format>(transcript, path)` and enter it in `WRITERS` under its suffix.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from evaluation.ctm import CtmEntry, write_ctm
from evaluation.inference.elan import NUMBERED, save_eaf
from evaluation.inference.transcript import Transcript, TranscriptError, round_to_milliseconds
from utils.files import set_aside, write_json, write_text


def save_transcript(transcript: Transcript, path: str | Path) -> Path | None:
    """Write a transcript to `path`, whole or not at all, in the format that its suffix names.

    Returns:
        the new name of the file that was there before, if it is kept: people work on ELAN's files.

    Raises:
        TranscriptError: no such format.
        FormatError: a gloss that CTM files cannot hold.
    """
    check_format(path)
    suffix = Path(path).suffix.lower()
    if suffix == CTM:
        return save_ctm([transcript], path)
    return WRITERS[suffix](transcript, Path(path))


def save_ctm(transcripts: Sequence[Transcript], path: str | Path) -> Path | None:
    """Write transcripts to one CTM file, as `save_transcript` does; an older file with other clips is kept under a
    new name.

    Returns:
        the older file's new name; None if there was none, or all its clips are in this one.
    """
    entries = [CtmEntry(_make_ctm_id(transcript.name), transcript.words) for transcript in transcripts]
    older = None
    if Path(path).is_file() and not _read_ctm_ids(Path(path)) <= {entry.id for entry in entries}:
        older = set_aside(Path(path), NUMBERED)
    write_ctm(path, entries)
    return older


def check_ctm_ids(names: Iterable[str]) -> None:
    """Raise TranscriptError if two clips would get the same name in a CTM file."""
    taken: dict[str, str] = {}
    for name in names:
        other = taken.setdefault(_make_ctm_id(name), name)
        if other != name:
            same = _make_ctm_id(name)
            raise TranscriptError(f"{other!r} and {name!r} would both be {same} in a CTM file: rename one")


def check_format(path: str | Path) -> None:
    """Raise TranscriptError unless the suffix of `path` is one of `FORMATS`."""
    if Path(path).suffix.lower() not in FORMATS:
        raise TranscriptError(f"{path} has no suffix that says how to save: choose one of {', '.join(FORMATS)}")


def save_json(transcript: Transcript, path: Path) -> None:
    """Write everything that is known, as JSON."""
    words = [
        {
            "gloss": word.gloss,
            "start": round(word.start, 3),
            "end": round(word.start + word.duration, 3),
            "confidence": word.confidence,
        }
        for word in transcript.words
    ]
    write_json(path, asdict(transcript) | {"video": str(transcript.video), "words": words})


def save_srt(transcript: Transcript, path: Path) -> None:
    """Write SubRip subtitles, one a gloss."""
    cues = [
        f"{number}\n{_format_clock(start, ',')} --> {_format_clock(end, ',')}\n{word.gloss}\n"
        for number, (word, start, end) in enumerate(round_to_milliseconds(transcript.words), start=1)
    ]
    write_text(path, "\n".join(cues))


def save_vtt(transcript: Transcript, path: Path) -> None:
    """Write WebVTT subtitles, one a gloss, their text escaped as https://www.w3.org/TR/webvtt1/ asks."""
    escapes = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
    cues = [
        f"{_format_clock(start, '.')} --> {_format_clock(end, '.')}\n{word.gloss.translate(escapes)}\n"
        for word, start, end in round_to_milliseconds(transcript.words)
    ]
    write_text(path, "\n".join(["WEBVTT\n", *cues]))


WRITERS: dict[str, Callable[[Transcript, Path], Path | None]] = {
    ".json": save_json,
    ".srt": save_srt,
    ".vtt": save_vtt,
    ".eaf": save_eaf,
}
"""By suffix, the writers of files that hold one clip; each returns the new name of an older file, if it kept one."""

CTM = ".ctm"
"""Suffix of the one format whose files may hold many clips."""

FORMATS = (*WRITERS, CTM)


def _read_ctm_ids(path: Path) -> set[str]:
    """The clips in a CTM file.

    Not by `evaluation.ctm.read_ctm`, which refuses a file with a mistake in it: such a one must be kept as well.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return {line.split()[0] for line in lines if line.strip() and not line.startswith(";;")}


def _make_ctm_id(name: str) -> str:
    """Make a clip's name one that CTM files can hold: without white space, and not taken for a comment."""
    return re.sub(r"[\s\0]|^;", "_", name)


def _format_clock(milliseconds: int, separator: str) -> str:
    """00:00:00,000 with the separator of the format before the milliseconds."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{separator}{rest:03d}"
