"""Convert the prepared files of earlier systems: `gloss_dict.npy` and `{train,dev,test}_info.npy`.

python -m preprocess.import_legacy --dataset phoenix2014 --legacy OLD/preprocess/phoenix2014 --prefix-root CORPUS
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dataset.corpus_files import check_corpus_name
from dataset.legacy import load_dictionary, load_legacy_npy
from dataset.manifest import SPLITS, Clip, Manifest
from dataset.vocabulary import DICTIONARY, Vocabulary
from preprocess.corpora.corpus import PreparationError, Recording, check_unique, make_recording
from preprocess.corpora.csl_daily import FRAMES as CSL_DAILY_FRAMES
from preprocess.corpora.phoenix import FRAMES as PHOENIX_FRAMES
from preprocess.corpora.phoenix import MULTISIGNER, locate_clip
from preprocess.corpora.registry import CORPORA
from preprocess.images import count_clip_frames
from preprocess.options import FRAME_SIZE, get_default_output
from preprocess.prepared_files import remove_earlier_files, write_references
from preprocess.summary import format_corpus_summary
from utils.arguments import LARGEST_SIDE, named_path, whole_number
from utils.errors import InputError
from utils.output import run_command
from utils.text import plural, quote_value, shorten
from utils.unicode import find_on_disk, to_nfc

RESIZED_FRAMES = "features/fullFrame-256x256px"  # written into the corpus by the preparation of earlier systems
FRAME_FOLDERS = (
    "",
    RESIZED_FRAMES,
    PHOENIX_FRAMES,
    f"{MULTISIGNER}/{RESIZED_FRAMES}",
    f"{MULTISIGNER}/{PHOENIX_FRAMES}",
    CSL_DAILY_FRAMES,
)
"""The folders, below the one that `--prefix-root` names, where the folders of the clips may start."""


def import_legacy(dataset: str, legacy: Path, prefix_root: Path | None, output: Path, frame_size: int) -> str:
    """Write `gloss_dict.txt`, manifests and references from legacy files; frames stay where they are.

    Args:
        dataset: the name of the corpus; it need not be one that can be prepared.
        legacy: the folder of the `.npy` files.
        prefix_root: the folder of the corpus; if None, the `prefix` that the files state.
        output: the folder to write to.
        frame_size: the side in pixels at which frames are to be read.

    Returns:
        a summary for the user.

    Raises:
        InputError: a file is missing, malformed or would run code; frames are missing; glosses are not in the
            dictionary.
    """
    check_corpus_name(dataset)
    vocabulary = load_dictionary(legacy / "gloss_dict.npy")
    splits: dict[str, tuple[Recording, ...]] = {}
    stated: dict[str, Any] = {}
    for split in SPLITS:
        path = legacy / f"{split}_info.npy"
        if split == "test" and not path.exists():
            continue  # a corpus without a test split, as CSL
        entries, prefix = _read_info(path)
        root = _find_frames_root(path, prefix_root or Path(prefix), entries)
        splits[split] = tuple(_make_recording(path, number, entry, root) for number, entry in enumerate(entries))
        stated |= {to_nfc(entry["fileid"]): entry.get("num_frames") for entry in entries}
    check_unique(splits)
    _check_glosses(splits, vocabulary)
    recordings = [recording for members in splits.values() for recording in members]
    outcomes = count_clip_frames([recording.source for recording in recordings])
    counts = {entry.id: outcome.num_frames for entry, outcome in zip(recordings, outcomes, strict=True)}
    # Only now, when everything has been read: files that can't be converted leave an earlier preparation as it was.
    remove_earlier_files(output, dataset)
    vocabulary.save(output / DICTIONARY)
    manifests = [_write_split(dataset, split, members, counts, output, frame_size) for split, members in splits.items()]
    return format_corpus_summary(vocabulary, manifests, _compare_with_stated(counts, stated))


def _compare_with_stated(counts: Mapping[str, int], stated: Mapping[str, Any]) -> list[str]:
    differing = [
        f"{name} ({quote_value(stated[name])}, now {count})"
        for name, count in counts.items()
        if stated[name] is not None and _read_count(stated[name]) != count
    ]
    if not differing:
        return []
    found = plural(len(differing), "clip has", "clips have")
    return [f"{found} another number of frames than stated: {shorten(differing)}"]


def _read_count(stated: Any) -> Any:
    """A number of frames, which CSL-Daily's files have as text."""
    return int(stated) if isinstance(stated, str) and re.fullmatch(r"\s*[0-9]{1,9}\s*", stated) else stated


def _read_info(path: Path) -> tuple[list[Mapping[str, Any]], str]:
    """Read the entries in the order of their numbers, which must be 0, 1, ... without gap, and the prefix.

    Earlier systems took the length of this dictionary, less one, for the index of the last entry and so lost it.
    """
    content = load_legacy_npy(path)
    if not isinstance(content, Mapping):
        raise PreparationError(f"{path} holds {type(content).__name__}, not a dictionary: is it a {path.name}?")
    numbers = sorted(key for key in content if isinstance(key, int))
    extra = sorted(str(key) for key in content if not isinstance(key, int) and key != "prefix")
    if not numbers or numbers != list(range(len(numbers))) or extra:
        found = f"{len(numbers)} numbers {numbers[:1]} to {numbers[-1:]}"
        if extra:
            found += f" and {', '.join(extra[:5])}"
        raise PreparationError(f"{path}: its keys must be 0, 1, 2, ... and 'prefix', but there are {found}")
    return [content[number] for number in numbers], str(content.get("prefix", "."))


def _find_frames_root(path: Path, prefix_root: Path, entries: Sequence[Any]) -> Path:
    """Find the folder that the clips' folders start from: the first one below which the first clip lies."""
    first = entries[0].get("folder") if isinstance(entries[0], Mapping) else None
    candidates = [prefix_root / folder for folder in FRAME_FOLDERS]
    found = [root for root in candidates if isinstance(first, str) and find_on_disk(locate_clip(root, first)).is_dir()]
    if not found:
        raise PreparationError(
            f"{path}: the frames of its first clip ({first!r}) are not in {prefix_root}, nor where the corpora keep "
            "them below it: name the folder with --prefix-root"
        )
    return found[0]


def _make_recording(path: Path, number: int, entry: Any, root: Path) -> Recording:
    where = f"{path}, entry {number}"
    fields = ("fileid", "folder", "signer", "label")
    if not isinstance(entry, Mapping) or not all(isinstance(entry.get(field), str) for field in fields):
        raise PreparationError(f"{where} must have the texts {', '.join(fields)}, but is {str(entry)[:200]}")
    signer = "_".join(entry["signer"].split()) or "unknown"
    return make_recording(where, entry["fileid"], locate_clip(root, entry["folder"]), signer, entry["label"])


def _check_glosses(splits: Mapping[str, Sequence[Recording]], vocabulary: Vocabulary) -> None:
    used = {gloss for members in splits.values() for recording in members for gloss in recording.glosses}
    missing = sorted(gloss for gloss in used if gloss not in vocabulary)
    if missing:
        raise PreparationError(
            f"{len(missing)} glosses are not in gloss_dict.npy: {', '.join(missing[:10])}; is it of another corpus?"
        )


def _write_split(
    dataset: str, split: str, members: Sequence[Recording], counts: Mapping[str, int], output: Path, frame_size: int
) -> Manifest:
    write_references(output, dataset, split, members)
    clips = tuple(
        Clip(entry.id, str(entry.source.absolute()), entry.signer, entry.glosses, counts[entry.id]) for entry in members
    )
    rate = CORPORA[dataset].frame_rate if dataset in CORPORA else None
    manifest = Manifest(dataset, split, frame_size, clips, output, rate)
    manifest.save(output / f"{split}.json")
    return manifest


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Convert gloss_dict.npy and *_info.npy of earlier systems.")
    parser.add_argument("--dataset", required=True, help="the name of the corpus")
    parser.add_argument("--legacy", type=named_path, required=True, metavar="DIR", help="the folder of the .npy files")
    parser.add_argument(
        "--prefix-root", type=named_path, metavar="DIR", help="the folder of the corpus (default: what the files state)"
    )
    parser.add_argument("--output", type=named_path, metavar="DIR", help="where to write (default: preprocess/NAME)")
    parser.add_argument(
        "--frame-size",
        type=whole_number(1, LARGEST_SIDE),
        default=FRAME_SIZE,
        metavar="PIXELS",
        help="default: %(default)s",
    )
    args = parser.parse_args(argv)
    args.output = args.output or get_default_output(args.dataset)
    return args


def main(args: argparse.Namespace) -> int:
    """Convert and print a summary; returns the exit status, 1 after an error."""
    try:
        print(import_legacy(args.dataset, args.legacy, args.prefix_root, args.output, args.frame_size))
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"\nWritten to {args.output}; the frames stay where they are")
    return 0


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
