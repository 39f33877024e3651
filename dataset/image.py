"""One image: read from a PNG or JPEG as viewers show it, or refused with the reason."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from dataset.image_header import ImageHeader, read_image_header
from utils.c_messages import hear_c_library
from utils.errors import InputError

UNPACK_AGAIN = "unpack its clip from the corpus again, or prepare the corpus again"
MOST_PIXELS = 1 << 26
"""Twice those of a frame of 8K video. The header of a damaged image may name any size, and decoding would take the
memory for it."""
DARKEST_16_BITS = 1 << 14
"""What the brightest value of an image of 16 bits must reach. The 10, 12 or 14 bits of a camera are often stored in 16
without being scaled, which viewers show as black; no header says so."""

_LIBRARY_LINE = re.compile(
    r"libpng |Corrupt JPEG|Premature end of JPEG|Inconsistent progression|Invalid SOS|Unknown Adobe color|"
    r"Warning: unknown JFIF|Unsupported |Bogus |Invalid |\[ *(WARN|ERROR|INFO)"
)
_HARMLESS = re.compile(r"libpng warning|Unknown Adobe color|Warning: unknown JFIF|.*bad ICC marker|\[ *(WARN|INFO)")


class FrameError(InputError, ValueError):
    """Frames, their pack or their features are missing or cannot be read; the message names the file and what to do."""


def read_image(path: str | Path) -> np.ndarray:
    """Read one PNG or JPEG as uint8 (H, W, 3) RGB.

    Raises:
        FrameError: the file is missing, or `decode_image` refuses what it holds.
    """
    path = Path(path)
    if not path.is_file() and path.exists():  # what is no file may have no end
        raise FrameError(f"the image {path} is no file: remove it")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FrameError(f"the image {path} cannot be read: {error}") from error
    # From bytes and not by name: cv2.imread can't open every UTF-8 path on Windows.
    return decode_image(data, path)


def decode_image(data: bytes, name: str | Path) -> np.ndarray:
    """Decode the PNG or JPEG that a file holds to uint8 (H, W, 3) RGB.

    Grey, palettes, CMYK and 16 bits become RGB of 8 bits, and a picture that says that it is to be shown turned (EXIF)
    is turned. JPEG has no checksums: damage is found where libjpeg notices that the data make no sense.

    Args:
        data: the bytes of the file.
        name: the name of the image in messages.

    Raises:
        FrameError: it is empty, cut short, damaged or not an image, or what it shows is not certain: pixels are
            transparent, values do not use their range, or it holds several pictures.
    """
    if not data:
        raise FrameError(f"the image {name} has zero bytes: {UNPACK_AGAIN}")
    try:
        header = read_image_header(data)
    except ValueError as error:
        raise FrameError(f"the image {name} {error}: {UNPACK_AGAIN}") from None
    _check_header(header, name)
    image = _decode(data, cv2.IMREAD_COLOR, name)
    if header.see_through or header.bits == 16:
        _check_range(header, _decode(data, cv2.IMREAD_UNCHANGED, name), name)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _check_header(header: ImageHeader, name: str | Path) -> None:
    if not 0 < header.width * header.height <= MOST_PIXELS:
        raise FrameError(
            f"the image {name} says that it is {header.width}x{header.height} pixels, and at most {MOST_PIXELS} pixels "
            f"are read: it is damaged, or no frame of a video; {UNPACK_AGAIN}"
        )
    if header.animated:
        raise FrameError(
            f"the image {name} is an animated PNG, which holds several frames; write each of them to a file of its own"
        )


def _decode(data: bytes, flags: int, name: str | Path) -> np.ndarray:
    """Decode to BGR, and listen to what libpng and libjpeg say meanwhile."""
    call = partial(cv2.imdecode, np.frombuffer(data, np.uint8), flags)
    try:
        image, lines = hear_c_library(call, _LIBRARY_LINE)
    except cv2.error as error:
        raise FrameError(f"the image {name} is damaged ({error.err}): {UNPACK_AGAIN}") from error
    damage = [line for line in lines if not _HARMLESS.match(line)]
    if damage:
        # Some cameras write JPEGs that are whole and that libjpeg warns of all the same.
        mended = "" if image is None else "; if a viewer shows it whole, `magick mogrify FILE` writes it anew"
        raise FrameError(f"the image {name} is damaged ({damage[0]}): {UNPACK_AGAIN}{mended}")
    if image is None:
        raise FrameError(f"the image {name} is damaged, or a kind of PNG or JPEG that is not read: {UNPACK_AGAIN}")
    return image


def _check_range(header: ImageHeader, values: np.ndarray, name: str | Path) -> None:
    """Check that no pixel is transparent, and that 16 bits are used, by the values as they are stored."""
    if header.transparent_grey is not None:
        # Grey of fewer than 8 bits has been scaled up to them.
        scale = 255 // (2**header.bits - 1) if header.bits <= 8 else 1
        transparent = bool((values == header.transparent_grey * scale).any())
    else:
        has_opacity = values.ndim == 3 and values.shape[2] == 4
        transparent = has_opacity and bool((values[..., 3] < np.iinfo(values.dtype).max).any())
    if transparent:
        raise FrameError(
            f"the image {name} has transparent pixels, and does not say what is seen behind them; choose a colour, as "
            "`magick mogrify -background black -alpha remove *.png` does"
        )
    brightest = int(values[..., :3].max()) if values.ndim == 3 else int(values.max())
    if header.bits == 16 and 0 < brightest < DARKEST_16_BITS:
        bits = next(bits for bits in (8, 10, 12, 14) if brightest < 1 << bits)
        raise FrameError(
            f"the image {name} has 16 bits a channel, but no value above {brightest} of 65535, and would be read as "
            f"almost black; if its camera gives {bits} bits, scale all frames by "
            f"`magick mogrify -evaluate multiply {1 << (16 - bits)} -depth 8 *.png`, and if they are that dark, by "
            "`magick mogrify -depth 8 *.png`"
        )
