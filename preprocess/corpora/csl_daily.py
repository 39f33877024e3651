"""CSL-Daily: everyday sentences in Chinese sign language."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from dataset.manifest import SPLITS
from dataset.video import VIDEO_SUFFIXES
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

LABELS, SPLIT = "video_map.txt", "split_1.txt"
FRAMES = "sentence/frames_512x512"
WRONG_NAME, RIGHT_NAME = "S000005_P0004_T00", "S000007_P0003_T00"
"""The name in the one wrong row of the published split, and the one that belongs there."""


def read_csl_daily(root: Path) -> Corpus:
    """Read CSL-Daily: `video_map.txt` has the labels, `split_1.txt` the splits, both in `root` or `sentence_label`.

    The frames are in `sentence/frames_512x512` or, if that is missing, the videos in `sentence/videos*`.

    One training row of `split_1.txt` names a recording that doesn't exist, where another belongs; it is corrected.

    Raises:
        PreparationError: the root or one of these files is wrong, or a recording of a split has no label.
    """
    check_root(root, CSL_DAILY)
    split_table = _locate_table(root, SPLIT, "the published split of the corpus")
    # Not the pickle of the download: unpickling what comes from elsewhere may run code.
    label_table = _locate_table(
        root,
        LABELS,
        "the labels, which the official download holds as a pickle only; write them from that, a line a recording, "
        "under the header index|name|length|gloss|char|word|postag",
    )
    labels = {row["name"]: (where, row["gloss"]) for where, row in _read_labels(label_table)}
    names, notes = _read_splits(split_table, labels)
    sources = _locate_sources(root, [name for members in names.values() for name in members])
    splits = {
        split: tuple(_make_recording(sources[name], name, *labels[name]) for name in members)
        for split, members in names.items()
    }
    check_unique(splits)
    return Corpus(splits, collect_glosses(splits.values()), notes)


def _locate_table(root: Path, name: str, what: str) -> Path:
    for folder in (root, root / "sentence_label"):
        if (folder / name).is_file():
            return folder / name
    raise PreparationError(f"no file {name} in {root} or its sentence_label folder: {what}")


def _read_labels(table: Path) -> Sequence[tuple[str, Mapping[str, str]]]:
    rows = list(read_table(table, "index|name|length|gloss|char|word|postag"))
    seen: dict[str, str] = {}
    for where, row in rows:
        if row["name"] in seen:
            raise PreparationError(f"{where}: duplicate name {row['name']}, already at {seen[row['name']]}")
        seen[row["name"]] = where
    return rows


def _read_splits(table: Path, labels: Mapping[str, object]) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    """Read the names of each split's recordings; also returns a note if the wrong row was corrected."""
    splits: dict[str, list[str]] = {split: [] for split in SPLITS}
    notes = []
    for where, row in read_table(table, "name|split"):
        name, split = row["name"], row["split"]
        if split not in splits:
            raise PreparationError(f"{where}: the split must be one of {', '.join(SPLITS)}, but is {split!r}")
        # Only the row as it was released: where the labels have that name after all, or lack the right one, the tables
        # were made by someone else and are taken as they are.
        if name == WRONG_NAME and split == "train" and name not in labels and RIGHT_NAME in labels:
            notes.append(f"train: {WRONG_NAME}, which does not exist, replaced by {RIGHT_NAME} ({table.name} is wrong)")
            name = RIGHT_NAME
        if name not in labels:
            raise PreparationError(f"{where}: {name} has no row in {LABELS}")
        splits[split].append(name)
    return splits, tuple(notes)


def _locate_sources(root: Path, names: Sequence[str]) -> dict[str, Path]:
    """Locate the frames of each recording: its folder in `frames_512x512` or, without that, its video."""
    frames = root / FRAMES
    if frames.is_dir():
        return {name: frames / name for name in names}
    sentence = frames.parent
    folders = [folder for folder in sorted(sentence.glob("videos*")) if folder.is_dir()]
    if not folders:
        raise PreparationError(f"{sentence} holds neither {frames.name} nor a folder videos*: unpack one of them there")
    videos = {
        video.stem: video
        for folder in folders
        for video in sorted(folder.iterdir())
        if video.suffix.lower() in VIDEO_SUFFIXES and not video.name.startswith(".")
    }
    # A video that is missing gets a likely path, so that it is listed with the other clips that have no frames.
    return {name: videos.get(name, folders[0] / f"{name}.mp4") for name in names}


def _make_recording(source: Path, name: str, where: str, label: str) -> Recording:
    signer = re.search(r"_(P\d+)_", name)
    if signer is None:
        raise PreparationError(f"{where}: {name} does not name its signer, as in S000020_P0000_T00")
    return make_recording(where, name, source, signer[1], label)


def read_lengths(root: Path) -> dict[str, int]:
    """Read the number of frames of each recording by name from `video_map.txt`; rows without a number are left out.

    Raises:
        PreparationError: the table is missing or malformed.
    """
    rows = _read_labels(_locate_table(root, LABELS, "the labels and lengths of the recordings"))
    return {row["name"]: int(row["length"]) for _, row in rows if row["length"].isdecimal()}


CSL_DAILY = CorpusReader(
    name="CSL-Daily",
    read=read_csl_daily,
    title="CSL-Daily",
    page="http://home.ustc.edu.cn/~zhouh156/dataset/csl-daily/ (signed agreement)",
    released_folder="CSL-Daily",
    marker="sentence",
    language="csl-daily",
    image_size=(512, 512),
    published_clips={"train": 18401, "dev": 1077, "test": 1176},
    lengths_file=LABELS,
    read_lengths=read_lengths,
)
