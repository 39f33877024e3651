"""Frames of a clip, one image a frame: in a folder, or in whatever else has the shape of a `FrameSource`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from dataset.image import UNPACK_AGAIN, FrameError, read_image

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})
"""What the names of frames end with, in small letters."""
OTHER_SUFFIXES = frozenset({".webp", ".bmp", ".tif", ".tiff", ".gif", ".jp2", ".avif", ".heic", ".ppm", ".exr", ".dng"})
"""Images that are not read, but named where a folder holds no other."""


def list_frame_files(folder: str | Path) -> list[Path]:
    """List the images of `folder` in the order of the numbers in their names (`2.png` before `10.png`).

    Files of other kinds and hidden ones are left out.

    Raises:
        FrameError: the folder is missing, not a folder, or holds no image.
    """
    folder = Path(folder)
    try:
        files = list(folder.iterdir())
    except FileNotFoundError as error:
        raise FrameError(f"no folder {folder}: is the corpus linked, unpacked and prepared completely?") from error
    except OSError as error:
        raise FrameError(f"the folder {folder} cannot be read: {error}") from error
    paths = [path for path in files if is_frame_file(path)]
    if not paths:
        others = sorted({path.suffix.lower() for path in files} & OTHER_SUFFIXES)
        held = f", but {' and '.join(others)}, which must be converted to PNG first" if others else ""
        raise FrameError(
            f"no image ({', '.join(sorted(IMAGE_SUFFIXES))}) in the folder {folder}{held}: unpack it from the corpus "
            "again"
        )
    return sorted(paths, key=natural_sort_key)


class FrameSource(Protocol):
    """The images of one clip, wherever they lie; `str` of it says where."""

    def __len__(self) -> int:
        """Count the images."""

    def name(self, index: int) -> str:
        """Give the name of image `index` for messages."""

    def image(self, index: int) -> np.ndarray:
        """Read image `index` as uint8 (H, W, 3) RGB; FrameError if it is damaged."""


class FrameFolder:
    """The images in a folder.

    Args:
        folder: the folder of one clip.

    Raises:
        FrameError: the folder is missing, not a folder, or holds no image.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = folder
        self.paths = list_frame_files(folder)

    def __str__(self) -> str:
        return str(self.folder)

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, index: int) -> str:
        """Give the path of image `index`."""
        return str(self.paths[index])

    def image(self, index: int) -> np.ndarray:
        """Read image `index` as uint8 (H, W, 3) RGB."""
        return read_image(self.paths[index])


def read_frames(
    source: str | Path | FrameSource,
    indices: Sequence[int] | None = None,
    size: int | None = None,
    view: Callable[[np.ndarray], np.ndarray] | None = None,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Read the frames of a clip, each one that is wanted once.

    Args:
        source: the clip's images; a path is the folder that holds them.
        indices: the positions of the T wanted frames among them, in any order, repeats allowed; all frames if None.
        size: the side in pixels of the square that frames of any other size are resized to (`resize_frame`); None
            leaves them as they are.
        view: the function that takes what to keep of each frame (H, W, 3), e.g. a crop; the rest is never in memory
            for more than one frame.
        out: the array that the frames are written to, and that is returned; a new one if None.

    Returns:
        uint8 (T, H, W, 3) RGB, with H = W = size if that is given; (T, *shape of a view) with `view`.

    Raises:
        FrameError: a missing or empty folder, a damaged image, an index out of range, no frame asked for, or
            images that differ in size.
    """
    if isinstance(source, (str, Path)):
        source = FrameFolder(source)
    wanted = list(range(len(source))) if indices is None else [int(index) for index in indices]
    _check_indices(wanted, len(source), source)
    frames = np.empty(0, np.uint8) if out is None else out  # empty until the first frame has shown the shape of all
    source_shape: tuple[int, ...] = ()
    first_use: dict[int, int] = {}  # longer clips are made by repeating frames: decoding is what costs time
    for position, index in enumerate(wanted):
        if index in first_use:
            frames[position] = frames[first_use[index]]
            continue
        first_use[index] = position
        image = source.image(index)
        source_shape = source_shape or image.shape
        # Before the resize, which would hide that a frame of another video has slipped in.
        check_same_size(image, source_shape, source.name(index))
        if size is not None:
            image = resize_frame(image, size)
        if view is not None:
            image = view(image)
        if position == 0 and out is None:
            frames = np.empty((len(wanted), *image.shape), np.uint8)  # (T, H, W, 3)
        frames[position] = image
    return frames


def resize_frame(image: np.ndarray, size: int) -> np.ndarray:
    """Resize uint8 (H, W, 3) to (size, size, 3); the aspect ratio is not kept, as in the papers' preparation.

    Lanczos over 8 x 8 pixels (`cv2.INTER_LANCZOS4`), which those systems used. Its kernel doesn't widen when an image
    shrinks, so a side more than twice `size` (CSL: 1280 x 720) is first averaged down to twice `size`
    (`cv2.INTER_AREA`): without that, thin structures such as fingers flicker. Up to a factor of two (PHOENIX,
    CSL-Daily) the result is plain Lanczos. An image that has the size already is returned as it is.
    """
    height, width = image.shape[:2]
    if (height, width) == (size, size):
        return image
    reduced = (min(width, 2 * size), min(height, 2 * size))
    if reduced != (width, height):
        image = cv2.resize(image, reduced, interpolation=cv2.INTER_AREA)
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_LANCZOS4)


def natural_sort_key(path: Path) -> tuple[list[str | int], str]:
    """Make the key to sort paths of one folder by, so that `2.png` comes before `10.png`."""
    parts = re.split(r"([0-9]+)", path.name)
    return [int(part) if odd % 2 else part for odd, part in enumerate(parts)], path.name


def check_same_size(image: np.ndarray, shape: tuple[int, ...], path: str | Path) -> None:
    """Raise FrameError, naming `path`, unless `image` has `shape`, that of the clip's first frame."""
    if image.shape != shape:
        raise FrameError(
            f"the image {path} is {_dimensions(image.shape)} pixels, but the first one of its clip is "
            f"{_dimensions(shape)}: {UNPACK_AGAIN}"
        )


def is_frame_file(path: Path) -> bool:
    """Whether a file is an image by its name; hidden files, which other programs leave behind, are none."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")


def _dimensions(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"


def _check_indices(indices: list[int], available: int, source: FrameSource) -> None:
    if not indices:
        raise FrameError(f"no frame was asked for, of the {available} in {source}")
    outside = [index for index in indices if not 0 <= index < available]
    if outside:
        raise FrameError(
            f"frame {outside[0]} was asked for, but {source} holds {available} (0 to {available - 1}): its manifest is "
            "out of date or frames are missing; prepare the corpus again"
        )
