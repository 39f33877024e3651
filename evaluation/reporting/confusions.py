"""Which glosses went wrong: tables of confusions, deletions, insertions and unseen glosses for the report.

The scorer takes glosses that differ in the case of A-Z alone for equal; here they are counted as they are spelt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from evaluation.ctm import fold_case
from evaluation.wer_result import Alignment


def list_confusions(alignments: Sequence[Alignment]) -> list[dict[str, Any]]:
    """Each reference gloss with what was read instead, most frequent first; `of` is how often it was signed."""
    signed = _count_signed(alignments)
    pairs = Counter((reference, read) for op, reference, read in _flatten(alignments) if op == "S")
    return [
        {"reference": reference, "hypothesis": read, "count": count, "of": signed[reference]}
        for (reference, read), count in _sort_by_count(pairs)
    ]


def list_deleted(alignments: Sequence[Alignment]) -> list[dict[str, Any]]:
    """Each reference gloss that was missed, most frequent first; `of` is how often it was signed."""
    signed = _count_signed(alignments)
    missed = Counter(reference for op, reference, _ in _flatten(alignments) if op == "D")
    return [{"gloss": gloss, "count": count, "of": signed[gloss]} for gloss, count in _sort_by_count(missed)]


def list_inserted(alignments: Sequence[Alignment]) -> list[dict[str, Any]]:
    """Each gloss that was read where nothing was signed, most frequent first."""
    added = Counter(read for op, _, read in _flatten(alignments) if op == "I")
    return [{"gloss": gloss, "count": count} for gloss, count in _sort_by_count(added)]


def list_unseen(alignments: Sequence[Alignment], known: Collection[str]) -> list[dict[str, Any]]:
    """Each reference gloss that is not `known` from training, most frequent first, and how often it was recognised."""
    folded = {fold_case(gloss) for gloss in known}
    signed = Counter({gloss: n for gloss, n in _count_signed(alignments).items() if fold_case(gloss) not in folded})
    correct = Counter(reference for op, reference, _ in _flatten(alignments) if op == "C")
    return [{"gloss": gloss, "count": n, "correct": correct[gloss]} for gloss, n in _sort_by_count(signed)]


def build_confusion_matrix(split: Mapping[str, Any], rows: int = 15, columns: int = 14) -> dict[str, Any]:
    """The reference glosses with most errors against what was read instead.

    Args:
        split: a split of the report; its `confusions` and `deleted` are used.
        rows: the largest number of reference glosses.
        columns: the largest number of glosses read instead; those that these reference glosses are taken for most.

    Returns:
        `columns`, the glosses read instead; `rows`, each with `gloss`, how often it was signed (`of`), its `errors`,
        which are the sum of `cells` (a number for each column), `others` and `deleted`; `largest` of these numbers.
    """
    pairs = {(row["reference"], row["hypothesis"]): row["count"] for row in split["confusions"]}
    missed = {row["gloss"]: row["count"] for row in split["deleted"]}
    signed = {row["reference"]: row["of"] for row in split["confusions"]}
    signed |= {row["gloss"]: row["of"] for row in split["deleted"]}
    errors = Counter(missed)
    for (reference, _), count in pairs.items():
        errors[reference] += count
    worst = [gloss for gloss, _ in _sort_by_count(errors)[:rows]]
    read: Counter[str] = Counter()
    for (reference, hypothesis), count in pairs.items():
        if reference in worst:
            read[hypothesis] += count
    names = [gloss for gloss, _ in _sort_by_count(read)[:columns]]
    table = []
    for gloss in worst:
        cells, gone = [pairs.get((gloss, name), 0) for name in names], missed.get(gloss, 0)
        others = errors[gloss] - sum(cells) - gone
        row = {"gloss": gloss, "of": signed[gloss], "errors": errors[gloss], "cells": cells}
        table.append({**row, "others": others, "deleted": gone})
    largest = max((max([*row["cells"], row["others"], row["deleted"]]) for row in table), default=0)
    return {"columns": names, "rows": table, "largest": largest}


def _flatten(alignments: Sequence[Alignment]) -> list[tuple[str, str | None, str | None]]:
    """The columns of all alignments in a row."""
    return [column for alignment in alignments for column in alignment]


def _count_signed(alignments: Sequence[Alignment]) -> Counter[str]:
    """How often each reference gloss was signed."""
    return Counter(reference for _, reference, _ in _flatten(alignments) if reference is not None)


def _sort_by_count(numbers: Counter) -> list[tuple[Any, int]]:
    """(name, number) of each, the largest number first."""
    # Equal numbers by name, unlike Counter.most_common: so equal runs give equal reports.
    return sorted(numbers.items(), key=lambda item: (-item[1], item[0]))
