"""Packed frames: the encoded images of a split in one LMDB file, as `preprocess.pack` writes it.

    index        {"version", "frame_size", "clips": {id: {"number", "frames", "stamp"}}}
    clip/NUMBER  {"names", "ends", "checksums"}: of its images; `ends` are offsets in:
    data/NUMBER  the images, one after the other, byte for byte the files of the clip's folder

The first two are JSON behind its own checksum and length. All checksums are CRC-32.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from shlex import quote
from typing import Any

import lmdb
import numpy as np

from dataset.frames import FrameError, decode_image
from dataset.manifest import Manifest

VERSION = 1
INDEX = b"index"
HEAD = 12  # bytes before the JSON


@dataclass(frozen=True)
class PackedClip:
    """A clip in the index.

    Attributes:
        number: in its keys; ids can be longer than keys may be.
        frames: how many.
        stamp: of the files that it was packed from.
    """

    number: int
    frames: int
    stamp: int


def pack_path(prepared: str | Path, split: str) -> Path:
    """Where the frames of a split are packed."""
    return Path(prepared) / "frames" / f"{split}.lmdb"


class Pack:
    """The packed frames of a split.

    It can be handed to another process: each opens the file for itself, when it first reads a clip.

    Args:
        path: the file.

    Raises:
        FrameError: it is missing, cut short, damaged or of another version.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.written = self._written()
        _environment.cache_clear()  # closes what was opened, perhaps an older file of this name
        with self.reading() as transaction:
            index = unseal(transaction.get(INDEX))
        if index["version"] != VERSION:
            raise FrameError(f"{path} has version {index['version']}, version {VERSION} is needed: {self.remedy}")
        self.frame_size: int = index["frame_size"]
        self.clips = {clip_id: PackedClip(**entry) for clip_id, entry in index["clips"].items()}

    @property
    def remedy(self) -> str:
        return f"pack it again with `python -m preprocess.pack --prepared {quote(str(self.path.parent.parent))}`"

    def check(self, manifest: Manifest) -> None:
        """Whether every clip of `manifest` is here with all its frames.

        Raises:
            FrameError: one is not, or frames were prepared at another size; says how many are not.
        """
        if self.frame_size != manifest.frame_size:
            raise FrameError(
                f"{self.path} was packed at {self.frame_size}x{self.frame_size} pixels, the corpus is now prepared at "
                f"{manifest.frame_size}x{manifest.frame_size}: {self.remedy}"
            )
        wrong = [
            f"{clip.id} ({self.clips[clip.id].frames if clip.id in self.clips else 'no'} frames, not {clip.num_frames})"
            for clip in manifest.clips
            if clip.id not in self.clips or self.clips[clip.id].frames != clip.num_frames
        ]
        if wrong:
            raise FrameError(
                f"{self.path} lacks {len(wrong)} of {len(manifest.clips)} clips of {manifest.split}, or frames of "
                f"them: {', '.join(wrong[:5])}: {self.remedy}"
            )

    def clip(self, clip_id: str) -> PackedFrames:
        """The frames of a clip.

        Raises:
            FrameError: there is no such clip, or what is known of its frames is damaged.
        """
        if clip_id not in self.clips:
            raise FrameError(f"{self.path} has no clip {clip_id}: {self.remedy}")
        if self._written() != self.written:
            raise FrameError(f"{self.path} has been packed anew since it was opened: start again")
        return PackedFrames(self, clip_id)

    def _written(self) -> tuple[int, int]:
        """What tells the file from another one of the same name."""
        try:
            state = self.path.stat()
        except OSError as error:
            raise FrameError(f"there is no {self.path} ({error.strerror}): {self.remedy}") from None
        return state.st_ino, state.st_mtime_ns

    @contextmanager
    def reading(self) -> Iterator[lmdb.Transaction]:
        """A transaction that gives views of the file; whatever LMDB finds wrong becomes a FrameError."""
        try:
            with _environment(self.path).begin(buffers=True) as transaction:
                yield transaction
        except (lmdb.Error, OSError, ValueError) as error:
            raise FrameError(f"{self.path} is damaged ({error}): {self.remedy}") from error


class PackedFrames:
    """The images of one clip of a pack; a `FrameSource`."""

    def __init__(self, pack: Pack, clip_id: str) -> None:
        self.pack, self.clip_id = pack, clip_id
        self.number = pack.clips[clip_id].number
        with pack.reading() as transaction:
            known = unseal(transaction.get(clip_key(self.number)))
        self.names: list[str] = known["names"]
        self.ends: list[int] = known["ends"]
        self.checksums: list[int] = known["checksums"]

    def __str__(self) -> str:
        return f"clip {self.clip_id} of {self.pack.path}"

    def __len__(self) -> int:
        return len(self.names)

    def name(self, index: int) -> str:
        """The image's file name, and where it is."""
        return f"{self.names[index]} of {self}"

    def image(self, index: int) -> np.ndarray:
        """Image `index` as uint8 (H, W, 3) RGB.

        Raises:
            FrameError: its bytes are not those that were packed.
        """
        start = self.ends[index - 1] if index else 0
        with self.pack.reading() as transaction:
            data = transaction.get(data_key(self.number)) or b""
            image = bytes(data[start : self.ends[index]]) if len(data) == self.ends[-1] else b""
        if zlib.crc32(image) != self.checksums[index]:
            raise FrameError(
                f"the image {self.name(index)} is damaged (its checksum differs): delete {self.pack.path} and "
                f"{self.pack.remedy}"
            )
        return decode_image(image, self.name(index))


def clip_key(number: int) -> bytes:
    """Where the names and places of a clip's images are."""
    return b"clip/%d" % number


def data_key(number: int) -> bytes:
    """Where a clip's images are."""
    return b"data/%d" % number


def seal(value: dict[str, Any]) -> bytes:
    """JSON behind its checksum and its length."""
    data = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return zlib.crc32(data).to_bytes(4, "big") + len(data).to_bytes(8, "big") + data


def unseal(sealed: bytes | memoryview | None) -> dict[str, Any]:
    """What `seal` was given."""
    if sealed is None:
        raise ValueError("its index is missing or incomplete")
    # The length first: a damaged one in LMDB's own pages would lead behind the end of the file.
    whole = len(sealed) == HEAD + int.from_bytes(sealed[4:HEAD], "big")
    data = bytes(sealed[HEAD:]) if whole else b""
    if not whole or zlib.crc32(data).to_bytes(4, "big") != bytes(sealed[:4]):
        raise ValueError("the checksum of its index differs")
    return json.loads(data)


@lru_cache(maxsize=16)
def _environment(path: Path) -> lmdb.Environment:
    """The file, opened once in each process, as LMDB demands.

    Without a lock, as nothing ever writes to a finished file. Read-ahead stays on: most of a clip is read, in order.
    """
    environment = lmdb.open(str(path), subdir=False, readonly=True, lock=False, create=False)
    size, needed = path.stat().st_size, (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    if size < needed:  # reading behind the end of a file that is mapped into memory would end the process
        raise ValueError(f"{size} bytes, where there should be {needed}: its end is missing")
    return environment
