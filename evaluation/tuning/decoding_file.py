"""The file of options that a tuning leaves in the run's folder, for the key `decoding` of the configuration."""

from __future__ import annotations

import os
from pathlib import Path

import yaml

from evaluation.tuning.option_search import SearchOptions
from utils.files import real_path, set_aside, write_text
from utils.text import show_text

FILE_NAME = "decoding.yaml"


def write_decoding_file(path: Path, options: SearchOptions, lm: Path | None, comments: list[str]) -> Path | None:
    """Write the options, whole or not at all; a file that says something else is kept under another name.

    Args:
        path: the file.
        options: the chosen options.
        lm: the language model, which is named by its way from the file's folder; None where there is none.
        comments: lines about where the options come from.

    Returns:
        the name that the older file has now; None where there was none, or one that says the same.
    """
    # By real paths: the way up from a folder behind a link is not the way up from the link.
    name = os.path.relpath(real_path(lm), real_path(path).parent) if lm else None
    content = {"lm": name, **options._asdict()}
    # YAML ends a comment at more characters than Python ends a line.
    lines = [f"# {' '.join(show_text(comment).split())}\n" for comment in comments]
    text = "".join(lines) + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    aside = None
    if path.exists() and path.read_bytes() != text.encode():
        aside = set_aside(path)
    write_text(path, text)
    return aside
