"""From a language model to the table that the compiled prefix search reads."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from config.schema import Rules
from dataset.vocabulary import Vocabulary
from evaluation.ctc.search_arrays import NgramTable
from evaluation.language_model.ngram_model import BEGIN, END, UNKNOWN, NgramModel
from evaluation.normalise import normalise

LN10 = math.log(10.0)

Level = dict[tuple[int, ...], tuple[float, float]]
"""N-grams of one length as numbers of words, with natural log p and that of the backoff weight."""


def spell_classes(vocabulary: Vocabulary, rules: Rules) -> list[str | None]:
    """The word that each class stands for in a language model, (V,): its gloss by the corpus's rules.

    None for the blank, and for a gloss that the rules drop: it costs a sentence nothing.
    """
    # No rule gives a gloss alone more than one word. Rules that join neighbours cannot be applied while they are found.
    return [None, *((*normalise([gloss], rules), None)[0] for gloss in vocabulary.glosses)]


def build_table(model: NgramModel, vocabulary: Vocabulary, rules: Rules) -> NgramTable:
    """The table of a language model for a dictionary.

    A word that the model lacks is its unknown word, with the probability `NgramModel.log_unknown`. What the dictionary
    cannot spell is left out, as no hypothesis has it.

    Args:
        model: the language model.
        vocabulary: the glosses of the classes.
        rules: the rules by which the references were spelt that the model was estimated from.
    """
    spelt = spell_classes(vocabulary, rules)
    known = sorted({word for word in spelt if word is not None and word in model} - {BEGIN, END, UNKNOWN})
    ids = {word: number for number, word in enumerate((BEGIN, END, UNKNOWN, *known))}
    levels = [_number_words(level.items(), ids) for level in model.ngrams]
    unknown = model.log_unknown * LN10
    unigrams: Level = {(number,): levels[0].get((number,), (unknown, 0.0)) for number in ids.values()}
    unigrams[ids[UNKNOWN],] = (unknown, unigrams[ids[UNKNOWN],][1])
    levels = [unigrams, *levels[1:]]
    levels[-1] = {key: (log_p, 0.0) for key, (log_p, _) in levels[-1].items()}  # nothing is longer than these
    numbers = [-1 if word is None else ids.get(word, ids[UNKNOWN]) for word in spelt]
    return _lay_out(levels, np.array([*numbers, ids[END]]), ids[BEGIN])


def _number_words(ngrams: Iterable[tuple[tuple[str, ...], tuple[float, float]]], ids: dict[str, int]) -> Level:
    """The n-grams all of whose words have a number."""
    return {
        tuple(ids[word] for word in words): (log_p * LN10, log_weight * LN10)
        for words, (log_p, log_weight) in ngrams
        if all(word in ids for word in words)
    }


def _lay_out(levels: list[Level], words: np.ndarray, begin: int) -> NgramTable:
    """The table of n-grams of words with numbers, those of one word being complete."""
    nodes: dict[tuple[int, ...], int] = {(): 0}
    for level in levels:
        for key in sorted(level, key=lambda key: (nodes[key[:-1]], key[-1])):
            nodes[key] = len(nodes)
    keys = list(nodes)[1:]
    values = np.array([(0.0, 0.0), *(levels[len(key) - 1][key] for key in keys)])  # (nodes, 2)
    word = np.array([-1, *(key[-1] for key in keys)])
    shorter = np.array([0, *(nodes[key[1:]] for key in keys)])
    parent = np.array([nodes[key[:-1]] for key in keys])  # ascending
    first = 1 + np.searchsorted(parent, np.arange(len(nodes) + 1))
    log_p, backoff = values[:, 0].copy(), values[:, 1].copy()
    state = np.arange(len(nodes))
    for node in np.flatnonzero((first[1:] == first[:-1]) & (backoff == 0.0)):  # no word after it is treated otherwise
        state[node] = state[shorter[node]]  # a shorter n-gram has a lower number
    ceiling = _find_ceilings(np.array([len(level) for level in levels]), word, log_p, backoff)
    return NgramTable(
        words=words,
        ceiling=np.where(words[:-1] >= 0, ceiling[words[:-1]], np.inf),
        first=first,
        word=word,
        log_p=log_p,
        backoff=backoff,
        shorter=shorter,
        state=state,
        begin=int(state[1 + begin]),
    )


def _find_ceilings(sizes: np.ndarray, word: np.ndarray, log_p: np.ndarray, backoff: np.ndarray) -> np.ndarray:
    """The most that log p of each word can be, (words,); `sizes` (order,) are the numbers of n-grams of each length."""
    ends = 1 + np.cumsum(sizes)
    ceiling = log_p[1 : ends[0]].copy()
    for start, middle, end in zip([1, *ends], ends, ends[1:], strict=False):
        # Of a word after a context of one word more: listed, or what it was after a shorter one with a backoff weight.
        ceiling += max(0.0, backoff[start:middle].max(initial=0.0))
        np.maximum.at(ceiling, word[middle:end], log_p[middle:end])
    return ceiling
