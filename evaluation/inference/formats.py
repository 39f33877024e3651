"""The files that a transcript can be saved as. ELAN's has a file of its own, `elan.py`.

To add a format, write `write_<format>(transcript, path)` and enter it in `WRITERS` under its suffix.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from pympi.Praat import TextGrid

from evaluation.ctm import CtmEntry, write_ctm
from evaluation.inference.elan import write_eaf
from evaluation.inference.transcript import Transcript, TranscriptError, round_to_milliseconds
from utils.files import NUMBERED, atomic_path, set_aside, write_json, write_text


def save_transcript(transcript: Transcript, path: str | Path) -> Path | None:
    """Write a transcript to `path`, whole or not at all, in the format that its suffix names.

    People correct these files by hand, all but JSON: one that is there already and differs is renamed.

    Returns:
        the older file's new name; None if there was none.

    Raises:
        TranscriptError: no such format.
        FormatError: a gloss that CTM files cannot hold.
    """
    suffix = check_format(path)
    if suffix == CTM:
        return save_ctm([transcript], path)
    with atomic_path(path) as temporary:
        WRITERS[suffix](transcript, temporary)
        return None if suffix == JSON else _keep_older(Path(path), temporary)


def save_ctm(transcripts: Sequence[Transcript], path: str | Path) -> Path | None:
    """Write transcripts to one CTM file, as `save_transcript` does."""
    entries = [CtmEntry(_make_ctm_id(transcript.name), transcript.words) for transcript in transcripts]
    with atomic_path(path) as temporary:
        write_ctm(temporary, entries)
        return _keep_older(Path(path), temporary)


def _keep_older(path: Path, new: Path) -> Path | None:
    """Rename the file at `path` if it is another than the `new` one, but for the date in ELAN's files."""
    differs = path.is_file() and _read_without_date(path) != _read_without_date(new)
    return set_aside(path, NUMBERED) if differs else None


def _read_without_date(path: Path) -> bytes:
    return re.sub(rb' DATE="[^"]*"', b"", path.read_bytes())


def check_ctm_ids(names: Iterable[str]) -> None:
    """Raise TranscriptError if two clips would get the same name in a CTM file."""
    taken: dict[str, str] = {}
    for name in names:
        other = taken.setdefault(_make_ctm_id(name), name)
        if other != name:
            same = _make_ctm_id(name)
            raise TranscriptError(f"{other!r} and {name!r} would both be {same} in a CTM file: rename one")


def check_format(path: str | Path) -> str:
    """The suffix of `path` as it stands in `FORMATS`, whose letters may be small or large.

    Raises:
        TranscriptError: it is none of them.
    """
    suffix = Path(path).suffix.lower()
    for known in FORMATS:
        if known.lower() == suffix:
            return known
    raise TranscriptError(f"{path} has no suffix that says how to save: choose one of {', '.join(FORMATS)}")


def write_all(transcript: Transcript, path: Path) -> None:
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


def write_srt(transcript: Transcript, path: Path) -> None:
    """Write SubRip subtitles, one a gloss."""
    cues = [
        f"{number}\n{_format_clock(start, ',')} --> {_format_clock(end, ',')}\n{word.gloss}\n"
        for number, (word, start, end) in enumerate(round_to_milliseconds(transcript.words), start=1)
    ]
    write_text(path, "\n".join(cues))


def write_vtt(transcript: Transcript, path: Path) -> None:
    """Write WebVTT subtitles, one a gloss, their text escaped as https://www.w3.org/TR/webvtt1/ asks."""
    escapes = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
    cues = [
        f"{_format_clock(start, '.')} --> {_format_clock(end, '.')}\n{word.gloss.translate(escapes)}\n"
        for word, start, end in round_to_milliseconds(transcript.words)
    ]
    write_text(path, "\n".join(["WEBVTT\n", *cues]))


def write_txt(transcript: Transcript, path: Path) -> None:
    """Write the glosses alone, in one line."""
    write_text(path, " ".join(word.gloss for word in transcript.words) + "\n")


def write_csv(transcript: Transcript, path: Path) -> None:
    """Write a table with a row for each gloss: start and end in seconds, and confidence."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["gloss", "start", "end", "confidence"])
    for word in transcript.words:
        confidence = "" if word.confidence is None else f"{word.confidence:.2f}"
        table.writerow([word.gloss, f"{word.start:.3f}", f"{word.start + word.duration:.3f}", confidence])
    write_text(path, "\ufeff" + out.getvalue())  # without this mark Excel does not take it for UTF-8


def write_text_grid(transcript: Transcript, path: Path) -> None:
    """Write Praat's annotation file: a tier of glosses; intervals without one fill the rest, as Praat needs it."""
    words = round_to_milliseconds(transcript.words)
    grid = TextGrid(xmin=0.0, xmax=max(transcript.duration, *(end / 1000 for _, _, end in words), 0.0))
    tier = grid.add_tier("gloss")
    for word, start, end in words:
        tier.add_interval(start / 1000, end / 1000, word.gloss)
    grid.to_file(path)


CTM, JSON = ".ctm", ".json"
"""Suffixes of the one format whose files may hold many clips, and of the one that programs read and nobody edits."""

WRITERS: dict[str, Callable[[Transcript, Path], None]] = {
    JSON: write_all,
    ".srt": write_srt,
    ".vtt": write_vtt,
    ".txt": write_txt,
    ".csv": write_csv,
    ".eaf": write_eaf,
    ".TextGrid": write_text_grid,
}
"""By suffix, the writers of files that hold one clip."""

FORMATS = (*WRITERS, CTM)


def _make_ctm_id(name: str) -> str:
    """Make a clip's name one that CTM files can hold: without white space, and not taken for a comment."""
    return re.sub(r"[\s\0]|^;", "_", name)


def _format_clock(milliseconds: int, separator: str) -> str:
    """00:00:00,000 with the separator of the format before the milliseconds."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{separator}{rest:03d}"
