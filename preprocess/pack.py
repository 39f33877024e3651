"""Pack the frames of a prepared corpus: one LMDB file a split, for disks where many small files are slow.

python -m preprocess.pack --prepared preprocess/phoenix2014
"""

from __future__ import annotations

import argparse
import shutil
import sys
import zlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path

import lmdb

from dataset.frames import FrameError, list_frame_files
from dataset.manifest import SPLITS, Clip, Manifest, available_splits
from dataset.pack_index import INDEX, VERSION, PackedClip, clip_key, data_key, seal
from dataset.packed import Pack, pack_path
from preprocess.corpora.corpus import PreparationError
from utils.arguments import named_path
from utils.errors import InputError
from utils.files import atomic_path
from utils.output import run_command
from utils.progress import show_progress
from utils.text import plural

PAGE = 1 << 16  # bytes of the largest memory page of any system that LMDB runs on


@dataclass(frozen=True)
class PackedSplit:
    """A split after packing.

    Attributes:
        path: the file of the pack.
        clips: the number of its clips.
        written: whether it was written now, and not kept.
    """

    path: Path
    clips: int
    written: bool

    def __str__(self) -> str:
        size = self.path.stat().st_size / 2**20
        return f"{self.path}  {plural(self.clips, 'clip')}, {size:.1f} MiB, {'packed now' if self.written else 'kept'}"


@dataclass(frozen=True)
class ClipFiles:
    """The files of a clip, before they are read.

    Attributes:
        frames: the number of files, one a frame.
        room: the number of bytes that they take in a pack at most.
        stamp: the checksum of their names, sizes and times of change.
    """

    frames: int
    room: int
    stamp: int


def pack(prepared: str | Path) -> list[PackedSplit]:
    """Pack every split of the prepared corpus in `prepared`; its folders of frames stay.

    A split whose files are as they were when it was packed is kept. A file appears whole or not at all. One clip is
    in memory at a time.

    Raises:
        PreparationError: the corpus is not prepared, frames are missing, or there is no room.
    """
    try:
        # Without any manifest, loading the first one raises the error that says what to do.
        splits = available_splits(prepared) or SPLITS[:1]
        return [_pack_split(Manifest.load(Path(prepared) / f"{split}.json")) for split in splits]
    except (InputError, OSError, lmdb.Error) as error:
        raise PreparationError(f"{prepared} was not packed: {error}") from error


def delete_stale_packs(prepared: Path, manifests: Sequence[Manifest]) -> list[str]:
    """Delete packs of other frames than those that manifests name now, so that nobody trains on them.

    Returns:
        a sentence about each of them.
    """
    current = {manifest.split: manifest for manifest in manifests}
    notes = []
    for split in sorted(SPLITS):
        path = pack_path(prepared, split)
        if path.exists() and not _is_pack_of(path, current.get(split)):
            path.unlink()
            notes.append(f"deleted {path}, packed from other frames than there are now; --pack lmdb packs these")
    return notes


def _is_pack_of(path: Path, manifest: Manifest | None) -> bool:
    if manifest is None:
        return False
    return _is_current(path, manifest.frame_size, _build_index(manifest, _list_files(manifest)))


def _list_files(manifest: Manifest) -> list[ClipFiles]:
    progress = show_progress(manifest.clips, len(manifest.clips), f"looking for frames of {manifest.split}", "clip")
    return [_list_clip_files(manifest, clip) for clip in progress]


def _build_index(manifest: Manifest, files: Sequence[ClipFiles]) -> dict[str, PackedClip]:
    """Build the index that a pack of these clips has, by their ids."""
    return {
        clip.id: PackedClip(number, clip_files.frames, clip_files.stamp)
        for number, (clip, clip_files) in enumerate(zip(manifest.clips, files, strict=True))
    }


def _pack_split(manifest: Manifest) -> PackedSplit:
    path = pack_path(manifest.home, manifest.split)
    files = _list_files(manifest)
    index = _build_index(manifest, files)
    if _is_current(path, manifest.frame_size, index):
        return PackedSplit(path, len(index), written=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    for unfinished in path.parent.glob(f".{manifest.split}.*.lmdb"):  # of a run that was killed
        unfinished.unlink()
    room = sum(clip_files.room for clip_files in files) + 64 * PAGE  # some pages for LMDB's own tree
    free = shutil.disk_usage(path.parent).free
    if free < room:
        raise PreparationError(f"{path} needs {room / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free there")
    with atomic_path(path) as temporary:
        _write(temporary, manifest, index, room)
    return PackedSplit(path, len(index), written=True)


def _list_clip_files(manifest: Manifest, clip: Clip) -> ClipFiles:
    """List what lies in the folder of a clip, by names, sizes and times only: reading all images takes far longer."""
    paths = list_frame_files(manifest.clip_folder(clip))
    if len(paths) != clip.num_frames:
        raise FrameError(
            f"clip {clip.id}: {manifest.clip_folder(clip)} holds {plural(len(paths), 'frame')}, the manifest says "
            f"{clip.num_frames}: prepare the corpus again"
        )
    files = [(path.name, path.stat()) for path in paths]
    known = [(name, state.st_size, state.st_mtime_ns) for name, state in files]
    # LMDB must be told beforehand how large its file may become. For each image: its bytes, and name, place and
    # checksum as JSON. For the clip: headers, and the last page of each of its two values, which need not be full.
    room = sum(state.st_size + len(name.encode()) + 64 for name, state in files) + 3 * PAGE
    return ClipFiles(len(paths), room, zlib.crc32(repr(known).encode()))


def _is_current(path: Path, frame_size: int, index: dict[str, PackedClip]) -> bool:
    try:
        old = Pack(path)
    except FrameError:
        return False
    return (old.frame_size, old.clips) == (frame_size, index)


def _write(path: Path, manifest: Manifest, index: dict[str, PackedClip], room: int) -> None:
    # Nothing needs to survive a crash but the finished file, which is synced before it gets its name: so transactions
    # need no sync. Nobody else knows the temporary file, so it needs no lock.
    options = {"subdir": False, "lock": False, "sync": False, "metasync": False, "meminit": True}
    with closing(lmdb.open(str(path), map_size=room, **options)) as environment:
        for clip in show_progress(manifest.clips, len(manifest.clips), f"packing {manifest.split}", "clip"):
            paths = list_frame_files(manifest.clip_folder(clip))
            images = [image.read_bytes() for image in paths]
            known = {
                "names": [image.name for image in paths],
                "ends": list(accumulate(len(image) for image in images)),
                "checksums": [zlib.crc32(image) for image in images],
            }
            number = index[clip.id].number
            with environment.begin(write=True) as transaction:
                transaction.put(clip_key(number), seal(known))
                transaction.put(data_key(number), b"".join(images))
        clips = {clip_id: asdict(entry) for clip_id, entry in index.items()}
        with environment.begin(write=True) as transaction:
            transaction.put(INDEX, seal({"version": VERSION, "frame_size": manifest.frame_size, "clips": clips}))
        environment.sync(True)
        whole = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    with path.open("r+b") as file:  # pages given back at the very end were never written; readers look at the size
        file.truncate(max(whole, path.stat().st_size))


def format_packed(packed: Sequence[PackedSplit]) -> str:
    """Format what was packed, and how to train on it."""
    lines = [str(split) for split in packed]
    return "\n".join([*lines, "Train on it with feeder_args.datatype=lmdb; the folders of frames stay where they are."])


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description="Pack the frames of a prepared corpus: one LMDB file a split, frames/<split>.lmdb."
    )
    parser.add_argument("--prepared", type=named_path, required=True, help="what preprocess.prepare wrote")
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Pack and print what was written; returns the exit status, 1 after an error."""
    try:
        print(format_packed(pack(args.prepared)))
    except PreparationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; run the same command again: finished splits are kept", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
