"""Telling the built-in corpus, whose signers are rendered, from real ones, which it imitates."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BOUNDARIES = "gloss-boundaries.json"
"""{"frame_rate": 25, "clips": {split: {id: [[gloss, first, last + 1], ...]}}}: the frames, from 0, of each gloss's
stroke without the ways between; ids and glosses as the reader of the corpus gives them. No real corpus has this file.
It lies in the built-in corpus, and preparation copies it."""


def is_rendered(folder: str | Path) -> bool:
    """Whether the corpus in a folder, released or prepared, is the built-in one."""
    return (Path(folder) / BOUNDARIES).is_file()


def name_corpus(dataset: str, rendered: bool) -> str:
    """Name a corpus for people: its `--dataset`, or what it is where only the layout is that of the data set."""
    return f"built-in rendered corpus (in {dataset}'s layout)" if rendered else dataset


def describe_corpus(config: Mapping[str, Any]) -> str:
    """Name the corpus that a configuration, as plain containers, was trained on."""
    return name_corpus(str(config.get("dataset")), is_rendered(config.get("prepared", "")))


def copy_mark(root: Path, output: Path) -> None:
    """Let a prepared corpus be known as rendered if the one that it is made from is, and only then."""
    output.mkdir(parents=True, exist_ok=True)
    if is_rendered(root):
        shutil.copyfile(root / BOUNDARIES, output / BOUNDARIES)
    else:
        (output / BOUNDARIES).unlink(missing_ok=True)
