"""The decoders against a table of published results, against enumeration, and by hand."""

import itertools
import json
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.decode import BeamDecoder, GreedyDecoder, Hypothesis, make_decoder
from tests.data.parity.reference_posteriors import cases
from tests.helpers.paths import PARITY

EXPECTED = json.loads((PARITY / "expected_decode.json").read_text(encoding="utf-8"))

CASES = dict(cases(seed=0, per_kind=10))


def decode_one(decoder, rows):
    return decoder(np.array([rows], dtype=np.float32), [len(rows)])[0]


def random_rows(seed, steps, classes):
    logits = np.random.default_rng(seed).normal(0.0, 2.0, (steps, classes))
    rows = np.exp(logits)
    return rows / rows.sum(axis=1, keepdims=True)


def enumerate_ctc(rows, blank=0):
    """p of every token sequence, by adding up all paths."""
    totals = defaultdict(float)
    for path in itertools.product(range(len(rows[0])), repeat=len(rows)):
        tokens = tuple(token for token, _ in itertools.groupby(path) if token != blank)
        totals[tokens] += np.prod([rows[t][c] for t, c in enumerate(path)])
    return dict(totals)


def test_the_table_is_complete():
    assert list(CASES) == list(EXPECTED)
    assert len(EXPECTED) == 120


@pytest.mark.parametrize("name", EXPECTED)
def test_beam_search_reproduces_the_table(name):
    rows, expected = CASES[name], EXPECTED[name]
    assert np.dot(rows.astype(np.float64).sum(0), np.arange(rows.shape[1])) == pytest.approx(
        expected["check"], abs=0.01
    )
    assert len(rows) == expected["frames"]
    found = decode_one(BeamDecoder(), rows)
    scores = expected["scores"]
    assert list(found[0].tokens) == expected["best"]
    assert list(found[0].frames) == expected["best_frames"]
    assert [hypothesis.score for hypothesis in found] == pytest.approx(scores, abs=1e-3)
    gaps = [np.inf, *np.diff(scores), np.inf]
    clear = [k for k in range(10) if min(gaps[k], gaps[k + 1]) > 1e-4]
    assert [list(found[k].tokens) for k in clear] == [expected["nbest"][k] for k in clear]


@pytest.mark.parametrize(
    ("steps", "classes", "blank"), [(1, 2, 0), (2, 3, 0), (3, 3, 2), (4, 3, 1), (5, 4, 0), (6, 3, 0)]
)
def test_a_wide_beam_finds_every_sequence_with_its_total_probability(steps, classes, blank):
    rows = random_rows(steps * 10 + classes, steps, classes)
    totals = enumerate_ctc(rows, blank)
    found = decode_one(BeamDecoder(beam_width=2000, blank=blank), rows)
    assert {hypothesis.tokens for hypothesis in found} == set(totals)
    for hypothesis in found:
        assert np.exp(-hypothesis.score) == pytest.approx(totals[hypothesis.tokens], rel=1e-5)
    assert [hypothesis.score for hypothesis in found] == sorted(hypothesis.score for hypothesis in found)


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(0, 12), st.integers(1, 12), st.integers(1, 6), st.integers(1, 8))
def test_what_holds_for_every_beam(seed, steps, classes, width, top):
    rows = random_rows(seed, steps, classes).reshape(steps, classes)
    decoder = BeamDecoder(beam_width=width, cutoff_top_n=top)
    found = decoder(rows[None], [steps])[0]
    scores = [hypothesis.score for hypothesis in found]
    assert 1 <= len(found) <= width
    assert scores == sorted(scores)
    assert len({hypothesis.tokens for hypothesis in found}) == len(found)
    for hypothesis in found:
        assert len(hypothesis.frames) == len(hypothesis.tokens) == len(hypothesis.confidences) <= steps
        assert all(0 < confidence <= 1 for confidence in hypothesis.confidences)
        assert all(0 < token < classes for token in hypothesis.tokens)
        assert all(0 <= frame < steps for frame in hypothesis.frames)


def test_two_steps_by_hand():
    found = decode_one(BeamDecoder(), [[0.6, 0.3, 0.1], [0.5, 0.1, 0.4]])
    # (): .6*.5; (1): .6*.1 + .3*.5 + .3*.1; (2): .6*.4 + .1*.5 + .1*.4; (1,2): .3*.4; (2,1): .1*.1
    expected = {(2,): 0.33, (): 0.30, (1,): 0.24, (1, 2): 0.12, (2, 1): 0.01}
    assert [hypothesis.tokens for hypothesis in found] == list(expected)
    assert [np.exp(-hypothesis.score) for hypothesis in found] == pytest.approx(list(expected.values()), rel=1e-5)
    assert [hypothesis.frames for hypothesis in found] == [(1,), (), (0,), (0, 1), (1, 1)]
    # (2, 1): the empty prefix is in the beam at step 1, where 2 is more probable than at step 0


def test_confidences_of_two_steps_by_hand():
    found = decode_one(BeamDecoder(), [[0.6, 0.3, 0.1], [0.5, 0.1, 0.4]])
    # p as above; the 1 is in (1), (1, 2) and (2, 1), the 2 in (2), (1, 2) and (2, 1). (1, 2) and (2, 1) have one token
    # in common, the 1 or the 2: the earlier one of the sequence whose confidence it is
    expected = {
        (2,): [0.33 + 0.12 + 0.01],
        (): [],
        (1,): [0.24 + 0.12 + 0.01],
        (1, 2): [0.12 + 0.24 + 0.01, 0.12 + 0.33],
        (2, 1): [0.01 + 0.33 + 0.12, 0.01 + 0.24],
    }
    assert [hypothesis.tokens for hypothesis in found] == list(expected)
    for hypothesis in found:
        assert hypothesis.confidences == pytest.approx(expected[hypothesis.tokens], rel=1e-5)


def test_the_blank_is_pruned_like_any_class_and_ties_go_to_the_smaller_last_token():
    rows = [[0.25, 0.375, 0.375], [0.25, 0.375, 0.375]]
    found = decode_one(BeamDecoder(cutoff_top_n=2), rows)
    assert [hypothesis.tokens for hypothesis in found] == [(1,), (2, 1), (2,), (1, 2)]
    assert len({hypothesis.score for hypothesis in found}) == 1


def test_of_equally_probable_classes_the_smaller_number_is_kept():
    found = decode_one(BeamDecoder(cutoff_top_n=2), [[0.25, 0.25, 0.25, 0.25]])
    assert [hypothesis.tokens for hypothesis in found] == [(), (1,)]


def test_a_repeated_token_needs_a_blank_between():
    sure = [0.01, 0.99]
    assert decode_one(BeamDecoder(), [sure, sure])[0].tokens == (1,)
    found = decode_one(BeamDecoder(), [sure, [0.99, 0.01], sure])[0]
    assert (found.tokens, found.frames) == ((1, 1), (0, 2))


def test_the_step_of_a_token_is_its_most_probable_one_and_the_first_on_ties():
    assert decode_one(BeamDecoder(), [[0.5, 0.5], [0.25, 0.75], [0.25, 0.75]])[0] == Hypothesis(
        (1,), pytest.approx(-np.log(1 - 0.03125 - 0.09375), abs=1e-5), (1,), pytest.approx((1 - 0.03125,))
    )  # (): 1/2 * 1/4 * 1/4; (1, 1): 1/2 * 1/4 * 3/4, which has the token too


def test_the_record_of_a_forgotten_prefix_starts_anew():
    rows = [[0.60, 0.40, 0.00], [0.30, 0.39, 0.31]]
    wide, narrow = (decode_one(BeamDecoder(beam_width=width), rows)[0] for width in (10, 1))
    # (1): .6*.39 + .4*.3 + .4*.39 = .51; (1, 2), which has the 1 too: .4*.31 = .124
    assert wide == Hypothesis((1,), pytest.approx(0.6733, abs=1e-3), (0,), pytest.approx((0.51 + 0.124,)))
    assert narrow == Hypothesis((1,), pytest.approx(1.4524, abs=1e-3), (1,), (1.0,))


def test_so_does_the_record_of_a_prefix_that_was_in_the_beam():
    rows = [[0.50, 0.45, 0.05], [0.51, 0.00, 0.49], [0.30, 0.44, 0.26]]
    # width 2: (), (1); then (), (2); then (2), (1), which is known from step 2 only
    assert [(h.tokens, h.frames) for h in decode_one(BeamDecoder(beam_width=2), rows)] == [((2,), (1,)), ((1,), (2,))]
    assert {h.tokens: h.frames for h in decode_one(BeamDecoder(), rows)}[1,] == (0,)


def test_a_prefix_that_left_the_beam_is_remembered_while_an_extension_is_in_it():
    rows = [[0.04, 0.96, 0.00], [0.02, 0.03, 0.95], [0.9, 0.05, 0.05]]
    assert decode_one(BeamDecoder(beam_width=1), rows)[0].frames == (0, 1)


def test_zero_probability_counts_as_the_smallest_normal_number():
    found = decode_one(BeamDecoder(), [[0.0, 1.0], [1.0, 0.0]])
    assert [hypothesis.tokens for hypothesis in found] == [(1,), ()]
    assert found[0].score == pytest.approx(0.0, abs=1e-6)
    assert found[1].score == pytest.approx(-np.log(np.finfo(np.float32).tiny))


def test_impossible_sequences_are_no_hypotheses():
    assert [h.tokens for h in decode_one(BeamDecoder(), [[0.5, 0.5], [0.25, 0.75]])] == [(1,), ()]


@pytest.mark.parametrize("decoder", [BeamDecoder(), GreedyDecoder()])
def test_batching_padding_and_threads_change_nothing(decoder):
    names = ["soft-300-0", "random-300-1", "medium-300-2", "sharp-300-3"]
    lengths = [len(CASES[name]) for name in names]
    batch = np.full((5, max(lengths) + 3, 300), np.nan, dtype=np.float32)
    for row, name in zip(batch, names, strict=False):
        row[: len(CASES[name])] = CASES[name]
    before = batch.copy()
    found = decoder(batch, [*lengths, 0])
    assert found[:4] == [decode_one(decoder, CASES[name]) for name in names]
    assert found[4] == [Hypothesis((), 0.0, (), None if decoder == GreedyDecoder() else ())]
    assert np.array_equal(batch, before, equal_nan=True)
    assert decoder(np.zeros((0, 4, 3)), []) == []


@pytest.mark.parametrize("decoder", [BeamDecoder(), GreedyDecoder()])
def test_tensors_are_taken_as_they_come(decoder):
    torch = pytest.importorskip("torch")
    rows = torch.tensor([[[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]]], requires_grad=True)
    expected = decoder(rows.detach().numpy(), [2])
    assert decoder(rows, torch.tensor([2])) == expected
    assert decoder(rows.to(torch.bfloat16), torch.tensor([2], dtype=torch.int32)) == expected
    assert decoder(rows.double(), (2,)) == expected


def test_greedy_by_hand():
    rows = [[0.2, 0.6, 0.2], [0.1, 0.8, 0.1], [0.1, 0.8, 0.1], [0.6, 0.2, 0.2], [0.2, 0.5, 0.3], [0.2, 0.2, 0.6]]
    (found,) = decode_one(GreedyDecoder(), rows)
    assert found.tokens == (1, 1, 2)
    assert found.frames == (1, 4, 5)
    assert found.confidences is None
    assert found.score == pytest.approx(-np.log(0.6 * 0.8 * 0.8 * 0.6 * 0.5 * 0.6), rel=1e-5)
    assert decode_one(GreedyDecoder(blank=1), rows)[0].tokens == (0, 2)


def test_a_beam_is_never_less_probable_than_the_greedy_path():
    for name, rows in CASES.items():
        if name.startswith("soft-20-"):
            assert decode_one(BeamDecoder(), rows)[0].score <= decode_one(GreedyDecoder(), rows)[0].score + 1e-6


GOOD = np.full((2, 3, 4), 0.25, dtype=np.float32)


def changed(value):
    rows = GOOD.copy()
    rows[1, 2, 3] = value
    return rows


@pytest.mark.parametrize("decoder", [BeamDecoder(), GreedyDecoder()])
@pytest.mark.parametrize(
    ("posteriors", "lengths", "message"),
    [
        (changed(np.nan), [3, 3], "sequence 1, step 2 is no distribution: it contains NaN"),
        (changed(-0.25), [3, 3], "sequence 1, step 2 .* negative"),
        (changed(0.3), [3, 3], r"sequence 1, step 2 .* does not sum to 1.*1\.05"),
        (changed(np.inf), [3, 3], "does not sum to 1"),
        (np.log(GOOD), [3, 3], "log-probabilities"),
        (GOOD * 4, [3, 3], "softmax"),
        (GOOD[0], [3, 3], r"shape \(3, 4\), expected \(B, T', V\)"),
        (GOOD[:, :, :0], [3, 3], "shape"),
        (GOOD.astype(np.int64), [3, 3], "floating point"),
        (GOOD, [3], r"lengths have the shape \(1,\), expected \(2,\)"),
        (GOOD, [[3, 3]], "lengths have the shape"),
        (GOOD, 3, "lengths have the shape"),
        (GOOD, [3, 4], "sequence 1 has the length 4, expected 0 to 3"),
        (GOOD, [-1, 3], "sequence 0 has the length -1"),
        (GOOD, [3.0, 3.0], "expected integers"),
        (GOOD, [True, True], "expected integers"),
    ],
)
def test_bad_input_is_an_error(decoder, posteriors, lengths, message):
    with pytest.raises(ValueError, match=message):
        decoder(posteriors, lengths)


def test_small_deviations_of_the_sum_are_accepted():
    assert len(GreedyDecoder()(changed(0.2505), [3, 3])) == 2


@pytest.mark.parametrize("kind", [BeamDecoder, GreedyDecoder])
@pytest.mark.parametrize("blank", [-1, 4])
def test_the_blank_is_one_of_the_classes(kind, blank):
    with pytest.raises(ValueError, match="expected 0 to 3"):
        kind(blank=blank)(GOOD, [3, 3])


@pytest.mark.parametrize("options", [{"beam_width": 0}, {"cutoff_top_n": 0}])
def test_a_beam_keeps_something(options):
    with pytest.raises(ValueError, match="is 0, expected at least 1"):
        BeamDecoder(**options)


@pytest.mark.parametrize(
    ("mode", "decoder"), [("beam", BeamDecoder(beam_width=3)), ("greedy", GreedyDecoder()), ("max", GreedyDecoder())]
)
def test_the_configuration_names_a_decoder(mode, decoder):
    assert make_decoder("builtin", mode, 3) == decoder


@pytest.mark.parametrize(("backend", "mode"), [("flashlight", "beam"), ("builtin", "best"), ("ctcdecode", "best")])
def test_another_name_is_an_error(backend, mode):
    with pytest.raises(ValueError, match="expected beam, greedy or max, builtin or ctcdecode"):
        make_decoder(backend, mode, 10)
