"""Resize the frames of clips (folders of images, or videos), several at a time; an interrupted run can be continued."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from dataset.frames import FrameError, check_same_size, list_frame_files, read_image, resize_frame
from dataset.sampling import sample_at_rate
from dataset.video import open_video
from preprocess.corpora.corpus import PreparationError
from preprocess.finished_clips import (
    ClipOutcome,
    ClipToResize,
    find_finished,
    has_end,
    is_video,
    mark_finished,
    name_frames,
)
from utils.progress import show_progress
from utils.text import list_first
from utils.workers import map_in_workers

JPEG_QUALITY = 95  # OpenCV's default, stated so that another version of it can't change what is written
Item = TypeVar("Item")
Result = TypeVar("Result")


def resize_clips(
    clips: Sequence[ClipToResize], size: int, workers: int = 1, allow_truncated: bool = False
) -> list[ClipOutcome]:
    """Write the frames of `clips`, resized to size x size, with `workers` processes; finished clips are kept.

    Videos that are cut short or damaged are only taken, as far as they go, with `allow_truncated`.

    Raises:
        PreparationError: one or more clips have frames that can't be read (all others are done all the same),
            or a worker died.
    """
    return _work_on_clips(partial(resize_clip, size=size, allow_truncated=allow_truncated), clips, workers, "resizing")


def count_clip_frames(folders: Sequence[Path], rate: float | None = None) -> list[ClipOutcome]:
    """Count the frames of the clips in `folders`, without reading them.

    Args:
        folders: the clips.
        rate: their frames a second, if that is known.

    Raises:
        PreparationError: one or more folders are missing or hold no image.
    """
    return _work_on_clips(partial(_count_frames, rate=rate), folders, 1, "looking for frames")


def resize_clip(clip: ClipToResize, size: int, allow_truncated: bool = False) -> ClipOutcome:
    """Write the frames of one clip.

    If the clip names no format, PNG stays PNG, and JPEG and the frames of videos are written as JPEG, with quality 95.
    An image that has size and format already is copied. One frame is in memory at a time.
    """
    # Frames go to a folder beside the target, which gets its name when it is complete: a run may be killed at any
    # moment, and the next one takes a folder with the right name for finished.
    unfinished = clip.target.with_name(f".{clip.target.name}.unfinished")
    try:
        finished = find_finished(clip, size)
        if finished.num_frames and (allow_truncated or not finished.faults):
            return finished
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        if is_video(clip.source):
            outcome = _resize_video(clip, unfinished, size, allow_truncated)
        elif clip.fps is not None:
            outcome = _resample_folder(clip, unfinished, size)
        else:
            outcome = ClipOutcome(_resize_folder(clip, unfinished, size), clip.rate, written=True)
        mark_finished(clip, unfinished, outcome)
    except FrameError as error:
        # Told and not raised: the other clips go on, and the user learns of all damaged ones at once.
        shutil.rmtree(unfinished, ignore_errors=True)
        return ClipOutcome(problem=str(error))
    if clip.target.exists():
        shutil.rmtree(clip.target)
    unfinished.rename(clip.target)
    return outcome


def _resize_folder(clip: ClipToResize, target: Path, size: int) -> int:
    """Resize the images of a folder; returns their number."""
    paths = list_frame_files(clip.source)
    shape: tuple[int, ...] = ()
    for path, name in zip(paths, name_frames(clip, len(paths)), strict=True):
        image = read_image(path)
        shape = shape or image.shape
        check_same_size(image, shape, path)
        # Writing a JPEG anew would cost a little of its quality; what has bytes behind its end counts as unfinished.
        if name == path.name and image.shape[:2] == (size, size) and has_end(path):
            shutil.copyfile(path, target / name)
        else:
            (target / name).write_bytes(encode_frame(image, Path(name).suffix, size))
    return len(paths)


def _resize_video(clip: ClipToResize, target: Path, size: int, allow_truncated: bool) -> ClipOutcome:
    """Resize the frames of a video, all of them or `clip.fps` a second."""
    video = open_video(clip.source, folder_rate=1, allow_truncated=allow_truncated)
    chosen = range(video.num_frames) if clip.fps is None else sample_at_rate(video.times, clip.fps).indices
    _write_frames(clip, target, video.frames(chosen), len(chosen), size)
    return ClipOutcome(len(chosen), clip.fps or video.rate, written=True, faults=video.faults)


def _resample_folder(clip: ClipToResize, target: Path, size: int) -> ClipOutcome:
    """Resize `clip.fps` images a second of a folder."""
    if clip.rate is None or clip.fps is None:
        raise FrameError(f"{clip.source}: images do not say when they were taken: give their rate with --image-fps")
    chosen = sample_at_rate(np.arange(len(list_frame_files(clip.source)) + 1) / clip.rate, clip.fps).indices
    _write_frames(clip, target, open_video(clip.source, clip.rate).frames(chosen), len(chosen), size)
    return ClipOutcome(len(chosen), clip.fps, written=True)


def _write_frames(clip: ClipToResize, target: Path, frames: Iterable[np.ndarray], count: int, size: int) -> None:
    for name, image in zip(name_frames(clip, count), frames, strict=True):
        (target / name).write_bytes(encode_frame(image, Path(name).suffix, size))


def encode_frame(image: np.ndarray, suffix: str, size: int) -> bytes:
    """Resize a frame, uint8 (H, W, 3) RGB, to size x size and encode it in the format of `suffix`, `.png` or `.jpg`.

    Raises:
        PreparationError: OpenCV can't write this format.
    """
    suffix = suffix.lower()
    resized = cv2.cvtColor(resize_frame(image, size), cv2.COLOR_RGB2BGR)
    options = [] if suffix == ".png" else [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    encoded, data = cv2.imencode(suffix, resized, options)
    if not encoded:
        raise PreparationError(f"OpenCV can't write images of the format {suffix}")
    return data.tobytes()


def _count_frames(folder: Path, rate: float | None) -> ClipOutcome:
    try:
        return ClipOutcome(len(list_frame_files(folder)), rate)
    except FrameError as error:
        return ClipOutcome(problem=str(error))


def _work_on_clips(
    work: Callable[[Item], ClipOutcome], clips: Sequence[Item], workers: int, title: str
) -> list[ClipOutcome]:
    outcomes = list(show_progress(map_clips(work, clips, workers), len(clips), title, "clip"))
    problems = [outcome.problem for outcome in outcomes if outcome.problem]
    if problems:
        head = f"{len(problems)} of {len(clips)} clips have no readable frames:"
        raise PreparationError("\n    ".join([head, *list_first(problems)]))
    return outcomes


def map_clips(work: Callable[[Item], Result], clips: Sequence[Item], workers: int) -> Iterator[Result]:
    """Do `work` on all clips, in their order, by `workers` processes.

    Raises:
        PreparationError: a worker died.
    """
    killed = PreparationError(
        "a worker process was killed, most likely because memory ran out: run the same command again with fewer "
        "--workers"
    )
    return map_in_workers(work, clips, workers, killed)
