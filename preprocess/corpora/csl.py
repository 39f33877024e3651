"""CSL (2015): one hundred sentences in Chinese sign language, the continuous part."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path, PurePosixPath

from preprocess.corpora.corpus import (
    Corpus,
    PreparationError,
    Recording,
    Source,
    check_root,
    check_unique,
    make_recording,
    read_lines,
)

SPLITS = ("train", "dev")

CSL = Source(
    title="CSL",
    page="https://ustc-slr.github.io/openresources/cslr-dataset-2015/index.html",
    root="CSL",
    marker="voc.txt",
)


def read_csl(root: Path) -> Corpus:
    """Read CSL: `train.txt` and `dev.txt` list `<video folder>|<glosses>`, `voc.txt` is the dictionary; no test split.

    Raises:
        PreparationError: the root or one of these files is wrong, or a gloss is not in `voc.txt`.
    """
    check_root(root, CSL)
    rows = {split: _rows(root / f"{split}.txt") for split in SPLITS}
    frequency = Counter(PurePosixPath(path).name for entries in rows.values() for _, path, _ in entries)
    splits = {
        split: tuple(_recording(root, where, path, label, frequency) for where, path, label in entries)
        for split, entries in rows.items()
    }
    check_unique(splits)
    glosses = _dictionary(root / "voc.txt")
    used = {gloss for split in splits.values() for recording in split for gloss in recording.glosses}
    if used - set(glosses):
        raise PreparationError(f"glosses that {root / 'voc.txt'} lacks: {', '.join(sorted(used - set(glosses)))}")
    return Corpus(splits, glosses)


def _dictionary(path: Path) -> tuple[str, ...]:
    first_line: dict[str, int] = {}
    for number, line in read_lines(path):
        gloss = line.strip()
        if len(gloss.split()) > 1:
            raise PreparationError(f"{path}:{number}: {gloss!r} is more than one word; it must be one gloss a line")
        if gloss in first_line:
            raise PreparationError(f"{path}:{number}: duplicate gloss {gloss!r}, already on line {first_line[gloss]}")
        first_line[gloss] = number
    return tuple(first_line)


def _rows(path: Path) -> list[tuple[str, str, str]]:
    """The rows of a list: `file:line`, video folder, glosses."""
    rows = []
    for number, line in read_lines(path):
        folder, bar, label = line.partition("|")
        if not bar or not folder.strip():
            raise PreparationError(f"{path}:{number}: not of the form <video folder>|<glosses>: {line!r}")
        rows.append((f"{path}:{number}", folder.strip().rstrip("/"), label))
    return rows


def _recording(root: Path, where: str, path: str, label: str, frequency: Counter[str]) -> Recording:
    """A recording has the name of its folder; if several have, the names of the folders above join it."""
    relative = _below(root, path)
    name = relative.name if frequency[relative.name] == 1 else "_".join(relative.parts)
    signer = re.search(r"(?<![A-Za-z0-9])P\d+", relative.name)
    return make_recording(where, name, root / relative, signer[0] if signer else "unknown", label)


def _below(root: Path, path: str) -> PurePosixPath:
    """The longest end of `path` that is a folder below `root`: lists in circulation were written elsewhere."""
    parts = [part for part in PurePosixPath(path).parts if part not in ("/", ".", "..")]
    for start in range(len(parts)):
        relative = PurePosixPath(*parts[start:])
        if (root / relative).is_dir():
            return relative
    return PurePosixPath(*parts)
