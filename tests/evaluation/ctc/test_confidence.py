"""Confidences by hand, against enumeration of all alignments, and what holds for any n-best list."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.ctc.confidence import compute_confidences


def logs(*probabilities):
    return [-math.log(p) for p in probabilities]


def is_subsequence(part, whole):
    rest = iter(whole)
    return all(token in rest for token in part)


def paired_places(own, other):
    """The places of `own` that are paired: the first, in lexicographic order, of the largest sets that `other` has."""
    for size in range(min(len(own), len(other)), -1, -1):
        for places in itertools.combinations(range(len(own)), size):
            if is_subsequence([own[place] for place in places], other):
                return places
    raise AssertionError


def enumerated(sequences, weights):
    """Exact confidences for integer weights."""
    result = []
    for own in sequences:
        sums = [0] * len(own)
        for other, weight in zip(sequences, weights, strict=True):
            for place in paired_places(own, other):
                sums[place] += weight
        result.append(tuple(Fraction(s, sum(weights)) for s in sums))
    return result


@pytest.mark.parametrize(
    ("sequences", "probabilities", "expected"),
    [
        ([(7, 8)], [0.01], [(1, 1)]),
        ([()], [1], [()]),
        ([(1, 2, 3), (1, 3), (1, 4, 3)], [0.5, 0.3, 0.2], [(1, 0.5, 1), (1, 1), (1, 0.2, 1)]),
        ([(1, 2), (), (3,)], [0.6, 0.3, 0.1], [(0.6, 0.6), (), (0.1,)]),
        ([(1,), (1, 1)], [0.3, 0.1], [(1,), (1, 0.25)]),  # A against A A: the first A is paired
        ([(1, 1), (1, 1, 1)], [0.5, 0.5], [(1, 1), (1, 1, 0.5)]),
        ([(1, 2, 1), (2, 1)], [0.75, 0.25], [(0.75, 1, 1), (1, 1)]),  # pairing 2 1 beats pairing the first 1 alone
        ([(1, 2), (2, 1)], [0.6, 0.4], [(1, 0.6), (1, 0.4)]),  # one pair, of the earlier token of either
        ([(5, 1, 2), (1, 2, 5)], [0.9, 0.1], [(0.9, 1, 1), (1, 1, 0.1)]),
    ],
)
def test_by_hand(sequences, probabilities, expected):
    found = compute_confidences(sequences, logs(*probabilities))
    assert len(found) == len(expected)
    for one, wanted in zip(found, expected, strict=True):
        assert one == pytest.approx(wanted)
    # -log p of a long clip: no exp(-score) is representable, only their ratios are
    assert compute_confidences(sequences, [score + 5000 for score in logs(*probabilities)]) == [
        pytest.approx(one) for one in found
    ]


NBEST = st.lists(
    st.tuples(st.lists(st.integers(1, 3), max_size=6).map(tuple), st.integers(1, 50)), min_size=1, max_size=6
)


@settings(max_examples=150)
@given(NBEST)
def test_against_enumeration(entries):
    sequences, weights = zip(*entries, strict=True)
    found = compute_confidences(sequences, [-math.log(weight) for weight in weights])
    for one, exact in zip(found, enumerated(sequences, weights), strict=True):
        assert one == pytest.approx([float(value) for value in exact], abs=1e-12)


@settings(max_examples=100)
@given(st.lists(st.tuples(st.lists(st.integers(0, 4), max_size=12), st.floats(0, 60)), min_size=1, max_size=10))
def test_what_holds_for_every_list(entries):
    sequences, scores = map(list, zip(*entries, strict=True))
    found = compute_confidences(sequences, scores)
    shares = np.exp(-np.array(scores)) / np.exp(-np.array(scores)).sum()
    for own, share, one in zip(sequences, shares, found, strict=True):
        assert len(one) == len(own)
        assert all(share * (1 - 1e-9) <= confidence <= 1 for confidence in one)
        # whatever the tie rule: they add up to the expected length of what is in common
        common = [len(paired_places(own[:8], other)) for other in sequences]
        if len(own) <= 8:
            assert sum(one) == pytest.approx(np.dot(shares, common))


def test_what_all_have_is_certain_to_the_last_bit():
    scores = np.random.default_rng(0).uniform(0, 9, 10)
    found = compute_confidences([(4, token, 9) for token in range(10, 20)], scores)
    assert all((one[0], one[2]) == (1.0, 1.0) and one[1] < 1 for one in found)


def test_arguments_stay_as_they_are_and_none_is_none():
    tokens, scores = [[1, 2], [2, 1]], np.array([0.5, 1.0])
    compute_confidences(tokens, scores)
    assert tokens == [[1, 2], [2, 1]]
    assert scores.tolist() == [0.5, 1.0]
    assert compute_confidences([], []) == []


@pytest.mark.parametrize("scores", [[0.5], [0.5, math.nan], [0.5, math.inf]])
def test_bad_scores_are_an_error(scores):
    with pytest.raises(ValueError, match="expected 2 finite scores"):
        compute_confidences([(1,), (2,)], scores)
