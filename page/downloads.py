"""The files that are made of what was read: transcripts, and the video with its glosses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from evaluation.inference.formats import save_transcript
from evaluation.inference.overlay import write_overlay
from page.read_video import hide_path, hide_paths
from page.sessions import Answer
from page.watched_video import WatchedVideo
from utils.errors import InputError

VIDEO = "mp4"
KINDS = {
    "eaf": "application/xml",
    "srt": "application/x-subrip",
    "vtt": "text/vtt",
    "json": "application/json",
    "ctm": "text/plain",
    VIDEO: "video/mp4",
}
"""What can be downloaded, with its type."""


def save_text(answer: Answer, kind: str, folder: Path) -> Path:
    """Write a transcript.

    The files name the video as the page does, without a folder: where it lay on the page's machine is not known, and
    where it lies here is nobody's business.

    Args:
        answer: what was read.
        kind: one of `KINDS`, but for the video.
        folder: where to write it.

    Raises:
        InputError: the format cannot hold a gloss.
    """
    path = folder / f"transcript.{kind}"
    path.unlink(missing_ok=True)
    transcript = answer.transcript
    if kind == "eaf":  # which links a video that is there, by its whole path
        transcript = replace(transcript, video=folder / "no video")
    save_transcript(transcript, path)
    return path


def save_video(answer: Answer, path: Path, check: Callable[[], None]) -> str:
    """Write the video with its glosses.

    Args:
        answer: what was read.
        path: the file to write.
        check: called before each frame; what it raises ends the writing.

    Returns:
        a warning where no font of this machine has all characters of the glosses, else "".

    Raises:
        InputError: it cannot be written.
    """
    video = get_video(answer, check)
    with hide_paths({path: path.name, video.path: str(answer.transcript.video)}):
        warning = write_overlay(video, answer.transcript.words, path)
    return hide_path(warning, path, path.name)


def get_video(answer: Answer, check: Callable[[], None]) -> WatchedVideo:
    """The pictures that were read, for a job whose `check` is called; raises InputError where there are none."""
    if answer.video is None:
        raise InputError("no picture of the camera was kept")
    return answer.video.watched_by(check)
