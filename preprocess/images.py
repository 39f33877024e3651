"""Resize the frames of clips (folders of images, or videos), several at a time; an interrupted run can be continued."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from dataset.frames import IMAGE_ENDS, FrameError, check_same_size, list_frame_files, read_image, resize_frame
from dataset.video import VIDEO_SUFFIXES, open_video
from preprocess.corpora.corpus import PreparationError
from utils.files import write_json
from utils.plain_json import read_json
from utils.progress import show_progress
from utils.workers import map_in_workers

JPEG_QUALITY = 95  # OpenCV's default, stated so that another version of it can't change what is written
MARKER = ".source.json"
"""The file beside the frames of a clip that says what they were made from, and how many they are. Without it, frames of
the same names and number that took the place of the old ones in the corpus would go unnoticed."""
MOST_PROBLEMS = 10
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class ClipToResize:
    """A clip whose frames are to be resized.

    Attributes:
        source: the folder of its images, or its video.
        target: the folder to write its resized frames to.
    """

    source: Path
    target: Path


@dataclass(frozen=True)
class ClipOutcome:
    """What became of a clip whose frames were resized or counted.

    Attributes:
        num_frames: the number of its frames.
        written: whether they were written now, and not by an earlier run.
        problem: the reason why it has no frames; empty if it has some.
        faults: what is wrong with its video, where that was allowed.
    """

    num_frames: int = 0
    written: bool = False
    problem: str = ""
    faults: tuple[str, ...] = ()


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


def count_clip_frames(folders: Sequence[Path]) -> list[ClipOutcome]:
    """Count the frames of the clips in `folders`, without reading them.

    Raises:
        PreparationError: one or more folders are missing or hold no image.
    """
    return _work_on_clips(_count_frames, folders, 1, "looking for frames")


def is_video(path: Path) -> bool:
    """Whether the clip at `path`, which need not exist, is a video and not a folder of images."""
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.is_dir()


def resize_clip(clip: ClipToResize, size: int, allow_truncated: bool = False) -> ClipOutcome:
    """Write the frames of one clip.

    PNG stays PNG, JPEG and the frames of videos are written as JPEG with quality 95; an image that has the size
    already is copied. One frame is in memory at a time.
    """
    # Frames go to a folder beside the target, which gets its name when it is complete: a run may be killed at any
    # moment, and the next one takes a folder with the right name for finished.
    unfinished = clip.target.with_name(f".{clip.target.name}.unfinished")
    try:
        finished = _find_finished(clip, size)
        if finished.num_frames and (allow_truncated or not finished.faults):
            return finished
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        if is_video(clip.source):
            outcome = _resize_video(clip.source, unfinished, size, allow_truncated)
        else:
            outcome = ClipOutcome(_resize_folder(clip.source, unfinished, size), written=True)
        faults = {"faults": outcome.faults} if outcome.faults else {}
        write_json(unfinished / MARKER, {**_identify_source(clip.source), "frames": outcome.num_frames, **faults})
    except FrameError as error:
        # Told and not raised: the other clips go on, and the user learns of all damaged ones at once.
        shutil.rmtree(unfinished, ignore_errors=True)
        return ClipOutcome(problem=str(error))
    if clip.target.exists():
        shutil.rmtree(clip.target)
    unfinished.rename(clip.target)
    return outcome


def _resize_folder(source: Path, target: Path, size: int) -> int:
    """Resize the images of a folder; returns their number."""
    paths = list_frame_files(source)
    shape: tuple[int, ...] = ()
    for path in paths:
        image = read_image(path)
        shape = shape or image.shape
        check_same_size(image, shape, path)
        # Writing a JPEG anew would cost a little of its quality; what has bytes behind its end counts as unfinished.
        if image.shape[:2] == (size, size) and has_end(path):
            shutil.copyfile(path, target / path.name)
        else:
            (target / path.name).write_bytes(encode_frame(image, path.suffix, size))
    return len(paths)


def _resize_video(source: Path, target: Path, size: int, allow_truncated: bool) -> ClipOutcome:
    """Resize all frames of a video, whatever their rate."""
    video = open_video(source, folder_rate=1, allow_truncated=allow_truncated)
    for index, image in enumerate(video.frames(range(video.num_frames))):
        name = _name_frame(index)
        (target / name).write_bytes(encode_frame(image, Path(name).suffix, size))
    return ClipOutcome(video.num_frames, written=True, faults=video.faults)


def _name_frame(index: int) -> str:
    return f"{index + 1:06d}.jpg"


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


def _identify_source(source: Path) -> dict[str, str | int]:
    """Make a fingerprint of the source from names, sizes and times of change."""
    if not is_video(source):
        files = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in list_frame_files(source)]
        return {"images": zlib.crc32(repr(files).encode())}
    try:
        state = source.stat()
    except OSError as error:
        raise FrameError(f"no video {source}: is the corpus linked and unpacked completely?") from error
    return {"video": source.name, "bytes": state.st_size, "modified_ns": state.st_mtime_ns}


def _find_finished(clip: ClipToResize, size: int) -> ClipOutcome:
    """Find the frames that were written of the source as it is now, all of them or none; only the first is decoded."""
    identity = _identify_source(clip.source)
    try:
        marker = read_json(clip.target / MARKER)
        frames, faults = int(marker.pop("frames")), tuple(map(str, marker.pop("faults", ())))
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return ClipOutcome()
    if marker != identity:
        return ClipOutcome()
    if is_video(clip.source):
        names = [_name_frame(index) for index in range(frames)]
    else:
        names = [path.name for path in list_frame_files(clip.source)]
    return ClipOutcome(frames, faults=faults) if _is_complete(clip.target, names, size) else ClipOutcome()


def _is_complete(target: Path, names: Sequence[str], size: int) -> bool:
    """Whether `target` holds the frames of these names, and no other, at the right size.

    A folder gets its name when it is complete, so this looks only for what happens to it later: files that were
    deleted, emptied (power failure) or cut short at the end, and another size, for which one image has to be read.
    """
    if not target.is_dir():
        return False
    try:
        paths = list_frame_files(target)
        same = [path.name for path in paths] == list(names)
        return same and all(has_end(path) for path in paths) and read_image(paths[0]).shape == (size, size, 3)
    except FrameError:
        return False


def has_end(path: Path) -> bool:
    """Whether the file ends as the images written here do; nothing else of it is read, so this is fast."""
    longest = max(len(end) for end in IMAGE_ENDS)
    with path.open("rb") as file:
        length = file.seek(0, 2)
        file.seek(max(0, length - longest))
        return file.read().endswith(IMAGE_ENDS)


def _count_frames(folder: Path) -> ClipOutcome:
    try:
        return ClipOutcome(len(list_frame_files(folder)))
    except FrameError as error:
        return ClipOutcome(problem=str(error))


def _work_on_clips(
    work: Callable[[Item], ClipOutcome], clips: Sequence[Item], workers: int, title: str
) -> list[ClipOutcome]:
    outcomes = list(show_progress(map_clips(work, clips, workers), len(clips), title, "clip"))
    problems = [outcome.problem for outcome in outcomes if outcome.problem]
    if problems:
        lines = [f"{len(problems)} of {len(clips)} clips have no readable frames:", *problems[:MOST_PROBLEMS]]
        if len(problems) > MOST_PROBLEMS:
            lines.append(f"and {len(problems) - MOST_PROBLEMS} more")
        raise PreparationError("\n    ".join(lines))
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
