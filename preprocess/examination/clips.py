"""Looking at the frames of many clips at a time: all of their pixels, or a sample."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from dataset.frames import IMAGE_SUFFIXES, list_frame_files, read_image
from dataset.video import Video, open_video
from preprocess.examination.finding import explain
from preprocess.images import has_end, map_clips

CLIP_SAMPLE = 1000
"""Clips of which two images are decoded by default, the first and one at random: some seconds on one core."""
VIDEO_SAMPLE = 20
"""Video files that are decoded by default; the others are only looked for."""
SEED = 0
FRAME_RATE = 25.0  # of folders; no check depends on it
SUFFIXES = tuple(IMAGE_SUFFIXES)


@dataclass(frozen=True)
class Look:
    """A clip to look at.

    Attributes:
        path: the folder of its frames, or a video file.
        place: its place in a random order of all clips; the first ones are the sample.
        full: decode all of it, whatever its place.
    """

    path: Path
    place: int
    full: bool


@dataclass(frozen=True)
class ClipReport:
    """What was seen of a clip.

    Attributes:
        num_frames: the number of its frames; 0 if there are none, None for a video that was not decoded.
        missing: why there are no frames; empty if there are some.
        damaged: the number of images that can't be read.
        first_damage: the message about the first of these.
        sizes: width and height of the images that were decoded, each size once.
        decoded: how many images these are.
    """

    num_frames: int | None
    missing: str = ""
    damaged: int = 0
    first_damage: str = ""
    sizes: tuple[tuple[int, int], ...] = ()
    decoded: int = 0


def look_at_clips(paths: Sequence[Path], full: bool, workers: int, title: str) -> list[ClipReport]:
    """Look at the frames of clips, in `workers` processes.

    Folders are listed and empty files noticed in all of them, as is a missing end of the first and last image; pixels
    are decoded of a random sample, the same in each run, or of all images if `full`.

    Args:
        paths: a folder of images or a video file each.
        full: decode everything.
        workers: number of processes; threads would wait for each other, a million files take much Python.
        title: for the progress bar.

    Raises:
        PreparationError: a worker died.
    """
    order = random.Random(SEED).sample(range(len(paths)), len(paths))
    looks = [Look(path, place, full) for path, place in zip(paths, order, strict=True)]
    reports = map_clips(look_at_clip, looks, workers)
    return list(tqdm(reports, total=len(looks), desc=title, unit="clip", leave=False, disable=None))


def look_at_clip(look: Look) -> ClipReport:
    """Look at one clip; what is wrong with its files is reported, not raised."""
    try:
        return _look_at_video(look) if look.path.is_file() else _look_at_folder(look)
    except (ValueError, OSError, cv2.error) as error:
        return ClipReport(0, missing=_without_remedy(error))


def first_frame(path: Path) -> tuple[np.ndarray, Path]:
    """The first frame of a clip, uint8 (H, W, 3) RGB, and the file that it comes from.

    Raises:
        FrameError: it can't be read.
    """
    if path.is_file():
        return _first_of_video(open_video(path, FRAME_RATE)), path
    file = list_frame_files(path)[0]
    return read_image(file), file


def _look_at_folder(look: Look) -> ClipReport:
    images = _scan(look.path) or list_frame_files(look.path)  # which says why there are none
    names = sorted(image.name for image in images)
    if look.full:
        chosen = names
    else:
        suspects = [image.name for image in images if _is_empty(image)]
        suspects += [name for name in (names[0], names[-1]) if not _ends(look.path / name)]
        sample = [names[0], random.Random(look.place).choice(names)] if look.place < CLIP_SAMPLE else []
        chosen = list(dict.fromkeys(suspects + sample))
    sizes: dict[tuple[int, int], None] = {}
    damage: list[str] = []
    for name in chosen:
        try:
            height, width = read_image(look.path / name).shape[:2]
            sizes[width, height] = None
        except (ValueError, OSError, cv2.error) as error:
            damage.append(_without_remedy(error))
    first = damage[0] if damage else ""
    return ClipReport(len(names), "", len(damage), first, tuple(sizes), len(chosen) - len(damage))


def _look_at_video(look: Look) -> ClipReport:
    if look.full or look.place < VIDEO_SAMPLE:
        video = open_video(look.path, FRAME_RATE)
        height, width = _first_of_video(video).shape[:2]
        return ClipReport(video.num_frames, sizes=((width, height),), decoded=video.num_frames)
    empty = look.path.stat().st_size == 0
    return ClipReport(0, missing=f"the video {look.path} has zero bytes") if empty else ClipReport(None)


def _first_of_video(video: Video) -> np.ndarray:
    return next(video.frames([0]))


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    """The images of a folder by the rules of `list_frame_files`, but unsorted and many times as fast."""
    try:
        with os.scandir(folder) as entries:
            return [e for e in entries if e.name.lower().endswith(SUFFIXES) and not e.name.startswith(".")]
    except OSError:
        return []


def _is_empty(image: os.DirEntry[str] | Path) -> bool:
    """Whether there are no bytes; a file that can't be asked counts as such, so that reading it tells why."""
    try:
        return image.stat().st_size == 0
    except OSError:
        return True


def _ends(path: Path) -> bool:
    try:
        return has_end(path)
    except OSError:
        return False


def _without_remedy(error: Exception) -> str:
    """The message up to its last colon: the remedy is said once for all clips."""
    text = explain(error)
    return text.rpartition(": ")[0] or text
