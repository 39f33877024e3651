"""The counts of a split taken apart, by signer and by sentence length, as plain values for `report.json`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from evaluation.wer_result import WerResult, result_to_dict

MOST_BINS = 6
"""Bars of the chart by length: so few that on small splits a bin still has enough sentences to mean something."""


def count_by_signer(result: WerResult) -> dict[str, dict[str, Any]]:
    """Counts and number of sentences of each signer, sorted by name."""
    return {
        name: {**result_to_dict(part), "sentences": len(part.sentences)}
        for name, part in result.split_by_signer().items()
    }


def count_by_length(result: WerResult) -> list[dict[str, Any]]:
    """Counts of the sentences of similar length, from short to long; every sentence is in exactly one bin."""
    rows = []
    for first, last in choose_length_bins([sentence.reference_length for sentence in result.sentences]):
        part = WerResult(tuple(s for s in result.sentences if first <= s.reference_length <= last))
        rows.append({"from": first, "to": last, "sentences": len(part.sentences), **result_to_dict(part)})
    return rows


def choose_length_bins(lengths: Sequence[int], most: int = MOST_BINS) -> list[tuple[int, int]]:
    """Cut lengths into ranges with about equally many sentences.

    Args:
        lengths: the number of reference glosses of each sentence.
        most: the largest number of ranges.

    Returns:
        (first, last) of each range, both ends included.
    """
    bins: list[tuple[int, int]] = []
    numbers = Counter(lengths)
    left, inside, first = len(lengths), 0, None
    # Not np.quantile: sentences of one length must stay together, so a bin ends between two lengths, and the
    # remaining sentences are divided among the remaining bins.
    for length in sorted(numbers):
        first = length if first is None else first
        inside += numbers[length]
        if inside * (most - len(bins)) >= left:
            bins.append((first, length))
            left, inside, first = left - inside, 0, None
    return bins
