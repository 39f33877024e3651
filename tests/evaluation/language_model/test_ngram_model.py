"""The probabilities of a small model, added up by hand."""

import pytest

from evaluation.language_model.ngram_model import BEGIN, END, UNKNOWN, NgramModel

ONE = {(BEGIN,): (-99.0, -0.5), (END,): (-1.0, 0.0), ("A",): (-0.3, -0.2), ("B",): (-0.7, 0.0)}
TWO = {(BEGIN, "A"): (-0.1, -0.05), ("A", "B"): (-0.4, -0.15)}
THREE = {(BEGIN, "A", "B"): (-0.06, 0.0)}
BIGRAMS, TRIGRAMS = NgramModel(2, (ONE, TWO)), NgramModel(3, (ONE, TWO, THREE))


@pytest.mark.parametrize(
    ("model", "words", "expected"),
    [
        (NgramModel(1, (ONE,)), "A B", [-0.3, -0.7, -1.0]),
        (BIGRAMS, "", [-0.5 - 1.0]),
        (BIGRAMS, "A B B", [-0.1, -0.4, 0.0 - 0.7, 0.0 - 1.0]),
        (BIGRAMS, "B A", [-0.5 - 0.7, 0.0 - 0.3, -0.2 - 1.0]),
        (TRIGRAMS, "A B", [-0.1, -0.06, -0.15 + 0.0 - 1.0]),  # "A B </s>" and "B </s>" are not listed
        (TRIGRAMS, "A A", [-0.1, -0.05 - 0.2 - 0.3, -0.2 - 1.0]),  # "A A" isn't listed: its own weight is 1
        (TRIGRAMS, "B A B", [-0.5 - 0.7, 0.0 - 0.3, -0.4, -0.15 + 0.0 - 1.0]),
    ],
)
def test_backing_off_by_hand(model, words, expected):
    assert model.score_words(words.split()) == pytest.approx(expected, abs=1e-12)
    assert model.score(words.split()) == pytest.approx(sum(expected), abs=1e-12)


def test_a_sentence_need_not_begin_or_end():
    assert TRIGRAMS.score_words(["A", "B"], begin=False, end=False) == pytest.approx([-0.3, -0.4])
    assert TRIGRAMS.score_words(["B"], begin=False) == pytest.approx([-0.7, -1.0])
    assert TRIGRAMS.score_words([], begin=False, end=False) == []


def test_more_context_than_the_order_changes_nothing():
    assert TRIGRAMS.score_word(["B", BEGIN, "A"], "B") == TRIGRAMS.score_word([BEGIN, "A"], "B") == -0.06
    assert NgramModel(1, (ONE,)).score_word(["A", "B"], "A") == -0.3


def test_unknown_words():
    """A model without <unk> takes the rarest word's p, here that of the end; where <unk> is listed, it has contexts."""
    assert BIGRAMS.score_words(["A", "X", "A"]) == pytest.approx([-0.1, -0.2 - 1.0, -0.3, -0.2 - 1.0])
    zero = NgramModel(2, ({**ONE, (UNKNOWN,): (-99.0, 0.0)}, TWO))
    assert zero.score_words(["X"]) == pytest.approx([-0.5 - 1.0, -1.0])
    listed = NgramModel(2, ({**ONE, (UNKNOWN,): (-2.0, -0.6)}, {**TWO, (UNKNOWN, "B"): (-0.9, 0.0)}))
    assert listed.score_words(["A", "X", "A"]) == pytest.approx([-0.1, -0.2 - 2.0, -0.6 - 0.3, -0.2 - 1.0])
    assert listed.score_words(["X", "B"])[1] == -0.9


def test_the_words_of_a_model():
    model = NgramModel(1, ({**ONE, (UNKNOWN,): (-2.0, 0.0)},))
    assert model.words == ("A", "B")
    assert ["A" in model, END in model, "X" in model] == [True, True, False]
