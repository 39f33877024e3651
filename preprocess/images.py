"""Resize the frames of clips (folders of images, or videos), several at a time; an interrupted run can be continued."""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from tqdm import tqdm

from dataset.frames import IMAGE_ENDS, FrameError, check_same_size, list_frame_files, read_image, resize_frame
from dataset.video import VIDEO_SUFFIXES, open_video
from preprocess.corpora.corpus import PreparationError
from utils.files import write_json
from utils.workers import map_in_workers

JPEG_QUALITY = 95
Result = TypeVar("Result")
MARKER = ".source.json"
"""Beside the frames of a clip: what they were made from, and how many they are."""


@dataclass(frozen=True)
class ClipImages:
    """The frames of one clip: the folder or video to read and the folder to write."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Outcome:
    """What became of a clip: the number of its frames, whether they were written now, or why there are none."""

    num_frames: int = 0
    written: bool = False
    problem: str = ""


def resize_clips(clips: Sequence[ClipImages], size: int, workers: int = 1) -> list[Outcome]:
    """Write the frames of `clips`, resized to size x size, with `workers` processes; finished clips are kept.

    Raises:
        PreparationError: one or more clips have frames that can't be read (all others are done all the same),
            or a worker died.
    """
    return _run(partial(resize_clip, size=size), clips, workers, "resizing")


def count_clips(folders: Sequence[Path]) -> list[Outcome]:
    """Count the frames of the clips in `folders`, without reading them.

    Raises:
        PreparationError: one or more folders are missing or hold no image.
    """
    return _run(_count, folders, 1, "looking for frames")


def is_video(path: Path) -> bool:
    """Whether the clip at `path`, which need not exist, is a video and not a folder of images."""
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.is_dir()


def resize_clip(clip: ClipImages, size: int) -> Outcome:
    """Write the frames of one clip into a folder beside `clip.target`, which is renamed to it when complete.

    PNG stays PNG, JPEG and the frames of videos are written as JPEG with quality 95; an image that has the size
    already is copied. One frame is in memory at a time.
    """
    unfinished = clip.target.with_name(f".{clip.target.name}.unfinished")
    try:
        if finished := _finished(clip, size):
            return Outcome(finished)
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        written = (_write_video if is_video(clip.source) else _write_folder)(clip.source, unfinished, size)
        write_json(unfinished / MARKER, {**_identity(clip.source), "frames": written})
    except FrameError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        return Outcome(problem=str(error))
    if clip.target.exists():
        shutil.rmtree(clip.target)
    unfinished.rename(clip.target)
    return Outcome(written, written=True)


def _write_folder(source: Path, target: Path, size: int) -> int:
    """Write the frames of a folder; returns their number."""
    paths = list_frame_files(source)
    shape: tuple[int, ...] = ()
    for path in paths:
        image = read_image(path)
        shape = shape or image.shape
        check_same_size(image, shape, path)
        if image.shape[:2] == (size, size):
            shutil.copyfile(path, target / path.name)
        else:
            _write(image, target / path.name, size)
    return len(paths)


def _write_video(source: Path, target: Path, size: int) -> int:
    """Write all frames of a video, whatever their rate; returns their number."""
    video = open_video(source, folder_rate=1)
    for index, image in enumerate(video.frames(range(video.num_frames))):
        _write(image, target / _frame_name(index), size)
    return video.num_frames


def _frame_name(index: int) -> str:
    return f"{index + 1:06d}.jpg"


def _identity(source: Path) -> dict[str, str | int]:
    """What changes when other frames take the place of these: by names, sizes and times of change alone."""
    if not is_video(source):
        files = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in list_frame_files(source)]
        return {"images": zlib.crc32(repr(files).encode())}
    try:
        state = source.stat()
    except OSError as error:
        raise FrameError(f"no video {source}: is the corpus linked and unpacked completely?") from error
    return {"video": source.name, "bytes": state.st_size, "modified_ns": state.st_mtime_ns}


def encode_frame(image: np.ndarray, suffix: str, size: int) -> bytes:
    """Resize a frame, uint8 (H, W, 3) RGB, to size x size and encode it as the format of `suffix`, `.png` or `.jpg`.

    Raises:
        PreparationError: OpenCV can't encode it.
    """
    resized = cv2.cvtColor(resize_frame(image, size), cv2.COLOR_RGB2BGR)
    options = [] if suffix == ".png" else [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    encoded, data = cv2.imencode(suffix, resized, options)
    if not encoded:
        raise PreparationError(f"OpenCV can't write images of the type {suffix}")
    return data.tobytes()


def _write(image: np.ndarray, target: Path, size: int) -> None:
    target.write_bytes(encode_frame(image, target.suffix.lower(), size))


def _finished(clip: ClipImages, size: int) -> int:
    """The number of frames if those of the source, as it is now, have been written, else 0; nothing is decoded."""
    identity = _identity(clip.source)
    try:
        marker = json.loads((clip.target / MARKER).read_text(encoding="utf-8"))
        frames = int(marker.pop("frames"))
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return 0
    if is_video(clip.source):
        names = [_frame_name(index) for index in range(frames)]
    else:
        names = [path.name for path in list_frame_files(clip.source)]
    return frames if marker == identity and _is_complete(clip.target, names, size) else 0


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
    """Whether the file ends as the images written here do."""
    with path.open("rb") as file:
        length = file.seek(0, 2)
        file.seek(max(0, length - 8))
        return file.read().endswith(IMAGE_ENDS)


def _count(folder: Path) -> Outcome:
    try:
        return Outcome(len(list_frame_files(folder)))
    except FrameError as error:
        return Outcome(problem=str(error))


def _run(work: Callable[..., Outcome], items: Sequence[object], workers: int, title: str) -> list[Outcome]:
    outcomes = list(tqdm(map_clips(work, items, workers), total=len(items), desc=title, unit="clip", leave=False))
    problems = [outcome.problem for outcome in outcomes if outcome.problem]
    if problems:
        listed = "".join(f"\n    {problem}" for problem in problems[:10])
        more = f"\n    and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise PreparationError(f"{len(problems)} of {len(items)} clips have no readable frames:{listed}{more}")
    return outcomes


def map_clips(work: Callable[..., Result], items: Sequence[object], workers: int) -> Iterator[Result]:
    """`work` done on all items, in their order, by `workers` processes.

    Raises:
        PreparationError: a worker died.
    """
    killed = PreparationError(
        "a worker process was killed, most likely for want of memory: run the same command again with fewer --workers"
    )
    return map_in_workers(work, items, workers, killed)
