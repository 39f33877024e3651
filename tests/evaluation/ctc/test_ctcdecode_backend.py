"""The ctcdecode backend against a stand-in for that package, which does not build where this was written.

The stand-in has the interface of github.com/parlance/ctcdecode (`ctcdecode/__init__.py` and `src/binding.cpp` at
9cc6e54 and 49d53d0): the arguments of `CTCBeamDecoder` and their defaults; `decode(probs, seq_lens)` with lengths cut
to the padded size; results `output` and `timesteps` (B, beam_width, T') int32 and `scores` (B, beam_width) float32,
none of them initialised, here filled with garbage; `out_seq_len` (B, beam_width) int32, zeros where there is no
hypothesis; log 0 as the lowest float32, so that prefixes which no path spells come back with the highest as score.
"""

import json
import sys
from types import ModuleType
from typing import ClassVar

import numpy as np
import pytest
import torch

from evaluation.ctc.ctcdecode_backend import CtcdecodeDecoder
from evaluation.ctc.hypothesis import Hypothesis
from evaluation.decode import BeamDecoder, GreedyDecoder, make_decoder
from tests.data.parity import reference_posteriors
from tests.helpers.paths import PARITY
from utils.errors import InputError

EXPECTED = json.loads((PARITY / "expected_decode.json").read_text(encoding="utf-8"))
LOG_ZERO = -float(np.finfo(np.float32).max)
SMALLEST = np.finfo(np.float32).tiny


def add(*logs):
    """log of the sum of p; of nothing possible, log 0 as ctcdecode has it."""
    possible = [value for value in logs if value > LOG_ZERO]
    return float(np.logaddexp.reduce(possible)) if possible else LOG_ZERO


def times(*logs):
    return sum(logs) if min(logs) > LOG_ZERO else LOG_ZERO


def prefix_search(rows, width, top, blank):
    """(-log p, tokens, steps) of at most `width` prefixes, as ctcdecode keeps them: impossible ones too."""
    beam = {(): (0.0, LOG_ZERO)}  # log p of paths that end in a blank, and of those that end in the last token
    peaks = {}  # of each prefix, the highest p of its last token and the step of that
    for step, row in enumerate(rows):
        after = {prefix: [LOG_ZERO, LOG_ZERO] for prefix in beam}
        for c in sorted(range(len(row)), key=lambda c: (-row[c], c))[:top]:
            p = float(np.log(float(row[c]) + SMALLEST))
            for prefix, (in_blank, in_token) in beam.items():
                if c == blank:
                    after[prefix][0] = add(after[prefix][0], times(p, add(in_blank, in_token)))
                    continue
                repeated = bool(prefix) and prefix[-1] == c
                if repeated:
                    after[prefix][1] = add(after[prefix][1], times(p, in_token))
                longer = (*prefix, c)
                if p > peaks.get(longer, (LOG_ZERO, 0))[0]:
                    peaks[longer] = (p, step)
                target = after.setdefault(longer, [LOG_ZERO, LOG_ZERO])
                target[1] = add(target[1], times(p, in_blank if repeated else add(in_blank, in_token)))
        best = sorted(after, key=lambda prefix: (-add(*after[prefix]), prefix[-1:]))[:width]
        beam = {prefix: tuple(after[prefix]) for prefix in best}
        kept = {prefix[:length] for prefix in beam for length in range(len(prefix) + 1)}
        peaks = {prefix: peak for prefix, peak in peaks.items() if prefix in kept}  # the trie drops dead branches
    steps = {prefix: [peaks[prefix[: n + 1]][1] for n in range(len(prefix))] for prefix in beam}
    order = sorted(beam, key=lambda prefix: (-add(*beam[prefix]), prefix[-1:]))
    return [(-add(*beam[prefix]), prefix, steps[prefix]) for prefix in order]


class CTCBeamDecoder:
    """The stand-in; `made` remembers them."""

    made: ClassVar[list] = []

    def __init__(self, labels, model_path=None, alpha=0, beta=0, cutoff_top_n=40, cutoff_prob=1.0, beam_width=100,
                 num_processes=4, blank_id=0, log_probs_input=False):  # fmt: skip
        self.labels = [label.encode("utf-8") for label in labels]  # as pybind11 does; fails for surrogates
        self.width, self.top, self.blank = beam_width, cutoff_top_n, blank_id
        assert model_path is None
        assert cutoff_prob == 1.0
        assert log_probs_input is False
        assert type(num_processes) is int
        assert num_processes > 0
        self.made.append(self)

    def decode(self, probs, seq_lens=None):
        probs, seq_lens = probs.cpu().float(), seq_lens.cpu().int()
        batch_size, steps, classes = probs.shape
        assert classes == len(self.labels)
        output = torch.full((batch_size, self.width, steps), -123456, dtype=torch.int32)
        timesteps = torch.full((batch_size, self.width, steps), 987654, dtype=torch.int32)
        scores = torch.full((batch_size, self.width), -7.5, dtype=torch.float32)
        counts = torch.zeros(batch_size, self.width, dtype=torch.int32)
        for b in range(batch_size):
            rows = probs[b, : min(int(seq_lens[b]), steps)].numpy()
            for k, (score, tokens, frames) in enumerate(prefix_search(rows, self.width, self.top, self.blank)):
                output[b, k, : len(tokens)] = torch.tensor(tokens, dtype=torch.int32)
                timesteps[b, k, : len(tokens)] = torch.tensor(frames, dtype=torch.int32)
                scores[b, k], counts[b, k] = score, len(tokens)
        return output, scores, timesteps, counts


@pytest.fixture
def package(monkeypatch):
    module = ModuleType("ctcdecode")
    module.CTCBeamDecoder = CTCBeamDecoder
    monkeypatch.setitem(sys.modules, "ctcdecode", module)
    monkeypatch.setattr(CTCBeamDecoder, "made", [])
    return module


def posteriors(seed, batch, steps, classes, sharpness):
    logits = np.random.default_rng(seed).normal(0.0, sharpness, (batch, steps, classes))
    rows = np.exp(logits - logits.max(axis=2, keepdims=True))
    return (rows / rows.sum(axis=2, keepdims=True)).astype(np.float32)


def assert_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert [(h.tokens, h.frames) for h in one] == [(h.tokens, h.frames) for h in other]
        assert [h.score for h in one] == pytest.approx([h.score for h in other], rel=1e-5, abs=1e-5)
        for h, reference in zip(one, other, strict=True):
            assert h.confidences == pytest.approx(reference.confidences, abs=1e-4)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("classes", "width", "top", "blank"), [(5, 10, 40, 0), (30, 6, 4, 0), (30, 10, 40, 29)])
def test_the_results_are_those_of_the_builtin_search(package, seed, classes, width, top, blank):
    rows, lengths = posteriors(seed, 3, 9, classes, sharpness=2.0), [9, 4, 6]
    rows[1, 4:] = np.nan  # padding is never looked at
    options = {"beam_width": width, "blank": blank, "cutoff_top_n": top}
    assert_same(CtcdecodeDecoder(**options)(rows, lengths), BeamDecoder(**options)(rows, lengths))


@pytest.mark.parametrize("kind", ["random", "sharp", "medium", "soft"])
def test_the_stand_in_reproduces_what_ctcdecode_gave(package, kind):
    for index in range(3):
        expected = EXPECTED[f"{kind}-20-{index}"]
        rows = reference_posteriors.posteriors(kind, index, 20, expected["frames"])
        found = CtcdecodeDecoder()(rows[None], [len(rows)])[0]
        assert (list(found[0].tokens), list(found[0].frames)) == (expected["best"], expected["best_frames"])
        assert [h.score for h in found] == pytest.approx(expected["scores"], abs=1e-3)


def test_places_without_a_hypothesis_are_left_out(package):
    # Two classes and two steps: three prefixes, of which (1, 1) is impossible; seven of the ten places stay unused.
    rows = np.array([[[0.5, 0.5], [0.25, 0.75]], [[1.0, 0.0], [1.0, 0.0]]], np.float32)
    found = CtcdecodeDecoder()(rows, [2, 0])
    assert found[0] == [
        Hypothesis((1,), pytest.approx(-np.log(0.875)), (1,), pytest.approx((0.875,))),
        Hypothesis((), pytest.approx(-np.log(0.125)), (), ()),
    ]
    assert found[1] == [Hypothesis((), 0.0, (), ())]
    assert np.copysign(1, found[1][0].score) == 1
    types = {type(value) for h in found[0] for value in (*h.tokens, *h.frames, h.score, *h.confidences)}
    assert types == {int, float}


def test_the_empty_hypothesis_may_be_the_best_or_in_between(package):
    rows = np.array([[[0.9, 0.1, 0.0]], [[0.3, 0.6, 0.1]]], np.float32)
    found = CtcdecodeDecoder(beam_width=5)(rows, [1, 1])
    assert [[h.tokens for h in one] for one in found] == [[(), (1,), (2,)], [(1,), (), (2,)]]


def test_empty_batches_and_batches_of_empty_sequences(package):
    assert CtcdecodeDecoder()(np.zeros((0, 4, 3), np.float32), []) == []
    assert CtcdecodeDecoder()(np.zeros((1, 0, 3), np.float32), [0]) == [[Hypothesis((), 0.0, (), ())]]


def test_labels_are_single_distinct_characters_for_any_number_of_classes(package):
    rows = np.zeros((1, 1, 60_000), np.float32)
    rows[0, 0, :2] = 0.5
    CtcdecodeDecoder(beam_width=2, cutoff_top_n=2)(rows, [1])
    (made,) = package.CTCBeamDecoder.made
    assert len(set(made.labels)) == 60_000
    assert {len(label.decode("utf-8")) for label in made.labels} == {1}
    assert b" " not in made.labels  # ctcdecode treats it as the end of a word


def test_tensors_are_taken_as_they_come(package):
    rows = torch.tensor([[[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]]], requires_grad=True)
    expected = CtcdecodeDecoder()(rows.detach().numpy(), [2])
    assert CtcdecodeDecoder()(rows, torch.tensor([2])) == expected
    assert CtcdecodeDecoder()(rows.to(torch.bfloat16), torch.tensor([2], dtype=torch.int32)) == expected


def test_bad_input_is_the_same_error_as_for_the_builtin_search(package):
    good = np.full((2, 3, 4), 0.25, np.float32)
    for rows, lengths, message in (
        (np.log(good), [3, 3], "log-probabilities"),
        (good[0], [3, 3], "expected \\(B, T', V\\)"),
        (good, [3, 4], "sequence 1 has the length 4"),
    ):
        with pytest.raises(ValueError, match=message):
            CtcdecodeDecoder()(rows, lengths)
    with pytest.raises(ValueError, match="beam_width is 0"):
        CtcdecodeDecoder(beam_width=0)


def test_a_missing_package_is_one_sentence_when_the_decoder_is_made(monkeypatch):
    monkeypatch.setitem(sys.modules, "ctcdecode", None)  # import then fails as for a package that is not there
    with pytest.raises(InputError, match="decode_backend: builtin, which needs nothing and gives the same") as error:
        make_decoder("ctcdecode", "beam", 10)
    assert "\n" not in str(error.value)


def test_another_package_of_that_name_is_the_same_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "ctcdecode", ModuleType("ctcdecode"))
    with pytest.raises(InputError, match="CTCBeamDecoder"):
        CtcdecodeDecoder()


def test_the_configuration_names_it(package):
    assert make_decoder("ctcdecode", "beam", 7) == CtcdecodeDecoder(beam_width=7)


def test_greedy_decoding_needs_no_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "ctcdecode", None)
    assert make_decoder("ctcdecode", "greedy", 7) == GreedyDecoder()
