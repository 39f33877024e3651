"""Inspecting the frames of many clips: decoding all of them, or a sample."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from dataset.frames import IMAGE_SUFFIXES, list_frame_files, read_image
from dataset.video import Video, open_video
from preprocess.examination.check_result import format_error
from preprocess.finished_clips import has_end
from preprocess.images import map_clips
from utils.progress import show_progress

CLIP_SAMPLE = 1000
"""Clips of which two images are decoded by default, the first and one at random: some seconds on one core."""
VIDEO_SAMPLE = 20
"""Video files that are decoded by default; the others are only looked for."""
SEED = 0  # The same sample in each run: a warning does not come and go while a user corrects things.
FRAME_RATE = 25.0  # No check depends on it; a video has its own, and a folder needs one to be opened.
SUFFIXES = tuple(IMAGE_SUFFIXES)


@dataclass(frozen=True)
class ClipToInspect:
    """A clip that is to be inspected.

    Attributes:
        path: the folder of its frames, or a video file.
        place: the clip's place in a random order of all clips; the first ones are the sample.
        full: whether to decode all of it, whatever its place.
    """

    path: Path
    place: int
    full: bool


@dataclass(frozen=True)
class ClipState:
    """The state that a clip was found in.

    Attributes:
        num_frames: the number of its frames; 0 if there are none, None for a video that was not decoded.
        missing: the reason why there are no frames; empty if there are some.
        damaged: the number of images that are damaged.
        damage: the message about them.
        sizes: width and height of the images that were decoded, each size once.
        decoded: the number of images that were decoded.
        rate: the frames a second of a video that was decoded; images do not say it.
    """

    num_frames: int | None
    missing: str = ""
    damaged: int = 0
    damage: str = ""
    sizes: tuple[tuple[int, int], ...] = ()
    decoded: int = 0
    rate: float | None = None


def inspect_clips(paths: Sequence[Path], full: bool, workers: int, title: str) -> list[ClipState]:
    """Inspect the frames of clips, in `workers` processes.

    Folders are listed and empty files noticed in all of them, as is a missing end of the first and last image; pixels
    are decoded of a random sample, the same in each run, or of all images if `full`.

    Args:
        paths: the clips, each a folder of images or a video file.
        full: whether to decode everything.
        workers: the number of processes, since Python runs one thread at a time and listing a million files is slow.
        title: the text of the progress bar.

    Raises:
        PreparationError: a worker died.
    """
    order = random.Random(SEED).sample(range(len(paths)), len(paths))
    clips = [ClipToInspect(path, place, full) for path, place in zip(paths, order, strict=True)]
    states = map_clips(inspect_clip, clips, workers)
    return list(show_progress(states, len(clips), title, "clip"))


def inspect_clip(clip: ClipToInspect) -> ClipState:
    """Inspect one clip; what is wrong with its files is part of the result and raises nothing."""
    try:
        return _inspect_video(clip) if clip.path.is_file() else _inspect_folder(clip)
    except (ValueError, OSError, cv2.error) as error:
        return ClipState(0, missing=_format_without_remedy(error))


def read_first_frame(path: Path) -> tuple[np.ndarray, Path]:
    """Read the first frame of a clip, uint8 (H, W, 3) RGB; also returns the file that it comes from.

    Raises:
        FrameError: it can't be read.
    """
    if path.is_file():
        return _decode_first(open_video(path, FRAME_RATE, allow_truncated=True)), path
    file = list_frame_files(path)[0]
    return read_image(file), file


def _inspect_folder(clip: ClipToInspect) -> ClipState:
    images = _scan_images(clip.path) or list_frame_files(clip.path)  # The second one raises why there are none.
    names = sorted(image.name for image in images)
    if clip.full:
        chosen = names
    else:
        suspects = [image.name for image in images if _is_empty(image)]
        # Opening a million images to see their ends takes long, so only the first and the last of a folder are opened.
        suspects += [name for name in (names[0], names[-1]) if not _ends_well(clip.path / name)]
        sample = [names[0], random.Random(clip.place).choice(names)] if clip.place < CLIP_SAMPLE else []
        chosen = list(dict.fromkeys(suspects + sample))
    sizes: dict[tuple[int, int], None] = {}
    damage: list[str] = []
    for name in chosen:
        try:
            height, width = read_image(clip.path / name).shape[:2]
            sizes[width, height] = None
        except (ValueError, OSError, cv2.error) as error:
            damage.append(_format_without_remedy(error))
    more = f", and {len(damage) - 1} more of this clip" if len(damage) > 1 else ""
    named = f"{damage[0]}{more}" if damage else ""
    return ClipState(len(names), "", len(damage), named, tuple(sizes), len(chosen) - len(damage))


def _inspect_video(clip: ClipToInspect) -> ClipState:
    if clip.full or clip.place < VIDEO_SAMPLE:
        video = open_video(clip.path, FRAME_RATE, allow_truncated=True)
        if video.cut:
            return ClipState(0, missing=f"the video {clip.path} is {video.cut}")
        height, width = _decode_first(video).shape[:2]
        damage = f"{clip.path} is {video.damage}" if video.damage else ""
        sizes, count = ((width, height),), video.num_frames
        return ClipState(count, "", video.num_damaged, damage, sizes, count, video.rate)
    if clip.path.stat().st_size == 0:
        return ClipState(0, missing=f"the video {clip.path} has zero bytes")
    return ClipState(None)


def _decode_first(video: Video) -> np.ndarray:
    return next(video.frames([0]))


def _scan_images(folder: Path) -> list[os.DirEntry[str]]:
    """List the images of a folder by the rules of `list_frame_files`, but unsorted and many times as fast."""
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


def _ends_well(path: Path) -> bool:
    try:
        return path.is_file() and has_end(path)
    except OSError:
        return False


def _format_without_remedy(error: Exception) -> str:
    """Format the message of an error up to its last colon: the remedy is said once for all clips."""
    text = format_error(error)
    return text.rpartition(": ")[0] or text
