"""What a PNG or JPEG says of itself, read without decoding a pixel, and whether its end is there."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

PNG_START, JPEG_START = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
PNG_GREY, PNG_ALPHA = (0, 4), (4, 6)
"""The colour types of a PNG that are grey, and those that have a channel of opacity."""

_MARKER = re.compile(rb"\xff([\x01-\xfe])")
_MARKER_IN_SCAN = re.compile(rb"\xff([\xc0-\xcf\xd9-\xdd\xe0-\xef\xfe])")
"""In a scan, two bytes that stand for nothing are damage, which decoding finds; they are not the head of a segment."""
_EOI, _SOS = 0xD9, 0xDA
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers that no segment follows
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # the segments that say size and depth


@dataclass(frozen=True)
class ImageHeader:
    """What an image says of itself.

    Attributes:
        width: pixels.
        height: pixels.
        bits: bits of one channel of a pixel.
        see_through: whether pixels may be transparent.
        transparent_grey: the value of the pixels that are transparent, in a grey image that marks them so.
        animated: whether it holds several pictures that are shown one after the other.
    """

    width: int
    height: int
    bits: int
    see_through: bool = False
    transparent_grey: int | None = None
    animated: bool = False


def read_image_header(data: bytes) -> ImageHeader:
    """Read the header of the PNG or JPEG that a file holds, and follow its parts to its end.

    What stands behind the end is ignored, as viewers do: telephones put whole videos there.

    Raises:
        ValueError: it is neither, is cut short, or has no header; the message is the end of a sentence.
    """
    if data.startswith(PNG_START):
        return _read_png_header(data)
    if data.startswith(JPEG_START):
        return _read_jpeg_header(data)
    raise ValueError(_name_other_format(data))


def _read_png_header(data: bytes) -> ImageHeader:
    if data[12:16] != b"IHDR":
        raise ValueError("is damaged (it does not begin as a PNG does)")
    width, height, bits, colours = struct.unpack(">IIBB", data[16:26].ljust(10, b"\0"))
    parts: dict[bytes, bytes] = {}
    position = len(PNG_START)
    while b"IEND" not in parts:
        content = position + 8
        following = content + int.from_bytes(data[position : position + 4], "big") + 4  # a checksum of four bytes
        if following > len(data):
            raise ValueError("is truncated (its end is missing)")
        kind = data[position + 4 : content]
        parts.setdefault(kind, data[content : following - 4] if kind == b"tRNS" else b"")
        position = following
    grey = int.from_bytes(parts[b"tRNS"][:2], "big") if b"tRNS" in parts and colours in PNG_GREY else None
    see_through = colours in PNG_ALPHA or b"tRNS" in parts
    return ImageHeader(width, height, bits, see_through, grey, animated=b"acTL" in parts)


def _read_jpeg_header(data: bytes) -> ImageHeader:
    header: ImageHeader | None = None
    position, marker = 2, 0
    while marker != _EOI:
        found = (_MARKER_IN_SCAN if marker == _SOS else _MARKER).search(data, position)
        if not found:
            raise ValueError("is truncated (its end is missing)")
        marker, content = found[1][0], found.end()
        position = content if marker == _EOI or marker in _ALONE else _find_end_of_segment(data, content)
        if marker in _FRAMES and header is None:
            bits, height, width = struct.unpack(">BHH", data[content + 2 : content + 7].ljust(5, b"\0"))
            header = ImageHeader(width, height, bits)
    if header is None:
        raise ValueError("is damaged (a JPEG that does not say its size)")
    return header


def _find_end_of_segment(data: bytes, content: int) -> int:
    end = content + max(2, int.from_bytes(data[content : content + 2], "big"))
    if end > len(data):
        raise ValueError("is truncated (its end is missing)")
    return end


def _name_other_format(data: bytes) -> str:
    """Say what the file holds, if it is a picture of another kind."""
    known = {
        "GIF": data.startswith(b"GIF8"),
        "WebP": data[:4] == b"RIFF" and data[8:12] == b"WEBP",
        "TIFF": data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
        "BMP": data.startswith(b"BM"),
        "JPEG 2000": data.startswith((b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")),
        "HEIF or AVIF": data[4:8] == b"ftyp",
    }
    kinds = [kind for kind, is_that in known.items() if is_that]
    if kinds:
        return f"is a {kinds[0]} image by what it holds, whatever its name, and only PNG and JPEG are read"
    return "is damaged, or not a PNG or JPEG"
