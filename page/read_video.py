"""Reading an uploaded video, as `test_one_video.py` does, for a page that may go away at any moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from dataset.frame_rate import is_same_rate
from evaluation.inference.read_clips import describe_reading_error
from evaluation.inference.reading import Reading
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.transcribe import transcribe
from page.jobs import Cancelled, Job
from page.sessions import Answer
from page.watched_video import watch_video
from utils.errors import InputError


def read_video(recogniser: Recogniser, path: Path, name: str, job: Job) -> Answer:
    """Read an uploaded video and tell its page how far that is.

    Args:
        recogniser: the network with its decoder.
        path: the file.
        name: what the page calls it.
        job: the job that this is; its owner is told.

    Raises:
        Cancelled: nobody wants it any more.
        InputError: the video cannot be read; the message is for the page.
    """

    def watch(part: int, parts: int) -> None:
        job.check()
        job.owner.send({"type": "reading", "part": part, "parts": parts})

    reading = Reading()
    try:
        video = watch_video(path, recogniser.frame_rate, job.check)
        if not is_same_rate(video.rate, recogniser.frame_rate):
            reading = Reading(rate=recogniser.frame_rate)
        transcript = transcribe(recogniser, video, reading, Path(name).stem or name, watch)
    except Cancelled:
        raise
    except Exception as error:
        raise InputError(hide_path(describe_reading_error(error, reading), path, name)) from error
    notes = tuple(hide_path(note, path, name) for note in transcript.notes)
    return Answer(replace(transcript, video=Path(name), notes=notes), video)


@contextmanager
def hide_paths(names: Mapping[Path, str]) -> Iterator[None]:
    """Call files in a message by the names that the page knows, if reading or writing them fails while this is entered.

    Args:
        names: the name of each file.
    """
    try:
        yield
    except InputError as error:
        message = str(error)
        for path, name in names.items():
            message = hide_path(message, path, name)
        raise InputError(message) from error


def hide_path(message: str, path: Path, name: str) -> str:
    """Call a file in a message by the name that its page knows: where it lies here is nobody's business."""
    return message.replace(str(path), name)
