"""Sentences drawn at random, of which a language model has about as many n-grams as of a corpus."""

from __future__ import annotations

import numpy as np


def draw_sentences(glosses: int, count: int, seed: int = 0) -> list[list[str]]:
    """Draw sentences of GLOSS1, GLOSS2, ... with 5 to 18 glosses, of which few are frequent and most are rare.

    After each gloss half of the next ones are from five that it prefers, as phrases come again in a corpus; 2,500
    sentences of 1,296 glosses have some 60,000 n-grams of up to four words.

    Args:
        glosses: the number of glosses that there are.
        count: the number of sentences.
        seed: the seed of the draws.
    """
    rng = np.random.default_rng(seed)
    share = 1.0 / np.arange(1, glosses + 1)  # Zipf's law
    share /= share.sum()
    preferred = rng.choice(glosses, (glosses, 5), p=share)
    sentences = []
    for _ in range(count):
        numbers = [int(rng.choice(glosses, p=share))]
        for fresh in rng.choice(glosses, rng.integers(4, 18), p=share):
            repeats = rng.random() < 0.5
            numbers.append(int(rng.choice(preferred[numbers[-1]]) if repeats else fresh))
        sentences.append([f"GLOSS{number + 1}" for number in numbers])
    return sentences
