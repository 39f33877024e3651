"""What was read in one video, and the files that it can be saved as."""

from __future__ import annotations

import mimetypes
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path

from pympi.Elan import Eaf

from evaluation.ctm import CtmEntry, CtmWord, write_ctm
from utils.errors import InputError
from utils.files import atomic_path, write_json, write_text

GLOSS_TIER, CONFIDENCE_TIER = "gloss", "confidence"


class TranscriptError(InputError, ValueError):
    """A transcript cannot be saved under this name."""


@dataclass(frozen=True)
class Guess:
    """One of the n-best of a stretch of the video.

    Attributes:
        start, end: of the stretch, in seconds of the video.
        glosses: as CTC spells them.
        score: -log p.
    """

    start: float
    end: float
    glosses: tuple[str, ...]
    score: float


@dataclass(frozen=True)
class Transcript:
    """What was read in one video. All times are seconds of the video as its player shows them.

    Attributes:
        name: of the clip.
        video: the file or folder of images.
        duration: of the video.
        rate: its frames a second.
        frames: its frames.
        frames_read: how many of them the network was given.
        words: the glosses.
        nbest: the best guesses, best first; of a long video those of each window.
        notes: what was done to the video, a sentence each.
    """

    name: str
    video: Path
    duration: float
    rate: float
    frames: int
    frames_read: int
    words: tuple[CtmWord, ...]
    nbest: tuple[Guess, ...]
    notes: tuple[str, ...]


def save(transcript: Transcript, path: str | Path) -> Path | None:
    """Write a transcript to `path`, whole or not at all, in the format that its suffix names.

    Returns:
        where the file went that was there before, if it is kept: people work on ELAN's files.

    Raises:
        TranscriptError: no such format.
        FormatError: a gloss that CTM files cannot hold.
    """
    check_format(path)
    suffix = Path(path).suffix.lower()
    if suffix == ".ctm":
        return save_all([transcript], path)
    return WRITERS[suffix](transcript, Path(path))


def save_all(transcripts: Sequence[Transcript], path: str | Path) -> Path | None:
    """Write transcripts to one CTM file, as `save` does; keeps an older one that has clips which these do not."""
    entries = [CtmEntry(_ctm_id(transcript.name), transcript.words) for transcript in transcripts]
    older = None
    if Path(path).is_file() and not _clips_of(Path(path)) <= {entry.id for entry in entries}:
        older = _set_aside(Path(path))
    write_ctm(path, entries)
    return older


def check_ctm_ids(names: Iterable[str]) -> None:
    """Raise TranscriptError if two clips would have one name in a CTM file."""
    taken: dict[str, str] = {}
    for name in names:
        other = taken.setdefault(_ctm_id(name), name)
        if other != name:
            raise TranscriptError(f"{other!r} and {name!r} would both be {_ctm_id(name)} in a CTM file: rename one")


def check_format(path: str | Path) -> None:
    """Raise TranscriptError unless the suffix of `path` is one of `FORMATS`."""
    if Path(path).suffix.lower() not in FORMATS:
        raise TranscriptError(f"{path} has no suffix that says how to save: choose one of {', '.join(FORMATS)}")


def save_json(transcript: Transcript, path: Path) -> None:
    """Everything that is known, as JSON."""
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
    """SubRip subtitles, one a gloss."""
    cues = [
        f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{word.gloss}\n"
        for number, (word, start, end) in enumerate(_milliseconds(transcript.words), start=1)
    ]
    write_text(path, "\n".join(cues))


def save_vtt(transcript: Transcript, path: Path) -> None:
    """WebVTT subtitles, one a gloss, their text escaped as https://www.w3.org/TR/webvtt1/ asks."""
    escapes = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
    cues = [
        f"{_clock(start, '.')} --> {_clock(end, '.')}\n{word.gloss.translate(escapes)}\n"
        for word, start, end in _milliseconds(transcript.words)
    ]
    write_text(path, "\n".join(["WEBVTT\n", *cues]))


def save_eaf(transcript: Transcript, path: Path) -> Path | None:
    """ELAN's annotation file: a tier of glosses, a tier that has the confidence of each, and the video linked.

    A file that is there already and differs by more than its date may hold someone's work: it is renamed.

    Returns:
        its new name; None if there was none.
    """
    eaf = Eaf(author="mstfnet")
    eaf.header = {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"}
    video = transcript.video
    if video.is_file():
        near = os.path.relpath(video.resolve(), path.resolve().parent).replace(os.sep, "/")
        near = near if near.startswith("../") else f"./{near}"
        kind = mimetypes.guess_type(video.name)[0] or "video/*"
        address = "file:///" + video.resolve().as_posix().lstrip("/")  # spaces and all, as ELAN itself writes it
        eaf.add_linked_file(address, relpath=near, mimetype=kind)
    eaf.add_tier(GLOSS_TIER)
    eaf.remove_tier("default")
    eaf.add_linguistic_type(CONFIDENCE_TIER, constraints="Symbolic_Association", timealignable=False)
    eaf.add_tier(CONFIDENCE_TIER, ling=CONFIDENCE_TIER, parent=GLOSS_TIER)
    for word, start, end in _milliseconds(transcript.words):
        eaf.add_annotation(GLOSS_TIER, start, end, word.gloss)
        if word.confidence is not None:
            eaf.add_ref_annotation(CONFIDENCE_TIER, GLOSS_TIER, (start + end) // 2, f"{word.confidence:.2f}")
    eaf.properties = [("lastUsedAnnotationId", eaf.maxaid)]  # ELAN numbers on from there
    with atomic_path(path) as temporary:
        temporary.unlink()  # pympi would keep it as a .bak
        eaf.to_file(temporary)
        differs = path.is_file() and _without_date(path) != _without_date(temporary)
        return _set_aside(path) if differs else None


WRITERS: dict[str, Callable[[Transcript, Path], Path | None]] = {
    ".json": save_json,
    ".srt": save_srt,
    ".vtt": save_vtt,
    ".eaf": save_eaf,
}
FORMATS = (*WRITERS, ".ctm")


def _set_aside(path: Path) -> Path:
    """Rename a file to the first free name with a number after it, as ELAN calls its own copies; returns that."""
    numbered = (path.with_name(f"{path.name}.{number:03d}") for number in count(1))
    older = next(name for name in numbered if not name.exists())
    path.rename(older)
    return older


def _clips_of(path: Path) -> set[str]:
    """The clips in a CTM file, whatever else may be in it."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return {line.split()[0] for line in lines if line.strip() and not line.startswith(";;")}


def _without_date(path: Path) -> bytes:
    return re.sub(rb' DATE="[^"]*"', b"", path.read_bytes())


def _ctm_id(name: str) -> str:
    """A clip's name as CTM files can hold it: without white space, and not taken for a comment."""
    return re.sub(r"[\s\0]|^;", "_", name)


def _milliseconds(words: Iterable[CtmWord]) -> list[tuple[CtmWord, int, int]]:
    """Each word with its start and end; no end before or at its start, and no start before the end of the last."""
    out, previous = [], 0
    for word in words:
        start = max(round(word.start * 1000), previous)
        previous = max(round((word.start + word.duration) * 1000), start + 1)
        out.append((word, start, previous))
    return out


def _clock(milliseconds: int, separator: str) -> str:
    """00:00:00,000 with the separator of the format before the milliseconds."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{separator}{rest:03d}"
