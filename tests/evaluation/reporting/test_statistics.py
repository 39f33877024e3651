"""Intervals and tests against values found by hand."""

import numpy as np
import pytest

from evaluation.reporting.statistics import compare_paired_errors, compute_bootstrap_interval
from utils.errors import InputError


def test_interval_of_two_sentences_by_hand():
    # drawn: the first twice (0 %), both (50 %, with twice the chance), the second twice (100 %)
    assert compute_bootstrap_interval([0, 1], [1, 1]) == (0.0, 100.0)
    assert compute_bootstrap_interval([0, 1], [1, 1], confidence=0.4) == (50.0, 50.0)


def test_interval_is_of_the_ratio_of_sums_not_of_the_mean_of_ratios():
    assert compute_bootstrap_interval([1, 0], [1, 3], confidence=0.4) == (25.0, 25.0)


def test_interval_of_many_glosses_is_that_of_the_binomial():
    low, high = compute_bootstrap_interval([1] * 100 + [0] * 300, [1] * 400)
    half = 1.96 * 100 * np.sqrt(0.25 * 0.75 / 400)
    assert low == pytest.approx(25 - half, abs=0.4)
    assert high == pytest.approx(25 + half, abs=0.4)


def test_interval_is_the_same_again_and_wider_with_more_confidence():
    errors, lengths = [0, 1, 2, 3, 0, 5], [4, 5, 6, 7, 8, 9]
    narrow, wide = (compute_bootstrap_interval(errors, lengths, confidence) for confidence in (0.5, 0.95))
    assert narrow == compute_bootstrap_interval(errors, lengths, 0.5)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


@pytest.mark.parametrize(
    ("errors", "lengths"),
    [
        ([2], [5]),  # one sentence
        ([0, 0, 0], [3, 4, 5]),  # no error
        ([3, 4, 5], [3, 4, 5]),  # everything missed
        ([1, 2], [2, 4]),  # all alike
        ([1, 1], [2, 0]),  # a draw can be without a gloss
    ],
)
def test_no_interval_where_drawing_anew_says_nothing(errors, lengths, recwarn):
    assert compute_bootstrap_interval(errors, lengths) is None
    assert not recwarn.list


@pytest.mark.parametrize(
    ("errors", "lengths", "message"),
    [
        ([], [], "no reference gloss in 0 sentences"),
        ([1], [0], "no reference gloss in 1 sentences"),
        ([1, 2], [3], "errors of 2 sentences, lengths of 1"),
    ],
)
def test_counts_that_have_no_rate_are_errors(errors, lengths, message):
    with pytest.raises(InputError, match=message):
        compute_bootstrap_interval(errors, lengths)
    with pytest.raises(InputError, match=message):
        compare_paired_errors(errors, errors, lengths)


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([1], 1.0),  # either sign is as far from zero
        ([2, 1], 0.5),  # sums 3, 1, -1, -3
        ([1, 1, 1], 0.25),  # 3 in 1 of 8
        ([-1, 2, 3], 0.5),  # 6, 4, 2, 0, 0, -2, -4, -6: two of 8 reach 4
        ([1, 1, 1, 1], 0.125),
        ([1, 1, 1, 1, -1], 0.375),  # 5 once and 3 five times, of 32
        ([1, -1], 1.0),
        ([-1, -1, -1], 0.25),
    ],
)
@pytest.mark.parametrize("ties", [0, 40])
def test_p_counted_over_all_signs_by_hand(differences, p, ties):
    before = [5] * (len(differences) + ties)
    after = [5 + change for change in differences] + [5] * ties
    assert compare_paired_errors(before, after, [9] * len(before)).p == pytest.approx(p)


def test_difference_by_hand():
    found = compare_paired_errors([3, 0, 2, 1], [1, 1, 0, 1], [10, 10, 10, 20])
    assert found.points == pytest.approx(-6.0)  # 3 errors of 50 glosses fewer
    assert (found.better, found.worse, found.equal) == (2, 1, 1)
    low, high = found.interval
    assert -20.0 <= low < found.points < high <= 10.0


def test_identical_runs_do_not_differ():
    found = compare_paired_errors([3, 0, 2], [3, 0, 2], [5, 5, 5])
    assert (found.points, found.interval, found.p) == (0.0, None, 1.0)
    assert (found.better, found.worse, found.equal) == (0, 0, 3)


def test_swapping_the_runs_changes_the_sign_alone():
    a, b, lengths = [3, 0, 2, 1, 4, 0], [1, 1, 0, 1, 1, 2], [7, 5, 8, 9, 6, 4]
    there, back = compare_paired_errors(a, b, lengths), compare_paired_errors(b, a, lengths)
    assert (back.points, back.p) == (-there.points, there.p)
    assert back.interval == pytest.approx((-there.interval[1], -there.interval[0]))


def test_a_constant_gain_in_many_sentences_cannot_be_chance():
    found = compare_paired_errors([1] * 60, [0] * 60, range(1, 61))
    assert found.p < 0.001
    assert found.interval[1] < 0


def test_pairing_makes_the_interval_narrower_than_two_apart():
    random = np.random.default_rng(0)
    lengths = random.integers(5, 15, 300)
    hard = random.binomial(lengths, 0.4)
    easier = np.maximum(hard - random.binomial(1, 0.2, 300), 0)
    low, high = compare_paired_errors(hard, easier, lengths).interval
    apart = compute_bootstrap_interval(hard, lengths)
    assert high - low < 0.5 * (apart[1] - apart[0])


@pytest.mark.timeout(30)
def test_the_size_of_a_test_split_takes_no_time():
    random = np.random.default_rng(0)
    lengths = random.integers(1, 20, 1200)
    a, b = random.binomial(lengths, 0.2), random.binomial(lengths, 0.19)
    compute_bootstrap_interval(a, lengths)
    compare_paired_errors(a, b, lengths)
