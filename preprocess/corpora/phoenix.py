"""RWTH-PHOENIX-Weather 2014 and 2014-T: weather forecasts in German sign language."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

from dataset.manifest import SPLITS
from preprocess.corpora.corpus import (
    Corpus,
    Recording,
    Source,
    check_root,
    check_unique,
    make_recording,
    read_table,
    sorted_glosses,
)

LEFT_OUT_SIGNER = "Signer05"
BROKEN_RECORDING = "13April_2011_Wednesday_tagesschau_default-14"
SIMPLIFIED = {"train": "phoenix2014-sentence"}
"""The labels of dev and test are released in simplified form, those of train are not."""
REFERENCE_RULES = {"phoenix2014": SIMPLIFIED, "phoenix2014-SI5": SIMPLIFIED}
"""By corpus and split, the rules for references, where there are any."""

PHOENIX2014 = Source(
    title="PHOENIX2014",
    page="https://www-i6.informatik.rwth-aachen.de/~koller/RWTH-PHOENIX/ (phoenix-2014.v3.tar.gz)",
    root="phoenix2014-release",
    marker="phoenix-2014-multisigner/annotations/manual",
)
PHOENIX2014_T = Source(
    title="PHOENIX2014-T",
    page="https://www-i6.informatik.rwth-aachen.de/~koller/RWTH-PHOENIX-2014-T/",
    root="PHOENIX-2014-T-release-v3/PHOENIX-2014-T",
    marker="annotations/manual",
)


def read_phoenix2014(root: Path) -> Corpus:
    """Read the multisigner partition of PHOENIX2014 (v3) from `phoenix2014-release`.

    One training recording is broken (a sentence without its frames) and left out, as in all published results.

    Raises:
        PreparationError: the root or an annotation file is wrong.
    """
    check_root(root, PHOENIX2014)
    base = root / "phoenix-2014-multisigner"
    splits: dict[str, tuple[Recording, ...]] = {}
    notes = []
    for split in SPLITS:
        rows = read_table(base / f"annotations/manual/{split}.corpus.csv", "id|folder|signer|annotation")
        frames = base / "features/fullFrame-210x260px" / split
        recordings = [
            make_recording(where, row["id"], clip_folder(frames, row["folder"]), row["signer"], row["annotation"])
            for where, row in rows
        ]
        splits[split] = tuple(recording for recording in recordings if recording.id != BROKEN_RECORDING)
        if len(splits[split]) < len(recordings):
            notes.append(f"{split}: left out {BROKEN_RECORDING}, a broken recording")
    check_unique(splits)
    published = {"train": 5671, "dev": 540, "test": 629}
    return Corpus(splits, sorted_glosses(splits.values()), tuple(notes), published, SIMPLIFIED)


def read_phoenix2014_si5(root: Path) -> Corpus:
    """Read the signer-independent SI5 out of PHOENIX2014's multisigner partition: Signer05 is in dev and test alone.

    The gloss dictionary is the multisigner one, so that weights and dictionaries serve for both.

    Raises:
        PreparationError: the root or an annotation file is wrong, or a split would be empty.
    """
    corpus = read_phoenix2014(root)
    splits = {
        split: tuple(entry for entry in members if (entry.signer == LEFT_OUT_SIGNER) != (split == "train"))
        for split, members in corpus.splits.items()
    }
    check_unique(splits)
    note = f"{LEFT_OUT_SIGNER} is in dev and test alone; the gloss dictionary is that of the multisigner partition"
    published = {"train": 4375, "dev": 111, "test": 180}
    return replace(corpus, splits=splits, notes=(*corpus.notes, note), published_clips=published)


def read_phoenix2014_t(root: Path) -> Corpus:
    """Read PHOENIX2014-T (v3) from the folder `PHOENIX-2014-T`.

    Raises:
        PreparationError: the root or an annotation file is wrong.
    """
    check_root(root, PHOENIX2014_T)
    splits: dict[str, tuple[Recording, ...]] = {}
    for split in SPLITS:
        table = root / f"annotations/manual/PHOENIX-2014-T.{split}.corpus.csv"
        frames = root / "features/fullFrame-210x260px" / split
        splits[split] = tuple(
            make_recording(where, row["name"], clip_folder(frames, row["video"]), row["speaker"], row["orth"])
            for where, row in read_table(table, "name|video|start|end|speaker|orth|translation")
        )
    check_unique(splits)
    published = {"train": 7096, "dev": 519, "test": 642}
    return Corpus(splits, sorted_glosses(splits.values()), published_clips=published)


def clip_folder(frames: Path, pattern: str) -> Path:
    """The folder of a clip whose row says `<name>/1/*.png`; in 2014-T the folders have no `/1`, whatever it says."""
    folder = frames / PurePosixPath(pattern).parent if "*" in pattern else frames / pattern
    return folder.parent if folder.name == "1" and not folder.is_dir() else folder
