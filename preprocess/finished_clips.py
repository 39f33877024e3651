"""Which clips an earlier run has finished: their frames lie in a folder with a marker that says what they are."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataset.frames import FrameError, list_frame_files, read_image
from dataset.video import VIDEO_SUFFIXES, open_video
from preprocess.corpora.corpus import PreparationError
from utils.files import write_json
from utils.plain_json import read_json

MARKER = ".source.json"
"""The file beside the frames of a clip that says what they were made from, and how many they are. Without it, frames of
the same names and number that took the place of the old ones in the corpus would go unnoticed."""

IMAGE_ENDS = (b"IEND\xaeB`\x82", b"\xff\xd9")
"""The last bytes of a complete PNG (its last chunk with its checksum) and of a complete JPEG (its end marker)."""


@dataclass(frozen=True)
class ClipToResize:
    """A clip whose frames are to be resized.

    Attributes:
        source: the folder of its images, or its video.
        target: the folder to write its resized frames to.
        rate: the frames a second of a folder, whose images do not say it; None if nobody knows.
        fps: the frames a second that are to be written; all frames if None.
        image_format: the format of the resized frames; if None, images stay what they are, and the frames of videos
            become JPEG.
    """

    source: Path
    target: Path
    rate: float | None = None
    fps: float | None = None
    image_format: str | None = None


@dataclass(frozen=True)
class ClipOutcome:
    """What became of a clip whose frames were resized or counted.

    Attributes:
        num_frames: the number of its frames.
        rate: their number a second; None for images, unless that is known.
        written: whether they were written now, and not by an earlier run.
        problem: the reason why it has no frames; empty if it has some.
        faults: what is wrong with its video, where that was allowed.
    """

    num_frames: int = 0
    rate: float | None = None
    written: bool = False
    problem: str = ""
    faults: tuple[str, ...] = ()


def is_video(path: Path) -> bool:
    """Whether the clip at `path`, which need not exist, is a video and not a folder of images."""
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.is_dir()


def name_frame(index: int, suffix: str = ".jpg") -> str:
    """Name a frame by its number, which counts from 1 in names."""
    return f"{index + 1:06d}{suffix}"


def read_marker(folder: Path) -> dict[str, Any]:
    """Read the marker of a clip that was resized; empty if there is none, or none that can be read."""
    try:
        marker = read_json(folder / MARKER)
    except (OSError, ValueError):
        return {}
    return marker if isinstance(marker, dict) else {}


def mark_finished(clip: ClipToResize, folder: Path, outcome: ClipOutcome) -> None:
    """Write the marker into the folder that holds all frames of a clip."""
    known: dict[str, Any] = {"rate": outcome.rate} if is_video(clip.source) else {}
    if outcome.faults:
        known["faults"] = outcome.faults
    if clip.image_format:
        known["image_format"] = clip.image_format
    write_json(folder / MARKER, {**_identify_clip(clip), "frames": outcome.num_frames, **known})


def _identify_clip(clip: ClipToResize) -> dict[str, str | int | float | None]:
    wanted: dict[str, float | None] = {} if clip.fps is None else {"fps": clip.fps}
    if wanted and not is_video(clip.source):
        wanted["image_fps"] = clip.rate
    return {**_identify_source(clip.source), **wanted}


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


def find_finished(clip: ClipToResize, size: int) -> ClipOutcome:
    """Find the frames that an earlier run wrote of the source as it is now, in the way that is wanted now.

    All of them or none; only the first is decoded.
    """
    identity = _identify_clip(clip)
    marker = read_marker(clip.target)
    try:
        frames, rate = int(marker.pop("frames")), marker.pop("rate", None)
        faults = tuple(map(str, marker.pop("faults", ())))
        marker.pop("image_format", None)  # the names of the frames say it
    except (ValueError, TypeError, KeyError):
        return ClipOutcome()
    video = is_video(clip.source)
    names = name_frames(clip, frames)
    if marker != identity or not _is_complete(clip.target, names, size):
        return ClipOutcome()
    if not video:
        return ClipOutcome(frames, clip.fps or clip.rate)
    if rate is None:  # an earlier version wrote them
        rate = open_video(clip.source, folder_rate=1, allow_truncated=bool(faults)).rate
        mark_finished(clip, clip.target, ClipOutcome(frames, rate, faults=faults))
    return ClipOutcome(frames, rate, faults=faults)


def name_frames(clip: ClipToResize, count: int) -> list[str]:
    """Name the resized frames of a clip, in their order.

    Args:
        clip: the clip.
        count: the number of its resized frames, if it is a video, or is resampled.

    Raises:
        FrameError: there are no images, or two that would get one name.
    """
    given = f".{clip.image_format}" if clip.image_format else ""
    if is_video(clip.source):
        return [name_frame(index, given or ".jpg") for index in range(count)]
    images = list_frame_files(clip.source)
    if clip.fps is not None:
        # Images of several kinds in one folder are all written as the first one is.
        return [name_frame(index, given or images[0].suffix) for index in range(count)]
    names = [image.name if not given or _is_of(image, given) else image.stem + given for image in images]
    if len(set(names)) < len(names):
        raise FrameError(
            f"{clip.source} holds images that differ in their suffix alone: remove those that are no frames"
        )
    return names


def check_image_format(clips: Sequence[ClipToResize]) -> None:
    """Check that frames which are there already have the format that is wanted now, by the first clip that has some.

    Raises:
        PreparationError: they were written of the same images or video in another one.
    """
    for clip in clips:
        marker = read_marker(clip.target)
        if not marker:
            continue
        try:
            there = list_frame_files(clip.target)[0]
            wanted = Path(name_frames(clip, 1)[0])
            same_source = _identify_clip(clip).items() <= marker.items()
        except FrameError:  # which is said where they are resized
            return
        if same_source and not _is_of(there, wanted.suffix):
            have, want, option = ("PNG", "JPEG", "png") if _is_of(there, ".png") else ("JPEG", "PNG", "jpg")
            raise PreparationError(
                f"{clip.target.parent} holds frames that were prepared as {have}, and now they are to be {want}: add "
                f"--image-format {option} to go on with them, name another folder with --output, or delete these "
                "frames to write all of them anew"
            )
        return


def _is_of(image: Path, suffix: str) -> bool:
    """Whether an image is of the format of a suffix, by its name."""
    return (image.suffix.lower() == ".png") == (suffix.lower() == ".png")


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
