"""Forced alignment against every path there is, and against times worked out by hand."""

from __future__ import annotations

import math
from itertools import groupby, product

import numpy as np
import pytest

from evaluation.ctc.forced_alignment import BLANK_SHARE, _find_best_path, force_align


def spelling(path, blank=0):
    return [token for token, _ in groupby(path) if token != blank]


def best_by_enumeration(p, tokens, blank=0):
    """The probability of the best path that spells `tokens`, by trying all V ** T' of them."""
    T, V = p.shape
    return max(
        (
            math.prod(p[t, c] for t, c in enumerate(path))
            for path in product(range(V), repeat=T)
            if spelling(path, blank) == list(tokens)
        ),
        default=0.0,
    )


def posteriors(rng, T, V, sharpness=2.0):
    p = np.exp(sharpness * rng.normal(size=(T, V)))
    return (p / p.sum(1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("tokens", [(1,), (1, 2), (1, 1), (2, 1, 2), (1, 1, 2)])
def test_the_path_is_the_most_probable_of_all_that_spell_the_tokens(seed, tokens):
    p = posteriors(np.random.default_rng(seed), 6, 3).astype(np.float64)
    states = np.zeros(2 * len(tokens) + 1, int)
    states[1::2] = tokens
    path = states[_find_best_path(np.log(p[:, states]), states, 0)]
    assert spelling(path) == list(tokens)
    assert math.prod(p[np.arange(6), path]) == pytest.approx(best_by_enumeration(p, tokens), rel=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_spans_are_in_order_without_overlap_and_repeats_stay_apart(seed):
    rng = np.random.default_rng(seed)
    p = posteriors(rng, 14, 4)
    tokens = rng.integers(1, 4, 5).tolist()
    spans = force_align(p, tokens)
    assert len(spans) == 5
    assert all(0 <= first < end <= 14 for first, end in spans)
    for index in range(4):
        gap = spans[index + 1][0] - spans[index][1]
        assert gap >= (1 if tokens[index] == tokens[index + 1] else 0)


def test_a_peak_is_widened_over_blank_steps_in_which_the_gloss_leads_what_is_left():
    # Steps:        0      1      2     3      4      5      6
    blank = np.array([0.99, 0.90, 0.10, 0.90, 0.90, 0.05, 0.99])
    first = np.array([0.10, 0.90, 0.95, 0.80, 0.15, 0.02, 0.10])  # share of what the blank leaves to class 1 ...
    second = np.array([0.10, 0.05, 0.03, 0.10, 0.80, 0.96, 0.10])  # ... and to class 2
    rest = 1 - blank
    p = np.stack([blank, rest * first, rest * second, rest * (1 - first - second)], 1).astype(np.float32)
    # One alone would be the peak; steps 1 and 3 lean on class 1, step 4 on class 2; at 0 and 6 both have less than
    # BLANK_SHARE, so they stay blank.
    assert BLANK_SHARE > 0.1
    assert force_align(p, [1, 2]) == [(1, 4), (4, 6)]


def test_a_step_of_an_indifferent_rest_stays_blank_even_where_the_blank_rounds_to_one():
    p = np.full((5, 100), 1e-9, np.float32)
    p[:, 0] = 1.0
    p[2] = 1e-9
    p[2, 7] = 1.0
    assert force_align(p, [7]) == [(2, 3)]


def test_a_peak_stays_where_the_first_pass_put_it():
    p = np.array([[0.06, 0.04, 0.90], [0.05, 0.90, 0.05], [0.90, 0.05, 0.05], [0.05, 0.05, 0.90]], np.float32)
    # Step 0 leans on class 2, but class 1 peaks after it. At step 2 both have half of what is left: the later has it.
    assert force_align(p, [1, 2]) == [(1, 2), (2, 4)]


def test_exactly_as_many_steps_as_needed():
    p = np.full((3, 3), 1 / 3, np.float32)
    assert force_align(p, [1, 1]) == [(0, 1), (2, 3)]


def test_impossible_steps_count_as_the_smallest_probability():
    p = np.array([[1, 0, 0], [1, 0, 0]], np.float32)
    assert len(force_align(p, [1, 2])) == 2


def test_no_tokens():
    assert force_align(np.full((3, 3), 1 / 3, np.float32), []) == []
    assert force_align(np.zeros((0, 3), np.float32), []) == []


@pytest.mark.parametrize("tokens", [[1, 1], [1, 2, 1]])
def test_too_few_steps(tokens):
    with pytest.raises(ValueError, match=f"2 steps are too few to spell {len(tokens)} tokens"):
        force_align(np.full((2, 3), 1 / 3, np.float32), tokens)


@pytest.mark.parametrize("token", [0, 3, -1])
def test_a_token_that_is_no_class(token):
    with pytest.raises(ValueError, match=f"{token} is not one of the 3 classes"):
        force_align(np.full((4, 3), 1 / 3, np.float32), [1, token])


def test_another_blank():
    p = np.array([[0.1, 0.9], [0.9, 0.1], [0.1, 0.9]], np.float32)
    assert force_align(p, [0], blank=1) == [(0, 3)]  # the only other class has all that the blank leaves


def test_the_argument_stays_as_it_is():
    p = posteriors(np.random.default_rng(0), 6, 3)
    before = p.copy()
    force_align(p, [1, 2])
    assert np.array_equal(p, before)
