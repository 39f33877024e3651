"""Bins of sentence length."""

from itertools import pairwise

import pytest

from evaluation.reporting.breakdown import choose_length_bins, count_by_length
from evaluation.wer_result import SentenceCounts, WerResult


@pytest.mark.parametrize(
    ("lengths", "bins"),
    [
        ([4], [(4, 4)]),
        ([1, 2, 3, 4, 5, 6], [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)]),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [(1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12)]),
        # 92 in the first bin; of the 8 left, 5 bins would take 1.6 each, then 4 of 6 left 1.5, 3 of 4 left 1.3
        ([3] * 90 + [1, 2, *range(4, 11), 20], [(1, 3), (4, 5), (6, 7), (8, 9), (10, 10), (20, 20)]),
    ],
)
def test_bins_of_length_by_hand(lengths, bins):
    assert choose_length_bins(lengths) == bins


def test_every_sentence_is_in_one_bin_of_at_most_six():
    result = WerResult(tuple(SentenceCounts(str(n), "s", n * n % 17, 0, 0, 0) for n in range(300)))
    rows = count_by_length(result)
    assert len(rows) <= 6
    assert sum(row["sentences"] for row in rows) == 300
    assert all(before["to"] < after["from"] for before, after in pairwise(rows))
