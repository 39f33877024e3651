"""The files that are made of what was read: transcripts, the video with its glosses, and heat maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from dataset.crop import crop_and_resize
from evaluation.ctm import CtmWord
from evaluation.heat.draw import lay_heat_over
from evaluation.heat.heat_map import compute_heat_map
from evaluation.heat.load_clip import find_seen_region
from evaluation.heat.request import GLOSS, HeatRequest
from evaluation.heat.shown_clip import ShownClip, resize_for_viewing
from evaluation.inference.formats import save_transcript
from evaluation.inference.overlay import write_overlay
from evaluation.inference.reading import Reading
from evaluation.inference.recogniser import Recogniser
from page.read_video import hide_paths, watch_video
from page.sessions import Answer
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
HEAT_FRAMES = 64
"""Frames around a gloss that the network sees for its heat; gradients of layer1 take 50 MB each at 224x224 pixels."""
HEAT_PICTURES = 5
HEAT_HEIGHT = 320  # pixels


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


def save_video(answer: Answer, recogniser: Recogniser, path: Path, check: Callable[[], None]) -> None:
    """Write the video with its glosses.

    Args:
        answer: what was read, in a video.
        recogniser: who read it.
        path: the file to write.
        check: called before each frame; what it raises ends the writing.

    Raises:
        InputError: it cannot be written.
    """
    source = get_video(answer)
    with hide_paths({path: path.name, source: str(answer.transcript.video)}):
        write_overlay(watch_video(source, recogniser, check), answer.transcript.words, path)


def draw_heat(answer: Answer, recogniser: Recogniser, index: int, check: Callable[[], None]) -> bytes:
    """Draw where in the picture the network found a gloss: a JPEG of some frames of the gloss, side by side.

    Args:
        answer: what was read, in a video.
        recogniser: who read it.
        index: the number of the gloss.
        check: called before each frame; what it raises ends the drawing.

    Raises:
        InputError: the network has no gradients, or there is no video.
    """
    word = answer.transcript.words[index]
    source = get_video(answer)
    with hide_paths({source: str(answer.transcript.video)}):
        clip, shown = _load_around(word, source, recogniser, check)
    check()
    heat_map = compute_heat_map(recogniser, clip, HeatRequest(target=f"{GLOSS}{word.gloss}"))
    interval = recogniser.config.feeder_args.frame_interval
    numbers = np.unique(np.linspace(shown[0], shown[1] - 1, HEAT_PICTURES).round().astype(int) // interval)
    pictures = [lay_heat_over(clip.pictures[number], heat_map.heat[number], clip.region) for number in numbers]
    row = np.hstack([_shrink(picture) for picture in pictures])
    _, data = cv2.imencode(".jpg", cv2.cvtColor(row, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return data.tobytes()


def get_video(answer: Answer) -> Path:
    """The uploaded file; raises InputError where a camera was read."""
    if answer.video is None:
        raise InputError("the pictures of the camera are not kept: there is no video to show the glosses in")
    return answer.video


def _load_around(
    word: CtmWord, path: Path, recogniser: Recogniser, check: Callable[[], None]
) -> tuple[ShownClip, tuple[int, int]]:
    """Load `HEAT_FRAMES` frames around a gloss, and say which of them (first, last + 1) the gloss takes."""
    video = watch_video(path, recogniser, check)
    sampling = Reading(rate=recogniser.frame_rate).sample_frames(video.times)
    starts = sampling.times[:-1]
    first, end = np.searchsorted(starts, [word.start - 1e-3, word.start + word.duration - 1e-3])
    first, end = min(int(first), len(starts) - 1), max(int(end), int(first) + 1)
    middle, half = (first + end) // 2, HEAT_FRAMES // 2
    begin = max(0, min(middle - half, len(starts) - HEAT_FRAMES))
    interval = recogniser.config.feeder_args.frame_interval
    frames, pictures = [], []
    indices = sampling.indices[begin : begin + HEAT_FRAMES]
    for number, frame in enumerate(video.frames(indices)):
        frames.append(crop_and_resize(frame, recogniser.frame_size))
        if number % interval == 0:  # there is no heat for the others
            pictures.append(resize_for_viewing(frame))
    clip = ShownClip(
        name="",
        frames=np.stack(frames),
        pictures=np.stack(pictures),
        region=find_seen_region(recogniser, pictures[0].shape, "none"),
        rate=recogniser.frame_rate,
        signed=None,
        notes=(),
    )
    return clip, (max(first - begin, 0), min(end - begin, len(frames)))


def _shrink(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    factor = min(1.0, HEAT_HEIGHT / height)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
