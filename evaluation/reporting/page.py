"""Pages that a person opens in a browser: one file each, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from evaluation.wer import Alignment

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
        reference: the gloss signed, None where somebody inserted one.
        read: what each run read there; None for a run that has nothing to do with this insertion.
    """

    reference: str | None
    read: tuple[Read | None, ...]


def render(template: str, **values: Any) -> str:
    """A page from a file in `TEMPLATES`; text in `values` is escaped, a missing value a jinja2.UndefinedError."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    environment.filters["span"] = span
    environment.filters["minus"] = lambda text: text.replace("-", MINUS)
    return environment.get_template(template).render(**values)


def percent(value: float | None) -> str:
    """A rate in percent as text."""
    return DASH if value is None else f"{value:.2f}\u00a0%"


def span(interval: Sequence[float] | None, form: str = "{:.2f}", unit: str = "\u00a0%") -> str:
    """An interval (low, high) as text."""
    return DASH if interval is None else f"{form} to {form}".format(*interval) + unit


def columns(alignments: Sequence[Alignment]) -> list[Column]:
    """Alignments of the same reference, one a run, under each other; glosses inserted at the same place share a column.

    Raises:
        ValueError: the references are not equal.
    """
    if len({tuple(gloss for _, gloss, _ in of if gloss is not None) for of in alignments}) > 1:
        raise ValueError("alignments of different references cannot stand under one")
    left = [list(alignment) for alignment in alignments]
    found = []
    while any(left):
        inserting = [bool(of) and of[0][0] == "I" for of in left]
        taken = [
            of.pop(0) if not any(inserting) or inserts else None for of, inserts in zip(left, inserting, strict=True)
        ]
        reference = next(column[1] for column in taken if column is not None)
        found.append(Column(reference, tuple((column[0], column[2]) if column else None for column in taken)))
    return found


def search_text(clip: str, signer: str, alignments: Sequence[Alignment]) -> str:
    """What a search for a sentence looks in: id, signer, the glosses signed, and those read by each run."""
    sides = [(alignments[0], 1), *((alignment, 2) for alignment in alignments)]
    glosses = [column[kind] for alignment, kind in sides for column in alignment]
    return " ".join([clip, signer, *(gloss for gloss in glosses if gloss is not None)])
