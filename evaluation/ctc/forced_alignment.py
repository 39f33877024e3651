"""When each gloss of a hypothesis was signed: forced alignment on the CTC trellis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evaluation.ctc.posteriors import SMALLEST_PROBABILITY, take_logarithm
from utils.compiled import compiled

BLANK_SHARE = 0.2
"""A step that CTC spent on the blank is still a gloss's if the gloss has this share of what the blank left over."""

StepSpan = tuple[int, int]
"""The first output step of a token, and its last + 1."""


def force_align(posteriors: np.ndarray, tokens: Sequence[int], blank: int = 0) -> list[StepSpan]:
    """The output steps (first, last + 1) of each token, in order and without overlap.

    The most probable path that spells `tokens` (Viterbi on the trellis of Graves et al., "Connectionist temporal
    classification", 2006) says where each token peaks. A network trained with CTC spends most of a sign's duration on
    the blank, so a second pass over the same trellis keeps these steps and decides the others by what is left when
    the blank is set aside: there a token has the probability p / (1 - p(blank)), and the blank `BLANK_SHARE`,
    chosen on the built-in corpus, whose true boundaries are known (`python -m benchmarks.boundaries`).

    Args:
        posteriors: (T', V) probabilities of one sequence, floating point.
        tokens: class numbers without blanks.
        blank: the class number of the blank.

    Raises:
        ValueError: fewer steps than the tokens need, or a token that is no class.
    """
    wrong = [token for token in tokens if not 0 <= token < posteriors.shape[1] or token == blank]
    if wrong:
        raise ValueError(f"{wrong[0]} is not one of the {posteriors.shape[1]} classes, or the blank")
    if not tokens:
        return []
    states = np.full(2 * len(tokens) + 1, blank)  # S: blank, token, blank, ..., token, blank
    states[1::2] = tokens
    p = posteriors.astype(np.float64)  # a copy, which is changed below
    emissions = take_logarithm(p.take(states, axis=1))  # (T', S)
    path = _find_best_path(emissions, states, blank)  # (T')
    if not len(path):
        raise ValueError(f"{len(posteriors)} steps are too few to spell {len(tokens)} tokens")
    p[:, blank] = 0.0
    left_over = np.maximum(p.sum(axis=1, keepdims=True), SMALLEST_PROBABILITY)  # (T', 1); 1 - p(blank) would round to 0
    shares = take_logarithm(p.take(states, axis=1) / left_over)  # (T', S)
    shares[:, 0::2] = np.log(BLANK_SHARE)
    # The peaks of the first pass are fixed: at each of these steps, every other state is impossible in the second.
    peaks = np.flatnonzero(path % 2)  # steps at which the path is in a token
    shares[peaks] = -np.inf
    shares[peaks, path[peaks]] = 0.0
    path = _find_best_path(shares, states, blank)
    steps = [np.flatnonzero(path == 2 * index + 1) for index in range(len(tokens))]
    return [(int(own[0]), int(own[-1]) + 1) for own in steps]


@compiled
def _find_best_path(emissions: np.ndarray, states: np.ndarray, blank: int) -> np.ndarray:
    """The best state of each step, (T'), for log-probabilities (T', S) of the states; empty if no path has any.

    Of equally probable paths, the one that, read from the end, stays longest in a later state.
    """
    T, S = emissions.shape
    best = np.full(S, -np.inf)
    came_from = np.zeros((T, S), np.int64)
    for t in range(T):
        after = np.full(S, -np.inf)
        for s in range(S):
            if t == 0:
                after[s] = emissions[t, s] if s < 2 else -np.inf
                continue
            source = s
            if s >= 1 and best[s - 1] > best[source]:
                source = s - 1
            if s >= 2 and states[s] != blank and states[s] != states[s - 2] and best[s - 2] > best[source]:
                source = s - 2
            after[s] = best[source] + emissions[t, s]
            came_from[t, s] = source
        best = after
    path = np.empty(T, np.int64)
    s = S - 1 if T and best[S - 1] >= best[S - 2] else S - 2
    if not T or best[s] == -np.inf:
        return np.empty(0, np.int64)
    for t in range(T - 1, -1, -1):
        path[t] = s
        s = came_from[t, s]
    return path
