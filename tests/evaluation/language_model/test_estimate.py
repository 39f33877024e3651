"""Kneser-Ney smoothing against arithmetic by hand and KenLM's figures; and probabilities that sum to 1."""

import math
import random
from fractions import Fraction

import pytest

from evaluation.language_model.estimate import FALLBACK, adjust_counts, choose_discounts, estimate
from evaluation.language_model.ngram_model import BEGIN, END, UNKNOWN
from utils.errors import InputError

SENTENCES = [
    line.split()
    for line in (
        "I WENT TO", "I GO TO", "YOU WENT TO", "YOU GO TO", "JOE WENT TO", "JOE GO TO", "ANNA WENT SKI", "ANNA WENT SKI"
    )
]  # fmt: skip
# Words before each word: 4 before WENT (I YOU JOE ANNA), 3 before GO, 2 before TO and </s>, 1 before the five others.
# n1 = 5, n2 = 2, n3 = n4 = 1; y = 5 / 9; D1 = 1 - 2 y 2/5 = 5/9, D2 = 2 - 3 y 1/2 = 7/6, D3 = 3 - 4 y 1/1 = 7/9.
# They sum up to 16, and 5 D1 + 2 D2 + 2 D3 = 20/3 is taken off: 5/12 of the whole goes to the uniform distribution over
# 8 words, the end and the unknown word, 1/24 to each.
UNIFORM = Fraction(5, 12) / 10
WENT, TO = (4 - Fraction(7, 9)) / 16 + UNIFORM, (2 - Fraction(7, 6)) / 16 + UNIFORM
RARE = (1 - Fraction(5, 9)) / 16 + UNIFORM  # I YOU JOE ANNA SKI
P_ONE = {
    "WENT": WENT, "GO": (3 - Fraction(7, 9)) / 16 + UNIFORM, "TO": TO, END: TO, "SKI": RARE, "I": RARE, UNKNOWN: UNIFORM
}  # fmt: skip
# Pairs: six were seen once (I, YOU, JOE before WENT, GO), seven twice, two three times (WENT TO, GO TO), TO </s> six.
# n4 = 0; y = 6 / 20; D1 = 1 - 2 y 7/6 = 3/10, D2 = 2 - 3 y 2/7 = 61/35, D3 = 3.
D2 = Fraction(61, 35)
WEIGHTS = {
    BEGIN: 4 * D2 / 8, "I": Fraction(3, 10), "ANNA": D2 / 2, "GO": Fraction(1), "WENT": (3 + D2) / 5,
    "TO": Fraction(3, 6)
}  # fmt: skip
P_TWO = {
    (BEGIN, "I"): (2 - D2) / 8 + WEIGHTS[BEGIN] * RARE,
    ("I", "WENT"): (1 - Fraction(3, 10)) / 2 + WEIGHTS["I"] * WENT,
    ("GO", "TO"): TO,
    ("WENT", "TO"): WEIGHTS["WENT"] * TO,
    ("WENT", "SKI"): (2 - D2) / 5 + WEIGHTS["WENT"] * RARE,
    ("TO", END): Fraction(3, 6) + WEIGHTS["TO"] * TO,
    ("I", "SKI"): WEIGHTS["I"] * RARE,  # not seen
    (END, "TO"): TO,
}
KENLM_WEIGHTS = {
    BEGIN: -0.059768215, "I": -0.5228788, "WENT": -0.022929981, "TO": -0.30103, "GO": 0.0, "YOU": -0.5228788,
    "JOE": -0.5228788, "ANNA": -0.059768215, "SKI": -0.059768215, END: 0.0,
}  # fmt: skip
"""What lmplz -o 2 writes for these sentences (https://github.com/kpu/kenlm/issues/405)."""
KENLM_ONE = {UNKNOWN: -1.30103, END: -1.1249387, "I": -1.0579919, "WENT": -0.6726411, "GO": -0.82390875}
"""Its 1-grams, for which it has the last word among those counted twice, by a mistake: n1 = 4 and n2 = 3."""


def test_a_bigram_model_by_hand(capsys):
    model = estimate(SENTENCES, 2)
    for word, p in P_ONE.items():
        assert 10 ** model.score_word([], word) == pytest.approx(float(p), rel=1e-12), word
    for word, weight in WEIGHTS.items():
        assert 10 ** model.ngrams[0][(word,)][1] == pytest.approx(float(weight), rel=1e-12), word
    for (context, word), p in P_TWO.items():
        assert 10 ** model.score_word([context], word) == pytest.approx(float(p), rel=1e-12), (context, word)
    assert capsys.readouterr().err == ""  # no discount had to be another one


def test_what_kenlm_estimates(monkeypatch):
    model = estimate(SENTENCES, 2)
    assert {w: b for (w,), (_, b) in model.ngrams[0].items() if w != UNKNOWN} == pytest.approx(KENLM_WEIGHTS, abs=1e-6)
    its_counts = {(str(place),): count for place, count in enumerate([1, 1, 1, 1, 2, 2, 2, 3, 4])}
    its_discounts = choose_discounts(its_counts, 1)
    monkeypatch.setattr("evaluation.language_model.estimate.choose_discounts", lambda *_: its_discounts)
    one = estimate(SENTENCES, 2).ngrams[0]
    assert {word: one[(word,)][0] for word in KENLM_ONE} == pytest.approx(KENLM_ONE, abs=1e-6)


def test_shorter_ngrams_count_the_words_before_them_except_at_the_beginning():
    whole = [(BEGIN, *words, END) for words in ("AB", "AB", "CB")]
    one, two, three = adjust_counts(whole, 3)
    assert one == {("A",): 1, ("C",): 1, ("B",): 2, (END,): 1}
    assert two == {(BEGIN, "A"): 2, (BEGIN, "C"): 1, ("A", "B"): 1, ("C", "B"): 1, ("B", END): 2}
    assert three == {(BEGIN, "A", "B"): 2, ("A", "B", END): 2, (BEGIN, "C", "B"): 1, ("C", "B", END): 1}
    assert adjust_counts(whole, 1) == [{("A",): 2, ("B",): 3, ("C",): 1, (END,): 3}]


@pytest.mark.parametrize("counts", [[], [1, 1, 2, 2, 4], [2, 3, 3], [1, 3], [1, 1, 2, 3, 3, 3, 3], [1, 2, 3, 4, 4, 4]])
def test_counts_that_give_no_discounts(counts):
    """None counted 1, 2 or 3 times, or D2 = 2 - 3/2 * 4 < 0, or D3 = 3 - 4/3 * 3 < 0."""
    said = []
    assert choose_discounts({(str(n),): count for n, count in enumerate(counts)}, 3, said.append) == FALLBACK
    assert len(said) == 1
    assert said[0].startswith("3-grams: ")
    assert "0.5, 1.0, 1.5 are taken" in said[0]


def draw_sentences(seed, count, vocabulary="ABCDEFG", longest=6):
    draw = random.Random(seed)
    return [[draw.choice(vocabulary[: draw.randint(1, len(vocabulary))]) for _ in range(draw.randint(0, longest))]
            for _ in range(count)]  # fmt: skip


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [1, 3, 400])  # with few sentences the discounts are the fallback's
def test_probabilities_sum_to_one_after_every_context(order, count):
    model = estimate(draw_sentences(order, count), order, report=lambda _: None)
    contexts = [(), *(context for ngrams in model.ngrams for context in ngrams), ("X",), ("X", "A"), ("G", "A", "X")]
    for context in contexts:
        total = math.fsum(10 ** model.score_word(context, word) for word in (*model.words, END, UNKNOWN))
        assert total == pytest.approx(1, abs=1e-9), context
    assert all(math.isfinite(value) for ngrams in model.ngrams for pair in ngrams.values() for value in pair)


def test_every_ngram_is_listed_with_its_parts():
    model = estimate(draw_sentences(5, 100), 4, report=lambda _: None)
    assert [len(next(iter(ngrams))) for ngrams in model.ngrams] == [1, 2, 3, 4]
    for shorter, longer in zip(model.ngrams, model.ngrams[1:], strict=False):
        assert {part for ngram in longer for part in (ngram[:-1], ngram[1:])} <= shorter.keys()


def test_no_sentence_is_as_long_as_the_order(capsys):
    model = estimate([["A"], []], 5)
    assert (model.order, [len(ngrams) for ngrams in model.ngrams]) == (3, [4, 3, 1])
    assert "the longest n-grams have 3 words" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sentences", "message"), [([], "no sentence"), ([["A"], ["B", END]], "</s> is a word of the sentences")]
)
def test_what_cannot_be_estimated(sentences, message):
    with pytest.raises(InputError, match=message):
        estimate(sentences, 2)
    with pytest.raises(ValueError, match="order is 0"):
        estimate([["A"]], 0)
