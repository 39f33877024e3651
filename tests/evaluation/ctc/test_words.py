"""From hypotheses to glosses with times."""

from __future__ import annotations

import numpy as np
import pytest

from dataset.vocabulary import Vocabulary
from evaluation.ctc.hypothesis import Hypothesis
from evaluation.ctc.words import build_words, merge_repeats
from evaluation.ctm import CtmWord

VOCABULARY = Vocabulary(["REGEN", "SONNE"])


def one_hot(*classes: int) -> np.ndarray:
    p = np.full((len(classes), 3), 1e-6, np.float32)
    p[np.arange(len(classes)), classes] = 1 - 2e-6
    return p


def test_times_are_those_of_the_frames_of_the_aligned_steps():
    # In the blank steps the rest is split evenly, so each gives half of it to the gloss next to it; of two glosses
    # with equal shares the later has the step. Step 0 to 1: REGEN, 2 to 4: SONNE.
    p = one_hot(0, 1, 0, 2, 0)
    words = build_words(Hypothesis((1, 2), 0.1, (1, 3), (0.75, 1.0)), p, VOCABULARY, 4, 18, 0.04)
    assert [word.gloss for word in words] == ["REGEN", "SONNE"]
    assert [word.start for word in words] == pytest.approx([0.0, 2 * 4 * 0.04])
    # The last step would end at frame 20, but the clip has 18.
    assert [word.duration for word in words] == pytest.approx([8 * 0.04, 10 * 0.04])
    assert [word.confidence for word in words] == [0.75, 1.0]


def test_a_decoder_without_confidences():
    words = build_words(Hypothesis((2,), 0.1, (0,)), one_hot(2), VOCABULARY, 4, 4, 0.04)
    assert words == (CtmWord("SONNE", 0.0, 0.16, None),)


def test_an_empty_hypothesis_has_no_words():
    assert build_words(Hypothesis((), 0.1, (), ()), one_hot(0, 0), VOCABULARY, 4, 8, 0.04) == ()


def test_merging_spans_the_run_and_keeps_the_highest_confidence():
    words = [
        CtmWord("A", 0.0, 0.4, 0.5),
        CtmWord("A", 0.8, 0.4, 0.9),
        CtmWord("B", 1.2, 0.2, 1.0),
        CtmWord("A", 1.4, 0.2, None),
        CtmWord("A", 1.8, 0.2, None),
    ]
    merged = merge_repeats(words)
    assert [word.gloss for word in merged] == ["A", "B", "A"]
    assert [word.start for word in merged] == [0.0, 1.2, 1.4]
    assert [word.duration for word in merged] == pytest.approx([1.2, 0.2, 0.6])
    assert [word.confidence for word in merged] == [0.9, 1.0, None]
    assert merge_repeats([]) == ()
