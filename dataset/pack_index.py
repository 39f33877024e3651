"""What a pack of frames says of itself: sealed by a checksum, and checked like any file that comes from outside."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, TypeVar, cast

from pydantic import Field, TypeAdapter, ValidationError

from utils.plain_json import parse_json

VERSION = 1
INDEX = b"index"
HEAD = 12  # bytes before the JSON

Count = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
Positive = Annotated[int, Field(strict=True, ge=1, lt=2**63)]
Entry = TypeVar("Entry", bound="PackIndex | ImageIndex")


@dataclass(frozen=True)
class PackedClip:
    """A clip in the index.

    Attributes:
        number: the number in the clip's keys; ids can be longer than LMDB's keys may be.
        frames: the number of frames.
        stamp: a checksum over names, sizes and times of the files that the clip was packed from.
    """

    number: Count
    frames: Positive
    stamp: Count


@dataclass(frozen=True)
class PackIndex:
    """What the index of a pack holds: the side of its frames in pixels, and its clips by their ids."""

    frame_size: Positive
    clips: dict[str, PackedClip]


@dataclass(frozen=True)
class ImageIndex:
    """What is known of the images of a clip: names, offsets of their ends, and checksums."""

    names: tuple[str, ...]
    ends: tuple[Count, ...]
    checksums: tuple[Count, ...]

    def __post_init__(self) -> None:
        if not 0 < len(self.names) == len(self.ends) == len(self.checksums) or list(self.ends) != sorted(self.ends):
            raise ValueError("names, ends and checksums of images do not belong together")


def clip_key(number: int) -> bytes:
    """Give the key of the names and offsets of a clip's images."""
    return b"clip/%d" % number


def data_key(number: int) -> bytes:
    """Give the key of a clip's images."""
    return b"data/%d" % number


def seal(value: dict[str, Any]) -> bytes:
    """Write `value` as JSON behind its checksum and its length."""
    data = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return zlib.crc32(data).to_bytes(4, "big") + len(data).to_bytes(8, "big") + data


def check_entry(record: type[Entry], value: object) -> Entry:
    """Read a record from what `unseal` gave: a checksum that is right says nothing about who computed it.

    Raises:
        ValueError: the value has other keys or types.
    """
    try:
        return _build_adapter(cast(Any, record)).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "it"
        raise ValueError(f"its index is wrong: {place[:80]}: {first['msg'].lower()}") from None


@cache
def _build_adapter(record: Any) -> TypeAdapter[Any]:
    return TypeAdapter(record)


def unseal(sealed: bytes | memoryview | None) -> Any:
    """Read what `seal` was given.

    Raises:
        ValueError: it is missing or damaged.
    """
    if sealed is None:
        raise ValueError("its index is missing or incomplete")
    # The length first: a damaged one in LMDB's own pages would lead behind the end of the file.
    whole = len(sealed) == HEAD + int.from_bytes(sealed[4:HEAD], "big")
    data = bytes(sealed[HEAD:]) if whole else b""
    if not whole or zlib.crc32(data).to_bytes(4, "big") != bytes(sealed[:4]):
        raise ValueError("the checksum of its index differs")
    return parse_json(data.decode(), "its index")
