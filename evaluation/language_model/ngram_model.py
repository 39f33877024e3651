"""What a backoff n-gram model is, whoever estimated it, and what it says of a sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

BEGIN = "<s>"
"""The context of a sentence's first word; no word itself, so its own probability is never asked for."""
END = "</s>"
"""The word that ends every sentence."""
UNKNOWN = "<unk>"
"""The word that stands for all that a model does not know."""
LOG_ZERO = -99.0
"""What SRILM writes for the logarithm of 0."""

Ngrams = dict[tuple[str, ...], tuple[float, float]]
"""N-grams of one length, with log10 p and log10 of the backoff weight."""


@dataclass(frozen=True)
class NgramModel:
    """A backoff n-gram model as ARPA files hold it (Katz 1987): p(w | h) = p(hw) if hw is listed, else b(h) p(w | h').

    h' is h without its first word, and b(h) is 1 where h is not listed. Whoever makes a model (`estimate`, `read_arpa`)
    lists with each n-gram its first n - 1 and its last n - 1 words too.

    Attributes:
        order: the number of words of its longest n-grams, at least 1.
        ngrams: for each length from 1 to `order`, its n-grams with (log10 p, log10 of the backoff weight), all finite;
            the weight is 0.0 where there is none. `END` is among the 1-grams, and so is `BEGIN`, whose p means nothing.
    """

    order: int
    ngrams: tuple[Ngrams, ...]

    def __contains__(self, word: object) -> bool:
        """Whether a word has a probability of its own."""
        return (word,) in self.ngrams[0]

    @property
    def words(self) -> tuple[str, ...]:
        """The words that it knows, in its own order, without `BEGIN`, `END` and `UNKNOWN`."""
        return tuple(word for (word,) in self.ngrams[0] if word not in {BEGIN, END, UNKNOWN})

    @cached_property
    def log_unknown(self) -> float:
        """log10 p of an unknown word without context: that of `UNKNOWN`, or of the rarest word where it has none.

        Else a gloss that a model without `UNKNOWN` lacks would be impossible, and could never be recognised with it.
        """
        logs = {word: log_p for (word,), (log_p, _) in self.ngrams[0].items() if word != BEGIN and log_p > LOG_ZERO}
        return logs.get(UNKNOWN, min(logs.values(), default=LOG_ZERO))

    def score_word(self, context: Sequence[str], word: str) -> float:
        """log10 p of a word after its context.

        Args:
            context: the words before, `BEGIN` being the first where the sentence begins there; the last `order` - 1
                count.
            word: the word; `END` for the sentence's end.
        """
        near = context[max(len(context) - self.order + 1, 0) :]
        history = tuple(other if other in self else UNKNOWN for other in near)
        word = word if word in self else UNKNOWN
        log_weights = 0.0
        while history and (*history, word) not in self.ngrams[len(history)]:
            log_weights += self.ngrams[len(history) - 1].get(history, (0.0, 0.0))[1]
            history = history[1:]
        if not history and word == UNKNOWN:
            return log_weights + self.log_unknown
        return log_weights + self.ngrams[len(history)][(*history, word)][0]

    def score_words(self, words: Sequence[str], begin: bool = True, end: bool = True) -> list[float]:
        """log10 p of each word of a sentence after those before it.

        Args:
            words: the words, without `BEGIN` and `END`.
            begin: whether the sentence begins with them.
            end: whether it ends with them: then the result has one number more, for `END`.
        """
        context = [BEGIN] if begin else []
        whole = [*context, *words, *([END] if end else [])]
        return [
            self.score_word(whole[max(place - self.order + 1, 0) : place], whole[place])
            for place in range(len(context), len(whole))
        ]

    def score(self, words: Sequence[str], begin: bool = True, end: bool = True) -> float:
        """log10 p of a sentence: the sum of what `score_words` gives."""
        return math.fsum(self.score_words(words, begin, end))
