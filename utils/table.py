"""Tables of text for the terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Format rows of text as a table.

    Args:
        header: the columns' titles.
        rows: the cells of each row.
        left: the number of columns that are flush left; those after them, numbers mostly, are flush right.
    """
    lines = [header, *rows]
    widths = [max(measure_width(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            _pad(cell, width, flush_left=column < left)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip(" ")
        for line in lines
    )


def _pad(text: str, width: int, flush_left: bool) -> str:
    # By its width on the terminal, not by `str.ljust`, which counts characters.
    gap = " " * (width - measure_width(text))
    return text + gap if flush_left else gap + text


def measure_width(text: str) -> int:
    """Count the columns that text takes on a terminal, where a Chinese character takes two and an accent none."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) > 0 for character in text)
