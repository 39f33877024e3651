"""Pages that a person opens in a browser: one file each, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from evaluation.wer_result import Alignment
from utils.text import plural

TEMPLATES = Path(__file__).parent / "templates"
DASH = "\u2013"
"""Between the ends of a range, and where there is no value."""
MINUS = "\u2212"

Read = tuple[str, str | None]
"""(op, recognised gloss or None), op being C, S, D or I."""


@dataclass(frozen=True)
class Column:
    """One place of a sentence under which readings stand.

    Attributes:
        reference: the gloss signed, None where a run inserted a gloss.
        read: the operation and gloss of each run there; None for a run without a gloss in this insertion.
    """

    reference: str | None
    read: tuple[Read | None, ...]


def render_page(template: str, **values: Any) -> str:
    """Fill a template.

    Args:
        template: the name of a file in `TEMPLATES`.
        values: the values that stand in it; text is escaped.

    Raises:
        jinja2.UndefinedError: a value that the template needs is missing.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,  # glosses, ids and signers come from files: one that looks like HTML must stay text
        undefined=StrictUndefined,  # a missing value is an error here, and not an empty place on the page
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = format_percent
    environment.filters["plural"] = plural
    environment.filters["interval"] = format_interval
    environment.filters["minus"] = lambda text: text.replace("-", MINUS)
    return environment.get_template(template).render(**values)


def format_percent(value: float | None) -> str:
    """A rate in percent as text."""
    return DASH if value is None else f"{value:.2f}\u00a0%"


def format_interval(interval: Sequence[float] | None, number: str = "{:.2f}", unit: str = "\u00a0%") -> str:
    """An interval as text.

    Args:
        interval: (low, high), or None where there is none.
        number: the format of both ends.
        unit: the text after them.
    """
    return DASH if interval is None else f"{number} to {number}".format(*interval) + unit


def stack_alignments(alignments: Sequence[Alignment]) -> list[Column]:
    """Put alignments of the same reference under each other; glosses inserted at the same place share a column.

    Args:
        alignments: the alignment of each run.

    Raises:
        ValueError: the references are not equal.
    """
    references = {tuple(gloss for _, gloss, _ in alignment if gloss is not None) for alignment in alignments}
    if len(references) > 1:
        raise ValueError("alignments of different references cannot stand under one")
    left = [list(alignment) for alignment in alignments]
    columns = []
    while any(left):
        # As long as a run has an insertion here, the others wait: the next reference gloss must stand in one column.
        inserting = any(rest and rest[0][0] == "I" for rest in left)
        reference: str | None = None
        read: list[Read | None] = []
        for rest in left:
            if inserting and not (rest and rest[0][0] == "I"):
                read.append(None)
                continue
            op, reference, gloss = rest.pop(0)
            read.append((op, gloss))
        columns.append(Column(reference, tuple(read)))
    return columns


def collect_search_text(clip: str, signer: str, alignments: Sequence[Alignment]) -> str:
    """What a search for a sentence looks in: id, signer, the glosses signed, and those read by each run."""
    signed = [gloss for _, gloss, _ in alignments[0] if gloss is not None]
    read = [gloss for alignment in alignments for _, _, gloss in alignment if gloss is not None]
    return " ".join([clip, signer, *signed, *read])
