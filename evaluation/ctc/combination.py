"""The hypotheses that several networks read together: each searches alone, and all judge what any has found.

Networks trained with CTC put the peak of a gloss on different output steps. A mean of their posteriors, step by step,
is therefore little at the step of each, and the blank wins. So whole sequences are compared: the candidates are the
hypotheses of all networks, and each network says how probable it finds each candidate, over all paths that spell it,
whatever steps they put the glosses on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from evaluation.ctc.confidence import compute_confidences
from evaluation.ctc.hypothesis import BeamOptions, Hypothesis
from evaluation.ctc.posteriors import take_logarithm
from evaluation.ctc.prefix_search import score_token
from evaluation.ctc.search_arrays import Fusion

BLANK = BeamOptions().blank


def combine_hypotheses(pooled: Sequence[Hypothesis], posteriors: np.ndarray, fusion: Fusion | None) -> list[Hypothesis]:
    """Order what several networks found in one sequence by what all give for it: `evaluation.decode.decode_members`.

    Args:
        pooled: the hypotheses of all networks, one network after the other.
        posteriors: (M, T', V) probabilities.
        fusion: what the search of each network adds to the log-probability of a sequence.
    """
    first = {hypothesis.tokens: hypothesis for hypothesis in reversed(pooled)}
    sequences = list(first)
    logs = sum_paths(posteriors, sequences, fusion.blank_penalty if fusion else 0.0)  # (M, N)
    scores = {}
    for tokens, of_members in zip(sequences, logs.T.tolist(), strict=True):
        mean = math.fsum(of_members) / len(of_members)  # fsum: the order of the networks changes no digit
        scores[tokens] = 0.0 - mean - (add_words(tokens, fusion) if fusion else 0.0)
    order = sorted(sequences, key=lambda tokens: (scores[tokens], tokens))
    shares: Sequence[tuple[float, ...] | None] = [None] * len(order)
    if all(hypothesis.confidences is not None for hypothesis in pooled):
        shares = compute_confidences(order, [scores[tokens] for tokens in order])
    return [
        Hypothesis(tokens, scores[tokens], first[tokens].frames, share)
        for tokens, share in zip(order, shares, strict=True)
    ]


def sum_paths(
    posteriors: np.ndarray, sequences: Sequence[tuple[int, ...]], blank_penalty: float = 0.0
) -> np.ndarray:  # fmt: skip
    """The log-probability by CTC of token sequences, summed over all paths that spell them.

    Args:
        posteriors: (M, T', V) probabilities of M networks.
        sequences: N token sequences, each of which needs no more than T' steps.
        blank_penalty: what is taken from the log-probability of each blank.

    Returns:
        (M, N) natural logarithms in float64.
    """
    M, T = posteriors.shape[:2]
    N, longest = len(sequences), max(map(len, sequences))
    if not longest:  # blanks alone
        logs = take_logarithm(posteriors[:, :, BLANK]) - blank_penalty  # (M, T')
        return np.repeat(logs.sum(1)[:, None], N, axis=1)
    # Of a large dictionary only the classes that a sequence has: all else takes no part in its paths.
    classes = sorted({token for tokens in sequences for token in tokens})
    places = {token: place for place, token in enumerate(classes, start=1)}
    logs = take_logarithm(posteriors[:, :, [BLANK, *classes]])  # (M, T', C)
    logs[:, :, 0] -= blank_penalty
    every = torch.from_numpy(logs).transpose(0, 1)[:, :, None].expand(T, M, N, -1).reshape(T, M * N, -1)
    targets = torch.zeros(N, longest, dtype=torch.long)
    for row, tokens in zip(targets, sequences, strict=True):
        row[: len(tokens)] = torch.tensor([places[token] for token in tokens], dtype=torch.long)
    counts = torch.tensor([len(tokens) for tokens in sequences])
    losses = torch.nn.functional.ctc_loss(
        every, targets.repeat(M, 1), torch.full((M * N,), T), counts.repeat(M), blank=0, reduction="none"
    )  # (M * N,)
    return -losses.numpy().reshape(M, N)


def add_words(tokens: Sequence[int], fusion: Fusion) -> float:
    """What fusion adds to the log-probability of a whole sequence, the end of the sentence included."""
    added, state, before = 0.0, fusion.table.begin, -1
    for token in tokens:
        if fusion.table.words[token] >= 0 and not (fusion.merges_repeats and token == before):
            log_p, state = score_token(fusion.table, state, token)
            added += fusion.lm_weight * log_p + fusion.insertion_bonus
        before = token
    return added + fusion.lm_weight * score_token(fusion.table, state, -1)[0]
