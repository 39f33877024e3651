"""Packed frames: the encoded images of a split in one LMDB file, as `preprocess.pack` writes it.

    index        {"version", "frame_size", "clips": {id: {"number", "frames", "stamp"}}}
    clip/NUMBER  {"names", "ends", "checksums"}: of its images; `ends` are offsets in:
    data/NUMBER  the images, one after the other, byte for byte the files of the clip's folder

The first two are JSON behind its own checksum and length. All checksums are CRC-32.

A clip's images lie in one value, so that a disk reads a clip in one piece, in order. The offsets let each image be
taken out of it without looking at the others.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import lmdb
import numpy as np

from dataset.image import FrameError, decode_image
from dataset.manifest import Manifest
from dataset.pack_index import INDEX, VERSION, ImageIndex, PackIndex, check_entry, clip_key, data_key, unseal
from utils.files import plain_path
from utils.text import quote_path, quote_value


def pack_path(prepared: str | Path, split: str) -> Path:
    """Give the place of the pack of a split's frames."""
    return Path(prepared) / "frames" / f"{split}.lmdb"


class Pack:
    """The packed frames of a split.

    It can be handed to another process: each opens the file for itself, when it first reads a clip.

    Args:
        path: the file that `preprocess.pack` wrote.

    Raises:
        FrameError: the file is missing, cut short, damaged or of another version.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.opened_file = self._identify_file()
        _open_environment.cache_clear()  # closes what was opened, perhaps an older file of this name
        with self.open_transaction() as transaction:
            index = unseal(transaction.get(INDEX))
            version = index.get("version") if isinstance(index, dict) else None
            content = check_entry(PackIndex, index) if version == VERSION else None
        if content is None:
            raise FrameError(f"{path} has version {quote_value(version)}, version {VERSION} is needed: {self.remedy}")
        self.frame_size, self.clips = content.frame_size, content.clips

    @property
    def remedy(self) -> str:
        """The command that mends the pack, for messages."""
        return f"pack it again with `python -m preprocess.pack --prepared {quote_path(self.path.parent.parent)}`"

    def check_manifest(self, manifest: Manifest) -> None:
        """Make sure that every clip of `manifest` is here with all its frames.

        Raises:
            FrameError: clips or frames are missing, or frames were prepared at another size; says how many.
        """
        if self.frame_size != manifest.frame_size:
            raise FrameError(
                f"{self.path} was packed at {self.frame_size}x{self.frame_size} pixels, the corpus is now prepared at "
                f"{manifest.frame_size}x{manifest.frame_size}: {self.remedy}"
            )
        packed = {clip_id: clip.frames for clip_id, clip in self.clips.items()}
        wrong = [
            f"{clip.id} ({packed.get(clip.id, 'no')} frames, not {clip.num_frames})"
            for clip in manifest.clips
            if packed.get(clip.id) != clip.num_frames
        ]
        if wrong:
            raise FrameError(
                f"{self.path} lacks {len(wrong)} of {len(manifest.clips)} clips of {manifest.split}, or frames of "
                f"them: {', '.join(wrong[:5])}: {self.remedy}"
            )

    def open_clip(self, clip_id: str) -> PackedFrames:
        """Find the frames of a clip.

        Raises:
            FrameError: there is no such clip, or what is known of its frames is damaged.
        """
        if clip_id not in self.clips:
            raise FrameError(f"{self.path} has no clip {clip_id}: {self.remedy}")
        if self._identify_file() != self.opened_file:
            raise FrameError(f"{self.path} has been packed anew since it was opened: start again")
        return PackedFrames(self, clip_id)

    def _identify_file(self) -> tuple[int, int]:
        """Say which file this is: another one may get the same name while a training runs."""
        try:
            state = self.path.stat()
        except OSError as error:
            raise FrameError(f"there is no {self.path} ({error.strerror}): {self.remedy}") from None
        return state.st_ino, state.st_mtime_ns

    @contextmanager
    def open_transaction(self) -> Iterator[lmdb.Transaction]:
        """Open a transaction that gives views of the file; what is found wrong in its block becomes a FrameError."""
        # No FrameError is raised in these blocks: it is a ValueError too, and would be wrapped a second time.
        try:
            with _open_environment(self.path).begin(buffers=True) as transaction:
                yield transaction
        except (lmdb.Error, OSError, ValueError) as error:
            raise FrameError(f"{self.path} is damaged ({error}): {self.remedy}") from error


class PackedFrames:
    """The images of one clip of a pack; a `FrameSource`.

    Args:
        pack: the open pack.
        clip_id: the clip's name.
    """

    def __init__(self, pack: Pack, clip_id: str) -> None:
        self.pack, self.clip_id = pack, clip_id
        self.number = pack.clips[clip_id].number
        with pack.open_transaction() as transaction:
            known = check_entry(ImageIndex, unseal(transaction.get(clip_key(self.number))))
            if len(known.names) != pack.clips[clip_id].frames:
                raise ValueError(f"clip {clip_id} has {len(known.names)} images, not {pack.clips[clip_id].frames}")
        self.names, self.ends, self.checksums = list(known.names), known.ends, known.checksums

    def __str__(self) -> str:
        return f"clip {self.clip_id} of {self.pack.path}"

    def __len__(self) -> int:
        return len(self.names)

    def name(self, index: int) -> str:
        """Give the file name that the image had, and the pack that it is in."""
        return f"{self.names[index]} of {self}"

    def image(self, index: int) -> np.ndarray:
        """Read image `index` as uint8 (H, W, 3) RGB.

        Raises:
            FrameError: the image's bytes are not those that were packed.
        """
        start = 0
        if index:
            start = self.ends[index - 1]
        with self.pack.open_transaction() as transaction:
            data = transaction.get(data_key(self.number)) or b""
            image = bytes(data[start : self.ends[index]]) if len(data) == self.ends[-1] else b""
        if zlib.crc32(image) != self.checksums[index]:
            raise FrameError(
                f"the image {self.name(index)} is damaged (its checksum differs): delete {self.pack.path} and "
                f"{self.pack.remedy}"
            )
        return decode_image(image, self.name(index))


@lru_cache(maxsize=16)
def _open_environment(path: Path) -> lmdb.Environment:
    """Open the file, once in each process, as LMDB demands.

    Without a lock, as nothing ever writes to a finished file. Read-ahead stays on: most of a clip is read, in order.
    """
    with plain_path(path) as plain:
        environment = lmdb.open(str(plain), subdir=False, readonly=True, lock=False, create=False)
    size, needed = path.stat().st_size, (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    if size < needed:  # reading behind the end of a file that is mapped into memory would end the process
        raise ValueError(f"{size} bytes, where there should be {needed}: its end is missing")
    return environment
