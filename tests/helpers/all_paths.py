"""Scores of token sequences by adding up all paths, and language models of random sentences to score them with."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict

import numpy as np

from dataset.vocabulary import Vocabulary
from evaluation.ctc.ngram_table import spell_classes
from evaluation.language_model.ngram_model import BEGIN, END, UNKNOWN, NgramModel

LN10 = math.log(10)
GLOSSES = ("A", "B-PLUSPLUS", "__EMOTION__", "B", "C")  # by the rules phoenix2014: A, B, no word, B again, C


def draw_rows(rng, steps, classes):
    return rng.dirichlet(np.full(classes, rng.choice([0.2, 1.0])), steps).astype(np.float32).reshape(steps, classes)


def draw_model(rng, order, unknown=True):
    """A model with n-grams of random sentences; its numbers are no distribution, which no search needs."""
    words = ["A", "B", "D", *([UNKNOWN] if unknown else [])]
    listed = [{} for _ in range(order)]
    for _ in range(4):
        sentence = [BEGIN, *rng.choice(words, rng.integers(0, 4)).tolist(), END]
        for n in range(1, order + 1):
            for start in range(len(sentence) - n + 1):
                weight = 0.0 if n == order else rng.uniform(-1.0, 0.3)
                listed[n - 1][tuple(sentence[start : start + n])] = (rng.uniform(-2.0, 0.0), weight)
    return NgramModel(order, tuple(listed))


def spell(tokens, glosses, merges):
    """The words of tokens, as `merge_repeats` and the rules leave them."""
    kept = [token for token, _ in itertools.groupby(tokens)] if merges else tokens
    spelt = spell_classes(Vocabulary(glosses), "phoenix2014")
    return [spelt[token] for token in kept if spelt[token] is not None]


def enumerate_scores(rows, model, glosses, fusion):
    """The score of every token sequence, by adding up all paths."""
    logs = np.log(np.maximum(rows, np.finfo(np.float32).tiny).astype(np.float64))
    logs[:, 0] -= fusion.blank_penalty
    paths = defaultdict(list)
    for path in itertools.product(range(rows.shape[1]), repeat=len(rows)):
        tokens = tuple(token for token, _ in itertools.groupby(path) if token)
        paths[tokens].append(sum(logs[t, c] for t, c in enumerate(path)))
    scores = {}
    for tokens, logs_of_paths in paths.items():
        words = spell(tokens, glosses, fusion.merges_repeats)
        of_words = fusion.lm_weight * LN10 * model.score(words) + fusion.insertion_bonus * len(words)
        scores[tokens] = float(np.logaddexp.reduce(logs_of_paths)) + of_words
    return scores
