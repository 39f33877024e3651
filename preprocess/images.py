"""Resize the frames of clips, several clips at a time; an interrupted run can be continued."""

from __future__ import annotations

import multiprocessing
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from tqdm import tqdm

from dataset.frames import FrameError, check_same_size, frame_paths, read_image, resize_frame
from preprocess.corpus import PreparationError

JPEG_QUALITY = 95
Result = TypeVar("Result")


@dataclass(frozen=True)
class ClipImages:
    """The frames of one clip: the folder to read and the folder to write."""

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


def resize_clip(clip: ClipImages, size: int) -> Outcome:
    """Write the frames of one clip into a folder beside `clip.target`, which is renamed to it when complete.

    PNG stays PNG, JPEG is written with quality 95; a file that has the size already is copied. One frame is in
    memory at a time.
    """
    try:
        sources = frame_paths(clip.source)
        if _is_complete(clip.target, sources, size):
            return Outcome(len(sources))
        unfinished = clip.target.with_name(f".{clip.target.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        shape: tuple[int, ...] = ()
        for source in sources:
            image = read_image(source)
            shape = shape or image.shape
            check_same_size(image, shape, source)
            _write(image, source, unfinished / source.name, size)
    except FrameError as error:
        return Outcome(problem=str(error))
    if clip.target.exists():
        shutil.rmtree(clip.target)
    unfinished.rename(clip.target)
    return Outcome(len(sources), written=True)


def _write(image: np.ndarray, source: Path, target: Path, size: int) -> None:
    if image.shape[:2] == (size, size):
        shutil.copyfile(source, target)
        return
    resized = cv2.cvtColor(resize_frame(image, size), cv2.COLOR_RGB2BGR)
    options = [] if target.suffix.lower() == ".png" else [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    encoded, data = cv2.imencode(target.suffix.lower(), resized, options)
    if not encoded:
        raise PreparationError(f"OpenCV can't write {target}")
    target.write_bytes(data.tobytes())


def _is_complete(target: Path, sources: Sequence[Path], size: int) -> bool:
    """Whether `target` holds all frames at the right size.

    A folder gets its name when it is complete, so this looks only for what happens to it later: files that were
    deleted, emptied (power failure) or cut short at the end, and another size, for which one image has to be read.
    """
    if not target.is_dir():
        return False
    try:
        paths = frame_paths(target)
        same = [path.name for path in paths] == [source.name for source in sources]
        return same and all(has_end(path) for path in paths) and read_image(paths[0]).shape == (size, size, 3)
    except FrameError:
        return False


def has_end(path: Path) -> bool:
    """Whether the file ends as the images written here do."""
    with path.open("rb") as file:
        length = file.seek(0, 2)
        file.seek(max(0, length - 8))
        return file.read().endswith((b"IEND\xaeB`\x82", b"\xff\xd9"))


def _count(folder: Path) -> Outcome:
    try:
        return Outcome(len(frame_paths(folder)))
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


def _start_worker() -> None:
    cv2.setNumThreads(1)
    # Ctrl-C goes to every process: the main one says so, the workers finish the clip at hand.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def map_clips(work: Callable[..., Result], items: Sequence[object], workers: int) -> Iterator[Result]:
    """`work` done on all items, in their order, by `workers` processes.

    Raises:
        PreparationError: a worker died.
    """
    if workers <= 1:
        yield from map(work, items)
        return
    # Not forked: OpenCV's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(workers, context, initializer=_start_worker) as pool:
            yield from pool.map(work, items)
    except BrokenProcessPool as error:
        raise PreparationError(
            "a worker process was killed, most likely for want of memory: run the same command again with fewer "
            "--workers"
        ) from error
