"""What a video file says of its own size and length, by which one that was cut short is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

HEAD = 1 << 16
"""Bytes from the start of a file in which its header says how long it lasts."""

MP4_BOXES = frozenset(
    b"ftyp moov mdat free skip wide moof mfra uuid pnot styp sidx ssix emsg meta prft".split()
)  # ISO/IEC 14496-12, and what cameras add
EBML, SEGMENT, CLUSTER = 0x1A45DFA3, 0x18538067, 0x1F43B675  # RFC 8794, RFC 9559
ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
"""The object that holds the file's size, 24 bytes after its start, and whether it is a broadcast, which has none."""
RIFF_SLACK = 8  # some cameras count the first 8 bytes of the file


def count_missing_bytes(path: Path) -> int:
    """Count the bytes that a file lacks by its own size fields; 0 of a kind that has none, and of live recordings."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(16)
        if start[4:8] in MP4_BOXES:
            ends = _find_mp4_ends(file, size)
        elif start[:4] == EBML.to_bytes(4, "big"):
            ends = _find_ebml_ends(file, size)
        elif start[:4] == b"RIFF":
            ends = _find_riff_ends(file, size)
        elif start == ASF_HEADER:
            ends = _find_asf_end(file)
        else:
            return 0
        return max([0, *(end - size for end in ends)])


def states_duration(path: Path, kind: str) -> bool:
    """Whether the header says how long the video is; of other files FFmpeg may guess it from the bit rate.

    Args:
        path: the file.
        kind: FFmpeg's name of its container.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    if kind.startswith("matroska"):
        return b"\x44\x89\x84" in head or b"\x44\x89\x88" in head  # Duration, of 4 or 8 bytes
    if kind == "flv":
        return b"\x00\x08duration\x00" in head
    return kind.startswith("mov") or kind in {"avi", "asf"}


def _find_mp4_ends(file: BinaryIO, size: int) -> Iterator[int]:
    at = 0
    while at + 8 <= size:
        file.seek(at)
        head = file.read(16)
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        # Behind the last box other programs leave all kinds of bytes; a length of 0 means up to the end of the file.
        if kind not in MP4_BOXES or length < 8:
            return
        at += length
        yield at


def _find_ebml_ends(file: BinaryIO, size: int) -> Iterator[int]:
    at, top = 0, True
    while at < size:
        file.seek(at)
        kind, at = _read_ebml_number(file, at, keep_marker=True)
        length, at = _read_ebml_number(file, at, keep_marker=False)
        if kind is None or (top and kind not in {EBML, SEGMENT, 0xEC}):
            return
        if length is None:  # a live recording: what it holds has lengths
            if kind != SEGMENT:
                return
            top = False
            continue
        at += length
        yield at


def _read_ebml_number(file: BinaryIO, at: int, keep_marker: bool) -> tuple[int | None, int]:
    """Read a number of one to eight bytes at the file's position; None if it is unknown or none. Also says its end."""
    first = file.read(1)
    if not first or not first[0]:
        return None, at + 1
    length = 9 - first[0].bit_length()
    raw = first + file.read(length - 1)
    value, ones = int.from_bytes(raw, "big"), (1 << (7 * length)) - 1
    if keep_marker:
        return value, at + length
    return (None if value & ones == ones else value & ones), at + length


def _find_riff_ends(file: BinaryIO, size: int) -> Iterator[int]:
    at = 0
    while at + 8 <= size:
        file.seek(at)
        head = file.read(8)
        length = int.from_bytes(head[4:], "little")
        if head[:4] != b"RIFF" or length in {0, 0xFFFFFFFF}:  # a recording that was not closed has no length
            return
        at += 8 + length + length % 2
        yield at - RIFF_SLACK


def _find_asf_end(file: BinaryIO) -> Iterator[int]:
    file.seek(0)
    head = file.read(HEAD)
    at = head.find(ASF_FILE)
    if at >= 0 and len(head) >= at + 104:
        broadcast = head[at + 88] & 1
        if not broadcast:
            yield int.from_bytes(head[at + 40 : at + 48], "little")
