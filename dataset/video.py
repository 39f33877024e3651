"""Videos: a file or a folder of images, read frame by frame, and the folders that hold several of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
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

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv"})
"""Looked for in a folder. A file that is named itself may be called anything."""

CAMERA = "1"  # PHOENIX2014 keeps the images of each clip in a folder of this name, its camera
COUNT_TOLERANCE = 0.01  # Matroska states a duration, which OpenCV turns into a number of frames


@dataclass(frozen=True)
class Video:
    """A video whose frames can be read: a file or a folder of images.

    Attributes:
        path: the file, or the folder that the images lie in.
        times: (T + 1,) the seconds at which each frame comes on, and at which the last one ends.
        rate: the average number of frames a second.
        announced: the number of frames that the file says it has; T if it does not say.
    """

    path: Path
    times: np.ndarray
    rate: float
    announced: int

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
        return _read_file(self.path, indices) if self.is_file else _read_folder(self.path, indices)


def open_video(path: str | Path, folder_rate: float, allow_truncated: bool = False) -> Video:
    """Find out what can be read of a video.

    A file is decoded once for that: what its header says of times and of the number of frames can be wrong.

    Args:
        path: a video file of any kind that OpenCV's FFmpeg reads, or a folder of images.
        folder_rate: the frames a second of a folder, whose images do not say it.
        allow_truncated: whether to take a file of which fewer frames can be read than it announces.

    Raises:
        FrameError: there is none, it is no video, or it has no frames or fewer than it announces.
    """
    path = Path(path)
    if path.is_file():
        if path.suffix.lower() in IMAGE_SUFFIXES:
            raise FrameError(f"{path} is one image: name a video, or the folder of a clip's images")
        return _open_file(path, allow_truncated)
    folder = _find_image_folder(path)
    count = len(list_frame_files(folder))
    return Video(folder, np.arange(count + 1) / folder_rate, folder_rate, count)


def list_clips(path: str | Path) -> dict[str, Path]:
    """List the clips at `path` by name, in natural order.

    A file is one clip and so is a folder with images in it. Any other folder holds clips: its videos and its folders
    of images; where there is no video, each of its folders must be one. Hidden files are left out.

    Raises:
        FrameError: nothing is there, or images and videos lie side by side.
    """
    path = Path(path)
    if path.is_file():
        return {path.stem: path}
    if not path.is_dir():
        raise FrameError(f"there is no file or folder {path}")
    visible = sorted((entry for entry in path.iterdir() if not entry.name.startswith(".")), key=natural_sort_key)
    images = [entry for entry in visible if entry.suffix.lower() in IMAGE_SUFFIXES and entry.is_file()]
    videos = [entry for entry in visible if entry.suffix.lower() in VIDEO_SUFFIXES and entry.is_file()]
    if images and videos:
        raise FrameError(
            f"{path} holds {len(images)} images and {len(videos)} videos: name one of the videos, or move the images "
            "of a clip into a folder of their own"
        )
    if images or _find_image_folder(path) != path:
        return {path.resolve().name: path}
    folders = [entry for entry in visible if entry.is_dir()]
    holding = [entry for entry in folders if _holds_images(_find_image_folder(entry))]
    clips = sorted((*videos, *(holding if videos else folders)), key=natural_sort_key)
    if not videos and not holding:
        kinds = ", ".join(sorted(IMAGE_SUFFIXES | VIDEO_SUFFIXES))
        raise FrameError(f"the folder {path} holds neither images nor videos ({kinds}), nor folders of images")
    stems = {entry.stem if entry.is_file() else entry.name: entry for entry in clips}
    return stems if len(stems) == len(clips) else {entry.name: entry for entry in clips}


def _open_file(path: Path, allow_truncated: bool) -> Video:
    with _open_capture(path) as capture:
        announced, rate = capture.get(cv2.CAP_PROP_FRAME_COUNT), capture.get(cv2.CAP_PROP_FPS)
        moments = []
        while capture.grab():
            moments.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    if not moments:
        raise FrameError(f"the video {path} has no frame that can be read: {_REPLACE}")
    announced = round(announced) if 0 < announced < 1e9 else len(moments)  # of a live recording it is nonsense
    missing = announced - len(moments)
    if missing > max(2, COUNT_TOLERANCE * announced) and not allow_truncated:
        raise FrameError(
            f"the video {path} announces {announced} frames, but only {len(moments)} can be read: it is cut short or "
            f"damaged, or was trimmed in a way that only hides frames; {_REPLACE} (test_one_video.py reads what is "
            "there with --allow-truncated)"
        )
    times = _compute_times(path, np.array(moments), rate)
    if len(moments) > 1:
        rate = float((len(moments) - 1) / (times[-2] - times[0]))
    return Video(path, times, rate, announced)


def _compute_times(path: Path, moments: np.ndarray, rate: float) -> np.ndarray:
    """Compute the (T + 1,) seconds from the frames' time stamps (T,); where those do not rise, from the frame rate."""
    steps = np.diff(moments)
    if len(steps) and (steps > 0).all():
        return np.append(moments, moments[-1] + np.median(steps))
    if not 0 < rate < 1e4:
        raise FrameError(f"the video {path} says neither when its frames come nor how many a second: re-encode it")
    return np.arange(len(moments) + 1) / rate


def _read_file(path: Path, indices: Sequence[int] | np.ndarray) -> Iterator[np.ndarray]:
    with _open_capture(path) as capture:
        position, frame = -1, None
        for index in indices:
            while position < index:
                if not capture.grab():
                    raise FrameError(f"the video {path} ends after {position + 1} frames; has it changed?")
                position, frame = position + 1, None
            # Retrieved only where it is wanted: turning a frame into a picture takes time.
            if frame is None:
                decoded, image = capture.retrieve()
                if not decoded:
                    raise FrameError(f"frame {position} of the video {path} cannot be decoded: {_REPLACE}")
                frame = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            yield frame


def _read_folder(folder: Path, indices: Sequence[int] | np.ndarray) -> Iterator[np.ndarray]:
    paths = list_frame_files(folder)
    position, frame, shape = -1, None, None
    for index in indices:
        if index != position or frame is None:
            position, frame = index, read_image(paths[index])
            shape = shape or frame.shape
            check_same_size(frame, shape, paths[index])
        yield frame


@contextmanager
def _open_capture(path: Path) -> Iterator[cv2.VideoCapture]:
    """Open the file by FFmpeg, which turns frames as the file's rotation says (telephones store it)."""
    # The absolute path: FFmpeg takes what stands before a colon for a protocol.
    capture = cv2.VideoCapture(str(path.resolve()), cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened():
            raise FrameError(
                f"{path} is no video, has no frames, or its end is missing ({path.stat().st_size} bytes): {_REPLACE}"
            )
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        yield capture
    finally:
        capture.release()


def _find_image_folder(path: Path) -> Path:
    """Find the images of the clip in folder `path`: they lie there, or in PHOENIX2014's folder of the camera."""
    return path / CAMERA if not _holds_images(path) and _holds_images(path / CAMERA) else path


def _holds_images(path: Path) -> bool:
    return path.is_dir() and any(is_frame_file(entry) and entry.is_file() for entry in path.iterdir())


_REPLACE = "copy or download it again, or convert it with another program"
