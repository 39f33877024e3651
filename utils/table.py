"""Tables of text for the terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Columns of text, the first `left` of them flush left, the others flush right."""
    widths = [max(_width(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = []
    for row in [header, *rows]:
        gaps = [" " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
        pairs = enumerate(zip(gaps, row, strict=True))
        cells = [cell + gap if column < left else gap + cell for column, (gap, cell) in pairs]
        lines.append("  ".join(cells).rstrip(" "))
    return "\n".join(lines)


def _width(text: str) -> int:
    """Columns that text takes on a terminal, where a Chinese character takes two and an accent none."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.combining(character) > 0 for character in text)
