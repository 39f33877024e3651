"""Videos: a file or a folder of images, read frame by frame, and the folders that hold several of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset.frames import (
    IMAGE_SUFFIXES,
    FrameError,
    check_same_size,
    is_frame_file,
    list_frame_files,
    natural_sort_key,
    read_image,
)
from dataset.video_file import REPLACE, read_frames_of_file
from dataset.video_scan import scan_file
from utils.files import real_path
from utils.text import number_repeats, plural, show_name
from utils.unicode import find_on_disk, to_nfc

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".3gp", ".mts", ".m2ts"}
)
"""Looked for in a folder. A file that is named itself may be called anything."""

CAMERA = "1"  # PHOENIX2014 keeps the images of each clip in a folder of this name, its camera


@dataclass(frozen=True)
class Video:
    """A video whose frames can be read: a file or a folder of images.

    Attributes:
        path: the file, or the folder that the images lie in.
        times: (T + 1,) the seconds at which each frame comes on, and at which the last one ends.
        rate: the average number of frames a second.
        cut: "cut short, ..." and how this is known; empty if the file is whole.
        damage: "damaged in ..." and which frames, as far as FFmpeg noticed; empty if none is known.
        num_damaged: the number of frames that are damaged or could not be decoded at all.
    """

    path: Path
    times: np.ndarray
    rate: float
    cut: str = ""
    damage: str = ""
    num_damaged: int = 0

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with the file."""
        return tuple(fault for fault in (self.cut, self.damage) if fault)

    @property
    def num_frames(self) -> int:
        """The number of frames T that can be read."""
        return len(self.times) - 1

    @property
    def is_file(self) -> bool:
        """Whether it is a file, which players and ELAN can open, and not a folder of images."""
        return self.path.is_file()

    def frames(self, indices: Sequence[int] | np.ndarray) -> Iterator[np.ndarray]:
        """Read frames, one at a time: uint8 (H, W, 3) RGB.

        Args:
            indices: the positions of the frames, which never fall but may repeat: seeking backwards in a file is slow,
                and with some codecs it lands on another frame.

        Raises:
            FrameError: an image is damaged or of another size, the file has become shorter, or an index falls.
        """
        if np.any(np.diff(indices) < 0):
            raise FrameError(f"frames of {self.path} can only be read forwards")
        return read_frames_of_file(self.path, indices) if self.is_file else _read_folder(self.path, indices)


def open_video(
    path: str | Path, folder_rate: float, allow_truncated: bool = False, check: Callable[[], None] | None = None
) -> Video:  # fmt: skip
    """Find out what can be read of a video.

    Args:
        path: a video file of any kind that FFmpeg reads, or a folder of images.
        folder_rate: the frames a second of a folder, whose images do not say it.
        allow_truncated: whether to take a file that was cut short or has damaged frames; what is wrong is then in
            `faults`.
        check: called again and again while a file is looked through; what it raises ends that.

    Raises:
        FrameError: there is none, it is no video, has no frames, was cut short or is damaged.
    """
    path = find_on_disk(Path(path))
    if path.is_file():
        if path.suffix.lower() in IMAGE_SUFFIXES:
            raise FrameError(f"{path} is one image: name a video, or the folder of a clip's images")
        return _open_file(path, allow_truncated, check)
    _check_is_folder(path)
    folder = _find_image_folder(path)
    count = len(list_frame_files(folder))
    return Video(folder, np.arange(count + 1) / folder_rate, folder_rate)


def list_clips(path: str | Path) -> dict[str, Path]:
    """List the clips at `path` by name, in natural order.

    Names are texts in NFC (`utils.text.show_name`); where those of several files are the same so, they are numbered.

    A file is one clip and so is a folder with images in it. Any other folder holds clips: its videos and its folders
    of images; where there is no video, each of its folders must be one. Hidden files are left out.

    Raises:
        FrameError: nothing is there, or images and videos lie side by side.
    """
    path = find_on_disk(Path(path))
    if path.is_file():
        return {_name_clip(path.stem): path}
    _check_is_folder(path)
    if not path.is_dir():
        raise FrameError(f"there is no file or folder {path}")
    visible = sorted((entry for entry in path.iterdir() if not entry.name.startswith(".")), key=natural_sort_key)
    images = [entry for entry in visible if entry.suffix.lower() in IMAGE_SUFFIXES and entry.is_file()]
    # A link whose file is gone is among them: that it cannot be read is then said.
    videos = [entry for entry in visible if entry.suffix.lower() in VIDEO_SUFFIXES and not entry.is_dir()]
    if images and videos:
        raise FrameError(
            f"{path} holds {plural(len(images), 'image')} and {plural(len(videos), 'video')}: name one of the videos, "
            "or move the images of a clip into a folder of their own"
        )
    if images or _find_image_folder(path) != path:
        return {_name_clip(real_path(path).name): path}
    folders = [entry for entry in visible if entry.is_dir()]
    holding = [entry for entry in folders if _holds_images(_find_image_folder(entry))]
    clips = sorted((*videos, *(holding if videos else folders)), key=natural_sort_key)
    if not videos and not holding:
        kinds = ", ".join(sorted(IMAGE_SUFFIXES | VIDEO_SUFFIXES))
        raise FrameError(f"the folder {path} holds neither images nor videos ({kinds}), nor folders of images")
    names = [entry.stem if entry.is_file() else entry.name for entry in clips]
    if len(set(names)) < len(clips):
        names = [entry.name for entry in clips]
    return dict(zip(number_repeats(map(_name_clip, names)), clips, strict=True))


def _name_clip(name: str) -> str:
    return to_nfc(show_name(name))


def _open_file(path: Path, allow_truncated: bool, check: Callable[[], None] | None) -> Video:
    try:
        scan = scan_file(path, check)
    except OSError as error:
        raise FrameError(f"the video {path} cannot be read: {error}") from error
    times = scan.times if len(scan.times) == 2 else scan.times[:-1]  # how long the last frame stays is a guess
    rate = float((len(times) - 1) / (times[-1] - times[0]))
    video = Video(path, scan.times, rate, scan.cut, scan.damage, scan.num_damaged)
    if video.faults and not allow_truncated:
        raise FrameError(
            f"the video {path} is {' and '.join(video.faults)}: {REPLACE}, or read what is there with --allow-truncated"
        )
    return video


def _read_folder(folder: Path, indices: Sequence[int] | np.ndarray) -> Iterator[np.ndarray]:
    paths = list_frame_files(folder)
    position, frame, shape = -1, None, None
    for index in indices:
        if index != position or frame is None:
            position, frame = index, read_image(paths[index])
            shape = shape or frame.shape
            check_same_size(frame, shape, paths[index])
        yield frame


def _find_image_folder(path: Path) -> Path:
    """Find the images of the clip in folder `path`: they lie there, or in PHOENIX2014's folder of the camera."""
    return path / CAMERA if not _holds_images(path) and _holds_images(path / CAMERA) else path


def _holds_images(path: Path) -> bool:
    return path.is_dir() and any(is_frame_file(entry) and entry.is_file() for entry in path.iterdir())


def _check_is_folder(path: Path) -> None:
    """Raise FrameError for what is neither file nor folder: a pipe would be waited for without end."""
    if path.exists() and not path.is_dir():
        raise FrameError(f"{path} is neither a file nor a folder")
