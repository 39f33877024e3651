"""Files that are called by the name of their corpus."""

from __future__ import annotations

import re
from pathlib import Path

from utils.errors import InputError
from utils.text import quote_value


def check_corpus_name(name: str) -> None:
    """Raise InputError unless the name of a corpus can begin the name of a file, and lead to no other folder."""
    if not re.fullmatch(r"[^\s./\\:-][^/\\:]{0,99}", name) or not name.isprintable():
        raise InputError(f"dataset {quote_value(name)}: the name of a corpus becomes part of file names: use a word")


def locate_references(prepared: str | Path, dataset: str, split: str) -> Path:
    """Locate the file that holds the references of a split, as preparation writes it."""
    check_corpus_name(dataset)
    return Path(prepared) / f"{dataset}-groundtruth-{split}.stm"
