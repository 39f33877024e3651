"""CSL (2015): one hundred sentences in Chinese sign language, the continuous part."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path, PurePosixPath

from dataset.manifest import SPLITS
from preprocess.corpora.corpus import (
    Corpus,
    CorpusReader,
    PreparationError,
    Recording,
    check_root,
    check_unique,
    make_recording,
    read_lines,
)
from utils.text import list_first
from utils.unicode import name_unseen, to_nfc

RELEASED_SPLITS = SPLITS[:2]  # It was released without a test split.


def read_csl(root: Path) -> Corpus:
    """Read CSL: `train.txt` and `dev.txt` list `<video folder>|<glosses>`, `voc.txt` is the dictionary; no test split.

    Raises:
        PreparationError: the root or one of these files is wrong, or a gloss is not in `voc.txt`.
    """
    check_root(root, CSL)
    rows = {split: _read_rows(root / f"{split}.txt") for split in RELEASED_SPLITS}
    frequency = Counter(PurePosixPath(path).name for entries in rows.values() for _, path, _ in entries)
    splits = {
        split: tuple(_make_recording(root, where, path, label, frequency) for where, path, label in entries)
        for split, entries in rows.items()
    }
    check_unique(splits)
    glosses = _read_dictionary(root / "voc.txt")
    used = {gloss for split in splits.values() for recording in split for gloss in recording.glosses}
    lacking = sorted(used - set(map(to_nfc, glosses)))
    if lacking:
        named = ", ".join(list_first(lacking))
        raise PreparationError(f"glosses that {root / 'voc.txt'} lacks: {named}")
    return Corpus(splits, glosses)


def _read_dictionary(path: Path) -> tuple[str, ...]:
    first_line: dict[str, int] = {}
    for number, line in read_lines(path):
        gloss = line.strip()
        if unseen := name_unseen(gloss):
            raise PreparationError(f"{path}:{number}: {gloss!r} holds {unseen}, which cannot be seen: take it out")
        if len(gloss.split()) > 1:
            raise PreparationError(f"{path}:{number}: {gloss!r} is more than one word; it must be one gloss a line")
        if gloss in first_line:
            raise PreparationError(f"{path}:{number}: duplicate gloss {gloss!r}, already on line {first_line[gloss]}")
        first_line[gloss] = number
    return tuple(first_line)


def _read_rows(path: Path) -> list[tuple[str, str, str]]:
    """Read the rows of a list, each as its place (`file:line`), video folder and glosses."""
    rows = []
    for number, line in read_lines(path):
        folder, bar, label = line.partition("|")
        if not bar or not folder.strip():
            raise PreparationError(f"{path}:{number}: not of the form <video folder>|<glosses>: {line!r}")
        rows.append((f"{path}:{number}", folder.strip().rstrip("/"), label))
    return rows


def _make_recording(root: Path, where: str, path: str, label: str, frequency: Counter[str]) -> Recording:
    """Make a recording, named by its folder; if several folders have that name, those above them join it."""
    relative = _locate_below(root, path)
    name = relative.name if frequency[relative.name] == 1 else "_".join(relative.parts)
    signer = re.search(r"(?<![A-Za-z0-9])P\d+", relative.name)
    return make_recording(where, name, root / relative, signer[0] if signer else "unknown", label)


def _locate_below(root: Path, path: str) -> PurePosixPath:
    """Locate the longest end of `path` that is a folder below `root`.

    The lists in circulation carry absolute paths of the machines that they were written on, so the head is dropped.
    If no part of the path exists, all of it is kept, for the message.
    """
    parts = [part for part in PurePosixPath(path).parts if part not in ("/", ".", "..")]
    for start in range(len(parts)):
        relative = PurePosixPath(*parts[start:])
        if (root / relative).is_dir():
            return relative
    return PurePosixPath(*parts)


CSL = CorpusReader(
    name="CSL",
    read=read_csl,
    title="CSL",
    page="https://ustc-slr.github.io/openresources/cslr-dataset-2015/index.html",
    released_folder="CSL",
    marker="voc.txt",
    language="csl",
    image_size=(1280, 720),
)
