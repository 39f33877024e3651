"""Perplexities by hand, and when a model is said to be of another corpus."""

import pytest

from evaluation.language_model.ngram_model import BEGIN, END, UNKNOWN, NgramModel
from evaluation.language_model.perplexity import Perplexity, doubt_corpus, measure_perplexity

ONE = {(BEGIN,): (-99.0, 0.0), (END,): (-0.5, 0.0), ("A",): (-0.25, 0.0), (UNKNOWN,): (-3.0, 0.0)}
MODEL = NgramModel(1, (ONE,))


def test_perplexity_by_hand():
    measured = measure_perplexity(MODEL, [["A", "X", "A"], [], ["A"]])
    assert measured == Perplexity(3, 4, 1, pytest.approx(3 * -0.25 + 3 * -0.5), -3.0)
    assert measured.with_unknown == pytest.approx(10 ** (5.25 / 7))  # 4 words and 3 ends
    assert measured.without_unknown == pytest.approx(10 ** (2.25 / 6))


def test_the_word_unknown_itself_is_unknown():
    assert measure_perplexity(MODEL, [[UNKNOWN]]).unknown == 1


def test_what_is_impossible_has_no_finite_perplexity():
    worst = NgramModel(1, ({(BEGIN,): (-99.0, 0.0), (END,): (-99.0, 0.0)},))
    assert measure_perplexity(worst, [[]]).with_unknown == pytest.approx(1e99)
    assert Perplexity(1, 0, 0, -400.0, 0.0).with_unknown == float("inf")
    with pytest.raises(ValueError, match="no sentence"):
        measure_perplexity(MODEL, [])


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (Perplexity(10, 90, 0, -100.0, 0.0), ""),  # 10 ** (100 / 100) = 10, as 9 glosses and the end would have
        (Perplexity(10, 90, 0, -101.0, 0.0), "warning: its perplexity on dev is 10.2, worse than the 10 of"),
        (Perplexity(10, 90, 1, -99.0, -9.0), "warning: its perplexity on dev is 12.0, worse than the 10"),
        (Perplexity(10, 90, 45, -50.0, -40.0), ""),
        (Perplexity(10, 90, 46, -50.0, -40.0), "warning: it does not know 46 of the 90 words of dev: the"),
    ],
)  # fmt: skip
def test_a_model_of_another_corpus(measured, expected):
    said = doubt_corpus(measured, num_glosses=9, what="dev")
    assert said.startswith(expected)
    assert bool(said) == bool(expected)
