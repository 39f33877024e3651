"""Estimating a language model: interpolated modified Kneser-Ney smoothing.

Source: Chen and Goodman, "An empirical study of smoothing techniques for language modeling", TR-10-98, Harvard, 1998,
sections 3 and 4.1.6; where it leaves a choice, that of KenLM's lmplz (Heafield et al., ACL 2013).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from evaluation.language_model.ngram_model import BEGIN, END, LOG_ZERO, UNKNOWN, NgramModel, Ngrams
from utils.errors import InputError
from utils.patience import say

Counts = dict[tuple[str, ...], int]
Discounts = tuple[float, float, float]

FALLBACK: Discounts = (0.5, 1.0, 1.5)
"""The discounts where counts of counts give none, those of lmplz's option --discount_fallback."""


def estimate(sentences: Iterable[Sequence[str]], order: int, report: Callable[[str], None] = say) -> NgramModel:
    """Estimate a model, in which every word of the sentences, the end and an unknown word have a probability.

    With a(hw) the count of an n-gram, or the number of different words before it where it is shorter than the order
    and does not begin a sentence,

        p(w | h) = (a(hw) - D(a(hw))) / sum_v a(hv) + b(h) p(w | h'),   b(h) = sum_v D(a(hv)) / sum_v a(hv),

    where h' is h without its first word, and the 1-grams are interpolated with a uniform distribution over words, the
    end and the unknown word, which itself is never counted.

    Args:
        sentences: the words of each; one may be empty.
        order: the number of words of the longest n-grams; no longer ones are listed than the sentences have.
        report: is told in a sentence where the discounts or the order had to be other ones.

    Raises:
        InputError: there is no sentence, or a word is one of the three that models reserve.
        ValueError: an order below 1.
    """
    if order < 1:
        raise ValueError(f"the order is {order}, expected at least 1")
    whole = [(BEGIN, *sentence, END) for sentence in sentences]
    _check_sentences(whole)
    longest = max(map(len, whole))
    if longest < order:
        report(f"the longest n-grams have {longest} words, since no sentence is longer, and not {order}")
    counts = adjust_counts(whole, min(order, longest))
    num_words = len(counts[0]) + 1  # with the end, which is counted, and the unknown word, which is not
    lower: dict[tuple[str, ...], float] = {(): 1 / num_words}
    ngrams: list[Ngrams] = []
    for length, of_length in enumerate(counts, start=1):
        discounts = choose_discounts(of_length, length, report)
        totals, held = _sum_by_context(of_length, discounts)
        p = {
            ngram: (count - discount(count, discounts) + held[ngram[:-1]] * lower[ngram[1:]]) / totals[ngram[:-1]]
            for ngram, count in of_length.items()
        }
        if ngrams:  # the weights of the contexts, which are the n-grams before
            for context, total in totals.items():
                ngrams[-1][context] = (ngrams[-1][context][0], math.log10(held[context] / total))
        else:
            p[UNKNOWN,] = held[()] / totals[()] / num_words
        ngrams.append({ngram: (math.log10(value), 0.0) for ngram, value in p.items()})
        if length == 1:
            ngrams[0][BEGIN,] = (LOG_ZERO, 0.0)
        lower = p
    return NgramModel(len(ngrams), tuple(ngrams))


def _check_sentences(whole: Sequence[Sequence[str]]) -> None:
    if not whole:
        raise InputError("there is no sentence to estimate a language model on")
    reserved = {BEGIN, END, UNKNOWN}
    for sentence in whole:
        if found := reserved.intersection(sentence[1:-1]):
            raise InputError(f"{min(found)} is a word of the sentences, which language models reserve: rename it")


def adjust_counts(whole: Sequence[Sequence[str]], order: int) -> list[Counts]:
    """The counts of each length that probabilities are estimated from.

    Args:
        whole: sentences with `BEGIN` and `END`.
        order: the largest length.

    Returns:
        for each length from 1, how often an n-gram of the largest length, or one that begins with `BEGIN`, was seen;
        for others, the number of different words before it. `BEGIN` alone isn't counted: nothing predicts it.
    """
    seen = [
        Counter(
            tuple(sentence[start : start + length])
            for sentence in whole
            for start in range(int(length == 1), len(sentence) - length + 1)
        )
        for length in range(1, order + 1)
    ]
    adjusted: list[Counts] = []
    for shorter, longer in pairwise(seen):
        before = Counter(ngram[1:] for ngram in longer)
        adjusted.append({ngram: count if ngram[0] == BEGIN else before[ngram] for ngram, count in shorter.items()})
    return [*adjusted, dict(seen[-1])]


def choose_discounts(counts: Counts, length: int, report: Callable[[str], None] = say) -> Discounts:
    """D1, D2 and D3+ of a length, from the counts of its counts (Chen and Goodman, equation 26).

    A small corpus may have no n-gram that was counted once, twice or three times, or so strange numbers of them that a
    discount is not between 0 and its count: the length then gets `FALLBACK`.
    """
    numbers = Counter(counts.values())
    n1, n2, n3, n4 = (numbers[count] for count in (1, 2, 3, 4))
    if n1 and n2 and n3:
        y = n1 / (n1 + 2 * n2)
        found = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
        if all(0 < value <= count for count, value in enumerate(found, start=1)):
            return found
    report(
        f"{length}-grams: {n1}, {n2}, {n3} and {n4} were counted 1, 2, 3 and 4 times, which gives no discounts, as in "
        f"small corpora: {', '.join(map(str, FALLBACK))} are taken"
    )
    return FALLBACK


def discount(count: int, discounts: Discounts) -> float:
    """What is taken off a count."""
    return discounts[min(count, 3) - 1]


def _sum_by_context(
    counts: Counts, discounts: Discounts
) -> tuple[Counter[tuple[str, ...]], dict[tuple[str, ...], float]]:
    """The sum of the counts, and of what is taken off them, after each context."""
    totals: Counter[tuple[str, ...]] = Counter()
    held: dict[tuple[str, ...], float] = {}
    for ngram, count in counts.items():
        totals[ngram[:-1]] += count
        held[ngram[:-1]] = held.get(ngram[:-1], 0.0) + discount(count, discounts)
    return totals, held
