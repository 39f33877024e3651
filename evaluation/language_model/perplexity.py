"""How well a language model guesses sentences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evaluation.language_model.ngram_model import UNKNOWN, NgramModel


@dataclass(frozen=True)
class Perplexity:
    """What a language model says of some sentences.

    Attributes:
        sentences: the number of sentences, each of which has an end.
        words: the number of words, ends not counted.
        unknown: the number of words that the model does not know.
        log_known: the sum of log10 p of the known words and the ends.
        log_unknown: the sum of log10 p of the unknown words.
    """

    sentences: int
    words: int
    unknown: int
    log_known: float
    log_unknown: float

    @property
    def with_unknown(self) -> float:
        """The perplexity of all words and ends."""
        return _raise_ten(-(self.log_known + self.log_unknown) / (self.words + self.sentences))

    @property
    def without_unknown(self) -> float:
        """The perplexity of the known words and the ends, as SRILM reports it."""
        return _raise_ten(-self.log_known / (self.words - self.unknown + self.sentences))


def _raise_ten(exponent: float) -> float:
    return 10**exponent if exponent < 300 else math.inf


def measure_perplexity(model: NgramModel, sentences: Iterable[Sequence[str]]) -> Perplexity:
    """Measure the perplexity of a language model on sentences, ends included.

    Raises:
        ValueError: there is no sentence.
    """
    num_sentences = 0
    known: list[float] = []
    unknown: list[float] = []
    for sentence in sentences:
        num_sentences += 1
        *scores, end = model.score_words(sentence)
        known.append(end)
        for word, score in zip(sentence, scores, strict=True):
            (known if word in model and word != UNKNOWN else unknown).append(score)
    if not num_sentences:
        raise ValueError("no sentence to measure the perplexity of")
    words = len(known) - num_sentences + len(unknown)
    return Perplexity(num_sentences, words, len(unknown), math.fsum(known), math.fsum(unknown))


def doubt_corpus(measured: Perplexity, num_glosses: int, what: str) -> str:
    """A warning where a language model seems to be of another corpus than sentences; "" where it does not.

    That is so where it guesses them worse than a model that takes all glosses and the end for equally probable, or does
    not know half of their words.

    Args:
        measured: its perplexity on the sentences.
        num_glosses: the number of glosses of the dictionary.
        what: the name of the sentences.
    """
    uniform = num_glosses + 1
    if measured.with_unknown > uniform:
        found = f"its perplexity on {what} is {measured.with_unknown:,.1f}, worse than the {uniform:,} of equal chances"
    elif 2 * measured.unknown > measured.words:
        found = f"it does not know {measured.unknown:,} of the {measured.words:,} words of {what}"
    else:
        return ""
    return f"warning: {found}: the language model is of another corpus, or its words are spelt by other rules"
