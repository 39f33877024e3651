"""RWTH-PHOENIX-Weather 2014 and 2014-T: weather forecasts in German sign language."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

from dataset.manifest import SPLITS
from preprocess.corpora.corpus import (
    Corpus,
    CorpusReader,
    PreparationError,
    Recording,
    check_root,
    check_unique,
    collect_glosses,
    make_recording,
    read_table,
)
from utils.text import shorten

MULTISIGNER = "phoenix-2014-multisigner"
FRAMES = "features/fullFrame-210x260px"
LEFT_OUT_SIGNER = "Signer05"
BROKEN_RECORDING = "13April_2011_Wednesday_tagesschau_default-14"


def read_phoenix2014(root: Path) -> Corpus:
    """Read the multisigner partition of PHOENIX2014 (v3) from `phoenix2014-release`.

    One training recording is broken (a sentence without its frames) and left out, as in all published results.

    Raises:
        PreparationError: the root or an annotation file is wrong.
    """
    check_root(root, PHOENIX2014)
    base = root / MULTISIGNER
    splits: dict[str, tuple[Recording, ...]] = {}
    notes = []
    for split in SPLITS:
        rows = read_table(base / f"annotations/manual/{split}.corpus.csv", "id|folder|signer|annotation")
        frames = base / FRAMES / split
        recordings = [
            make_recording(where, row["id"], locate_clip(frames, row["folder"]), row["signer"], row["annotation"])
            for where, row in rows
        ]
        # By its id and not by its row: a table that lacks it already, or has other rows before it, loses nothing else.
        splits[split] = tuple(recording for recording in recordings if recording.id != BROKEN_RECORDING)
        if len(splits[split]) < len(recordings):
            notes.append(f"{split}: left out {BROKEN_RECORDING}, a broken recording")
    check_unique(splits)
    return Corpus(splits, collect_glosses(splits.values()), tuple(notes))


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
    for split, members in splits.items():
        if not members:
            signers = sorted({entry.signer for entry in corpus.splits[split]})
            raise PreparationError(
                f"phoenix2014-SI5 keeps {LEFT_OUT_SIGNER} for dev and test. That leaves nothing for {split}, which is "
                f"signed by {shorten(signers)} here: unpack PHOENIX2014 completely, or train on phoenix2014"
            )
    check_unique(splits)
    note = f"{LEFT_OUT_SIGNER} is in dev and test alone; the gloss dictionary is that of the multisigner partition"
    return replace(corpus, splits=splits, notes=(*corpus.notes, note))


def read_phoenix2014_t(root: Path) -> Corpus:
    """Read PHOENIX2014-T (v3) from the folder `PHOENIX-2014-T`.

    Raises:
        PreparationError: the root or an annotation file is wrong.
    """
    check_root(root, PHOENIX2014_T)
    splits: dict[str, tuple[Recording, ...]] = {}
    for split in SPLITS:
        table = root / f"annotations/manual/PHOENIX-2014-T.{split}.corpus.csv"
        frames = root / FRAMES / split
        splits[split] = tuple(
            make_recording(where, row["name"], locate_clip(frames, row["video"]), row["speaker"], row["orth"])
            for where, row in read_table(table, "name|video|start|end|speaker|orth|translation")
        )
    check_unique(splits)
    return Corpus(splits, collect_glosses(splits.values()))


def locate_clip(frames: Path, pattern: str) -> Path:
    """Locate the folder of a clip whose row says `<name>/1/*.png`.

    In 2014-T the folders have no `/1`, whatever the table says; both layouts are in circulation.
    """
    folder = frames / PurePosixPath(pattern).parent if "*" in pattern else frames / pattern
    return folder.parent if folder.name == "1" and not folder.is_dir() else folder


PHOENIX2014 = CorpusReader(
    name="phoenix2014",
    read=read_phoenix2014,
    title="PHOENIX2014",
    page="https://www-i6.informatik.rwth-aachen.de/~koller/RWTH-PHOENIX/ (phoenix-2014.v3.tar.gz)",
    released_folder="phoenix2014-release",
    marker=f"{MULTISIGNER}/annotations/manual",
    language="phoenix",
    image_size=(210, 260),
    frame_rate=25.0,
    published_clips={"train": 5671, "dev": 540, "test": 629},
    # The labels of dev and test are released in simplified form, those of train are not; and hypotheses are simplified
    # before they are scored, so that `loc-NORD` in a reference could never match.
    reference_rules={"train": "phoenix2014-sentence"},
)
PHOENIX2014_SI5 = replace(
    PHOENIX2014,
    name="phoenix2014-SI5",
    read=read_phoenix2014_si5,
    root_name="phoenix2014",  # It is a part of that release, so one link serves both.
    language="",
    published_clips={"train": 4375, "dev": 111, "test": 180},
)
PHOENIX2014_T = CorpusReader(
    name="phoenix2014-T",
    read=read_phoenix2014_t,
    title="PHOENIX2014-T",
    page="https://www-i6.informatik.rwth-aachen.de/~koller/RWTH-PHOENIX-2014-T/",
    released_folder="PHOENIX-2014-T-release-v3/PHOENIX-2014-T",
    marker="annotations/manual",
    language="phoenix-t",
    image_size=(210, 260),
    frame_rate=25.0,
    published_clips={"train": 7096, "dev": 519, "test": 642},
)
