"""The beam search with a language model, bonus and penalty, against searches over all paths and in plain Python."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.plain_search import search_in_plain_python
from dataset.vocabulary import Vocabulary
from evaluation.ctc.ngram_table import build_table
from evaluation.ctc.prefix_search import score_token
from evaluation.ctc.search_arrays import Fusion
from evaluation.decode import BeamDecoder, make_decoder
from evaluation.language_model.ngram_model import BEGIN, END, NgramModel
from tests.data.parity.reference_posteriors import cases
from tests.helpers.all_paths import GLOSSES, LN10, draw_model, draw_rows, enumerate_scores, spell


def decode_one(decoder, rows):
    return decoder(rows[None], [len(rows)])[0]


@settings(max_examples=150)
@given(
    st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 3), st.integers(1, 3), st.booleans(), st.booleans(),
    st.sampled_from([0.0, 0.5, 2.0]), st.sampled_from([-1.5, 0.0, 1.0]), st.sampled_from([0.0, 1.5]),
)  # fmt: skip
def test_a_wide_beam_scores_every_sequence_as_a_search_over_all_paths_does(
    seed, steps, size, order, unknown, merges, weight, bonus, penalty
):
    rng = np.random.default_rng(seed)
    glosses, model = rng.permutation(GLOSSES)[:size].tolist(), draw_model(rng, order, unknown)
    rows = draw_rows(rng, steps, size + 1)
    fusion = Fusion(build_table(model, Vocabulary(glosses), "phoenix2014"), weight, bonus, penalty, merges)
    expected = enumerate_scores(rows, model, glosses, fusion)
    found = decode_one(BeamDecoder(beam_width=400, fusion=fusion), rows)
    assert {h.tokens for h in found} == set(expected)
    assert [-h.score for h in found] == pytest.approx([expected[h.tokens] for h in found], abs=1e-9)
    assert [h.score for h in found] == sorted(h.score for h in found)
    assert expected[found[0].tokens] == pytest.approx(max(expected.values()), abs=1e-9)
    # Steps and confidences mean what they do without: the most probable step of each token, and shares of the list.
    plain = {h.tokens: h.frames for h in decode_one(BeamDecoder(beam_width=400), rows)}
    assert {h.tokens: h.frames for h in found} == plain
    shares = np.exp(np.array([found[0].score - h.score for h in found]))
    for place, token in enumerate(found[0].tokens):
        having = sum(share for h, share in zip(found, shares, strict=True) if token in h.tokens)
        assert 0.0 < found[0].confidences[place] <= having / shares.sum() + 1e-9


@settings(max_examples=60)
@given(
    st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 5), st.integers(1, 6), st.integers(1, 4),
    st.sampled_from([0.0, 1.0, 3.0]), st.sampled_from([-1.0, 0.0, 2.0]), st.sampled_from([0.0, 1.0]), st.booleans(),
)  # fmt: skip
def test_a_narrow_beam_keeps_what_the_same_search_in_plain_python_keeps(
    seed, steps, width, top, order, weight, bonus, penalty, merges
):
    """The compiled search looks up only what can come into the beam; the plain one looks up everything."""
    rng = np.random.default_rng(seed)
    model, rows = draw_model(rng, order), draw_rows(rng, steps, 6)

    def add(tokens, ends):
        words = spell(tokens, GLOSSES, merges)
        return weight * LN10 * model.score(words, end=ends) + bonus * len(words)

    fusion = Fusion(build_table(model, Vocabulary(GLOSSES), "phoenix2014"), weight, bonus, penalty, merges)
    found = decode_one(BeamDecoder(beam_width=width, cutoff_top_n=top, fusion=fusion), rows)
    assert [h.tokens for h in found] == search_in_plain_python(rows, width, top, add, penalty)[: len(found)]


def test_what_adds_nothing_changes_nothing_bit_by_bit():
    vocabulary = Vocabulary([f"G{number}" for number in range(299)])
    table = build_table(draw_model(np.random.default_rng(0), 3), vocabulary, "none")
    for name, rows in cases(seed=0, per_kind=2):
        if rows.shape[1] == 300:
            plain = decode_one(BeamDecoder(), rows)
            assert decode_one(BeamDecoder(fusion=Fusion(table, 0.0, 0.0, 0.0, True)), rows) == plain, name


BY_HAND = NgramModel(
    2,
    (
        {(BEGIN,): (-99.0, -0.25), (END,): (-1.0, 0.0), ("A",): (-0.5, -0.125), ("B",): (-0.75, 0.0)},
        {(BEGIN, "A"): (-0.25, 0.0), ("A", "B"): (-0.0625, 0.0), ("A", END): (-0.375, 0.0)},
    ),
)


def test_a_bigram_model_by_hand():
    table = build_table(BY_HAND, Vocabulary(["A", "B", "C"]), "none")  # C is unknown, as rare as the rarest word, </s>
    after_a = score_token(table, table.begin, 1)
    assert after_a[0] == pytest.approx(-0.25 * LN10)
    after = [score_token(table, after_a[1], token)[0] / LN10 for token in (1, 2, 3, -1)]
    assert after == pytest.approx([-0.125 - 0.5, -0.0625, -0.125 - 1.0, -0.375])
    first = [score_token(table, table.begin, token)[0] / LN10 for token in (2, 3, -1)]
    assert first == pytest.approx([-0.25 - 0.75, -0.25 - 1.0, -0.25 - 1.0])
    after_b = score_token(table, after_a[1], 2)[1]
    assert score_token(table, after_b, 1)[0] == pytest.approx(-0.5 * LN10)  # nothing is known of what follows B


def test_the_end_of_the_sentence_decides_at_the_end():
    # A and B are as probable in the video; </s> follows A more often than B.
    table = build_table(BY_HAND, Vocabulary(["A", "B"]), "none")
    rows = np.array([[0.0, 0.5, 0.5]], np.float32)
    found = decode_one(BeamDecoder(fusion=Fusion(table, 1.0, 0.0, 0.0, True)), rows)
    expected = [math.log(2) + 0.625 * LN10, math.log(2) + (0.25 + 0.75 + 1.0) * LN10]
    assert [h.tokens for h in found[:2]] == [(1,), (2,)]
    assert [h.score for h in found[:2]] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("merges", "words"), [(True, 1), (False, 2)])
def test_a_repeat_that_is_merged_is_no_word(merges, words):
    table = build_table(BY_HAND, Vocabulary(["A"]), "none")
    rows = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]], np.float32)
    best = decode_one(BeamDecoder(fusion=Fusion(table, 0.0, 0.5, 0.0, merges)), rows)[0]
    assert (best.tokens, best.score) == ((1, 1), pytest.approx(-0.5 * words, abs=1e-6))


def test_a_gloss_that_the_rules_drop_costs_nothing():
    table = build_table(BY_HAND, Vocabulary(["__EMOTION__", "A"]), "phoenix2014")
    assert score_token(table, table.begin, 1) == (0.0, table.begin)
    rows = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], np.float32)
    best = decode_one(BeamDecoder(fusion=Fusion(table, 1.0, 4.0, 0.0, True)), rows)[0]
    assert (best.tokens, best.score) == ((1, 2), pytest.approx(0.625 * LN10 - 4.0, abs=1e-6))


def test_the_penalty_of_the_blank_by_hand():
    table = build_table(BY_HAND, Vocabulary(["A"]), "none")
    rows = np.array([[0.75, 0.25]], np.float32)
    found = decode_one(BeamDecoder(fusion=Fusion(table, 0.0, 0.0, 2.0, True)), rows)
    assert [h.tokens for h in found] == [(1,), ()]
    assert [h.score for h in found] == pytest.approx([-math.log(0.25), 2.0 - math.log(0.75)])


def test_the_blank_is_cut_off_by_what_it_was_before_the_penalty():
    table = build_table(BY_HAND, Vocabulary(["A", "B"]), "none")
    rows = np.array([[0.4, 0.35, 0.25]], np.float32)
    found = decode_one(BeamDecoder(cutoff_top_n=2, fusion=Fusion(table, 0.0, 0.0, 3.0, True)), rows)
    assert [h.tokens for h in found] == [(1,), ()]


def test_more_classes_than_the_dictionary_has_are_an_error():
    table = build_table(BY_HAND, Vocabulary(["A"]), "none")
    with pytest.raises(ValueError, match="more classes than the 2 of"):
        decode_one(BeamDecoder(fusion=Fusion(table, 1.0, 0.0, 0.0, True)), np.full((2, 3), 1 / 3, np.float32))


def test_only_the_built_in_beam_search_fuses():
    fusion = Fusion(build_table(BY_HAND, Vocabulary(["A"]), "none"), 1.0, 0.0, 0.0, True)
    assert make_decoder("builtin", "beam", 7, fusion).fusion is fusion
    for backend, mode in (("ctcdecode", "beam"), ("builtin", "greedy")):
        with pytest.raises(ValueError, match="alone knows language models"):
            make_decoder(backend, mode, 7, fusion)
