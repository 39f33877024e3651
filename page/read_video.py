"""Reading an uploaded video, as `test_one_video.py` does, for a page that may go away at any moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dataset.frame_rate import is_same_rate
from dataset.video import Video, open_video
from evaluation.inference.read_clips import describe_reading_error
from evaluation.inference.reading import Reading
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.transcribe import transcribe
from page.jobs import Cancelled, Job
from page.sessions import Answer
from utils.errors import InputError


@dataclass(frozen=True)
class WatchedVideo(Video):
    """A video whose reading ends when `check` raises.

    Attributes:
        check: called before each frame.
    """

    check: Callable[[], None] = lambda: None

    def frames(self, indices: Sequence[int] | np.ndarray) -> Iterator[np.ndarray]:
        """Read frames as `Video` does."""
        for frame in super().frames(indices):
            self.check()
            yield frame


def watch_video(path: Path, recogniser: Recogniser, check: Callable[[], None]) -> WatchedVideo:
    """Open an uploaded video.

    What is there of a damaged one is read, since the page has no option for it; its notes say what is wrong.
    """
    video = open_video(path, recogniser.frame_rate, allow_truncated=True, check=check)
    return WatchedVideo(**vars(video), check=check)


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
        video = watch_video(path, recogniser, job.check)
        if not is_same_rate(video.rate, recogniser.frame_rate):
            reading = Reading(rate=recogniser.frame_rate)
        transcript = transcribe(recogniser, video, reading, Path(name).stem or name, watch)
    except Cancelled:
        raise
    except Exception as error:
        raise InputError(hide_path(describe_reading_error(error, reading), path, name)) from error
    notes = tuple(hide_path(note, path, name) for note in transcript.notes)
    return Answer(replace(transcript, video=Path(name), notes=notes), path)


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
