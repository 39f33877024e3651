"""What went wrong in a split: counts over alignments, as plain values for `report.json`.

The scorer takes glosses that differ in the case of A-Z alone for equal; here they are counted as they are spelt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from evaluation.ctm import fold_case
from evaluation.wer import Alignment, WerResult, counts

MOST_BINS = 6


def per_signer(result: WerResult) -> dict[str, dict[str, Any]]:
    """Counts and number of sentences of each signer, sorted by name."""
    return {name: {**counts(part), "sentences": len(part.sentences)} for name, part in result.per_signer().items()}


def per_length(result: WerResult) -> list[dict[str, Any]]:
    """Counts of the sentences of similar length, from short to long; every sentence is in exactly one bin."""
    rows = []
    for first, last in length_bins([sentence.reference_length for sentence in result.sentences]):
        part = WerResult(tuple(s for s in result.sentences if first <= s.reference_length <= last))
        rows.append({"from": first, "to": last, "sentences": len(part.sentences), **counts(part)})
    return rows


def length_bins(lengths: Sequence[int], most: int = MOST_BINS) -> list[tuple[int, int]]:
    """At most `most` ranges (first, last) of length, both ends included, about equally many sentences in each."""
    bins: list[tuple[int, int]] = []
    numbers = Counter(lengths)
    left, inside, first = len(lengths), 0, None
    for length in sorted(numbers):
        first = length if first is None else first
        inside += numbers[length]
        if inside * (most - len(bins)) >= left:
            bins.append((first, length))
            left, inside, first = left - inside, 0, None
    return bins


def confusions(alignments: Sequence[Alignment]) -> list[dict[str, Any]]:
    """Each reference gloss with what was read instead, most frequent first; `of` is how often it was signed."""
    signed = _signed(alignments)
    pairs = Counter((reference, read) for op, reference, read in _columns(alignments) if op == "S")
    return [
        {"reference": reference, "hypothesis": read, "count": count, "of": signed[reference]}
        for (reference, read), count in _most_first(pairs)
    ]


def deleted(alignments: Sequence[Alignment]) -> list[dict[str, Any]]:
    """Each reference gloss that was missed, most frequent first; `of` is how often it was signed."""
    signed = _signed(alignments)
    missed = Counter(reference for op, reference, _ in _columns(alignments) if op == "D")
    return [{"gloss": gloss, "count": count, "of": signed[gloss]} for gloss, count in _most_first(missed)]


def inserted(alignments: Sequence[Alignment]) -> list[dict[str, Any]]:
    """Each gloss that was read where nothing was signed, most frequent first."""
    added = Counter(read for op, _, read in _columns(alignments) if op == "I")
    return [{"gloss": gloss, "count": count} for gloss, count in _most_first(added)]


def unseen(alignments: Sequence[Alignment], known: Collection[str]) -> list[dict[str, Any]]:
    """Each reference gloss that is not `known` from training, most frequent first, and how often it was recognised."""
    folded = {fold_case(gloss) for gloss in known}
    signed = Counter({gloss: n for gloss, n in _signed(alignments).items() if fold_case(gloss) not in folded})
    correct = Counter(reference for op, reference, _ in _columns(alignments) if op == "C")
    return [{"gloss": gloss, "count": n, "correct": correct[gloss]} for gloss, n in _most_first(signed)]


def confusion_matrix(split: Mapping[str, Any], rows: int = 15, columns: int = 14) -> dict[str, Any]:
    """The reference glosses with most errors against what was read instead.

    Args:
        split: with `confusions` and `deleted`, as in the report.
        rows: reference glosses at most.
        columns: glosses read instead at most, those that these reference glosses are taken for most often.

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
    worst = [gloss for gloss, _ in _most_first(errors)[:rows]]
    read: Counter[str] = Counter()
    for (reference, hypothesis), count in pairs.items():
        if reference in worst:
            read[hypothesis] += count
    names = [gloss for gloss, _ in _most_first(read)[:columns]]
    table = []
    for gloss in worst:
        cells, gone = [pairs.get((gloss, name), 0) for name in names], missed.get(gloss, 0)
        others = errors[gloss] - sum(cells) - gone
        row = {"gloss": gloss, "of": signed[gloss], "errors": errors[gloss], "cells": cells}
        table.append({**row, "others": others, "deleted": gone})
    largest = max((max([*row["cells"], row["others"], row["deleted"]]) for row in table), default=0)
    return {"columns": names, "rows": table, "largest": largest}


def _columns(alignments: Sequence[Alignment]) -> list[tuple[str, str | None, str | None]]:
    return [column for alignment in alignments for column in alignment]


def _signed(alignments: Sequence[Alignment]) -> Counter[str]:
    return Counter(reference for _, reference, _ in _columns(alignments) if reference is not None)


def _most_first(numbers: Counter) -> list[tuple[Any, int]]:
    """Sorted by number, largest first, then by name, so that equal runs give equal reports."""
    return sorted(numbers.items(), key=lambda item: (-item[1], item[0]))
