"""Hypotheses of several networks combined: scores against sums over all paths, and choices worked out by hand."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset.vocabulary import Vocabulary
from evaluation.ctc.confidence import compute_confidences
from evaluation.ctc.ngram_table import build_table
from evaluation.ctc.search_arrays import Fusion
from evaluation.decode import BeamDecoder, GreedyDecoder, decode_members
from tests.helpers.all_paths import GLOSSES, draw_model, draw_rows, enumerate_scores


def draw_members(rng, members, lengths, classes):
    """Posteriors (M, B, T', V) of clips of these lengths, with padding that nobody may look at."""
    posteriors = np.full((members, len(lengths), max(lengths), classes), np.nan, np.float32)
    for member, (clip, steps) in itertools.product(range(members), enumerate(lengths)):
        posteriors[member, clip, :steps] = draw_rows(rng, steps, classes)
    return posteriors


@settings(max_examples=100)
@given(
    st.integers(0, 10**6), st.integers(2, 4), st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(1, 3),
    st.integers(1, 5), st.booleans(), st.sampled_from([0.0, 0.5, 2.0]), st.sampled_from([-1.5, 0.0, 1.0]),
    st.sampled_from([0.0, 1.5]),
)  # fmt: skip
def test_a_candidate_scores_the_mean_of_what_a_search_over_all_paths_gives_for_each_network(
    seed, members, lengths, size, width, merges, weight, bonus, penalty
):
    rng = np.random.default_rng(seed)
    glosses, model = rng.permutation(GLOSSES)[:size].tolist(), draw_model(rng, 3)
    table = build_table(model, Vocabulary(glosses), "phoenix2014")
    fusion = Fusion(table, weight, bonus, penalty, merges)
    decoder = BeamDecoder(width, fusion=fusion if weight or bonus or penalty else None)
    posteriors = draw_members(rng, members, lengths, size + 1)
    found = decode_members(decoder, posteriors, np.array(lengths))
    assert len(found) == len(lengths)
    for clip, steps in enumerate(lengths):
        own = posteriors[:, clip, :steps]
        alone = [decoder(rows[None], [steps])[0] for rows in own]
        assert sorted(h.tokens for h in found[clip]) == sorted({h.tokens for of_one in alone for h in of_one})
        of_members = [enumerate_scores(rows, model, glosses, fusion) for rows in own]
        expected = [np.mean([scores[h.tokens] for scores in of_members]) for h in found[clip]]
        assert [-h.score for h in found[clip]] == pytest.approx(expected, abs=1e-9)
        assert expected == sorted(expected, reverse=True) or min(np.abs(np.diff(expected))) < 1e-9
        shares = compute_confidences([h.tokens for h in found[clip]], [h.score for h in found[clip]])
        assert [h.confidences for h in found[clip]] == shares
        first = {h.tokens: h.frames for h in itertools.chain(*alone[::-1])}
        assert {h.tokens: h.frames for h in found[clip]} == first


def test_a_gloss_that_two_networks_put_on_different_steps_is_kept():
    """The mean of both would have it with 0.275 at two steps: 1 - 0.725 ** 2 = 0.47, less than the blank's 0.53."""
    one = np.array([[1.0, 0.0], [0.45, 0.55], [1.0, 0.0], [1.0, 0.0]], np.float32)
    other = one[[0, 2, 1, 3]]
    mean = BeamDecoder()((one + other)[None] / 2, [4])[0]
    assert [h.tokens for h in mean[:2]] == [(), (1,)]
    (found,) = decode_members(BeamDecoder(), np.stack([one, other])[:, None], np.array([4]))
    assert [h.tokens for h in found[:2]] == [(1,), ()]
    assert [h.score for h in found[:2]] == pytest.approx([-np.log(0.55), -np.log(0.45)], abs=1e-6)
    assert found[0].confidences == pytest.approx((0.55,), abs=1e-6)
    assert found[0].frames == (1,)


def test_what_two_networks_hold_for_little_loses_to_what_all_hold_for_possible():
    """Networks that are sure of A, of B, and of neither: C is nobody's best but the best of all three."""
    rows = [[0.01, 0.58, 0.01, 0.4], [0.01, 0.01, 0.58, 0.4], [0.3, 0.15, 0.15, 0.4]]  # one step
    (found,) = decode_members(BeamDecoder(), np.array(rows, np.float32)[:, None, None], np.array([1]))
    assert found[0].tokens == (3,)
    assert found[0].score == pytest.approx(-np.log(0.4), abs=1e-6)
    assert sorted(h.tokens for h in found) == [(), (1,), (2,), (3,)]


@pytest.mark.parametrize("decoder", [BeamDecoder(4), GreedyDecoder()])
def test_one_network_alone_is_decoded_as_ever_bit_by_bit(decoder):
    lengths = np.array([7, 0, 12, 3])
    posteriors = draw_members(np.random.default_rng(0), 1, lengths, 6)
    assert decode_members(decoder, posteriors, lengths) == decoder(posteriors[0], lengths)


@pytest.mark.parametrize("decoder", [BeamDecoder(4), GreedyDecoder()])
def test_the_order_of_the_networks_changes_no_digit(decoder):
    lengths = np.array([12, 5])
    posteriors = draw_members(np.random.default_rng(1), 3, lengths, 6)
    expected = decode_members(decoder, posteriors, lengths)
    assert len({h.tokens for h in expected[0]}) > 2
    for order in itertools.permutations(range(3)):
        found = decode_members(decoder, posteriors[list(order)], lengths)
        for clip, hypotheses in enumerate(found):
            frames = [h.frames for h in expected[clip]]  # these are of the first network that found a sequence
            assert [replace(h, frames=f) for h, f in zip(hypotheses, frames, strict=True)] == expected[clip]


def test_of_a_large_dictionary_scores_are_those_over_all_its_classes():
    rng = np.random.default_rng(2)
    posteriors = draw_members(rng, 2, [40], 300)
    (found,) = decode_members(BeamDecoder(), posteriors, np.array([40]))
    logs = torch.from_numpy(np.maximum(posteriors[:, 0], np.finfo(np.float32).tiny)).double().log()  # (M, T', V)
    for hypothesis in found:
        losses = [
            torch.nn.functional.ctc_loss(
                rows[:, None], torch.tensor([hypothesis.tokens]), [40], [len(hypothesis.tokens)], reduction="sum"
            ).item()
            for rows in logs
        ]
        assert hypothesis.score == pytest.approx(np.mean(losses), abs=1e-9)


def test_greedy_networks_give_one_candidate_each_and_no_confidences():
    one = np.array([[0.4, 0.6, 0.0], [0.4, 0.6, 0.0]], np.float32)  # A; A 0.84, nothing 0.16
    other = np.array([[0.3, 0.25, 0.45], [0.3, 0.25, 0.45]], np.float32)  # B with less than 0.5
    (found,) = decode_members(GreedyDecoder(), np.stack([one, other])[:, None], np.array([2]))
    assert [h.tokens for h in found] == [(1,), (2,)]  # A: 0.25 ** 2 + 2 * 0.3 * 0.25 = 0.2125 for the other
    assert found[0].score == pytest.approx(-(np.log(0.84) + np.log(0.2125)) / 2, abs=1e-6)
    assert [h.confidences for h in found] == [None, None]


def test_nothing_and_blanks_alone():
    empty = decode_members(BeamDecoder(), np.zeros((2, 1, 0, 3), np.float32), np.array([0]))
    assert [(h.tokens, h.score) for h in empty[0]] == [((), 0.0)]
    blanks = np.array([[0.5, 0.5], [0.25, 0.75]], np.float32)[:, None, None]
    (found,) = decode_members(BeamDecoder(1), blanks[[0, 0]], np.array([1]))
    assert [(h.tokens, h.score) for h in found] == [((), pytest.approx(np.log(2)))]
    table = build_table(draw_model(np.random.default_rng(0), 1), Vocabulary(["A"]), "none")
    penalty = Fusion(table, 0.0, -9.0, 1.0, merges_repeats=True)
    (found,) = decode_members(BeamDecoder(1, fusion=penalty), blanks, np.array([1]))
    assert [(h.tokens, h.score) for h in found] == [((), pytest.approx(1 + (np.log(2) + np.log(4)) / 2))]
