"""How sure a beam search is of each token: its share of the n-best list."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from utils.compiled import compiled


def compute_confidences(sequences: Sequence[Sequence[int]], scores: Sequence[float]) -> list[tuple[float, ...]]:
    """The confidence of each token of each sequence: the probability of those sequences of the list that have it too.

    Each sequence is aligned with every other so that as many equal tokens as possible are paired in order (a longest
    common subsequence); of several such alignments that one counts which pairs the earliest tokens of the sequence
    itself: against A, the first A of A A is paired and the second is not. The confidence of a token is the sum of p
    over the sequences in which it has a partner, its own among them, divided by the sum of p over all. So a token has
    at least the share of its own sequence, and exactly 1 if it has a partner in every other.

    Args:
        sequences: K token sequences, class numbers.
        scores: (K,) -log p of each sequence.

    Returns:
        the confidence of each token of each sequence, in [0, 1].

    Raises:
        ValueError: another number of scores than of sequences, or scores that are not finite.
    """
    if len(sequences) != len(scores) or not np.isfinite(scores).all():
        raise ValueError(f"expected {len(sequences)} finite scores, one for each sequence, got {list(scores)}")
    if not sequences:
        return []
    lengths = np.array([len(sequence) for sequence in sequences])  # (K)
    tokens = np.zeros((len(sequences), lengths.max()), np.int64)  # (K, L)
    for row, sequence in zip(tokens, sequences, strict=True):
        row[: len(sequence)] = sequence
    weights = np.exp(np.min(scores) - np.asarray(scores, np.float64))  # (K); the best has 1, so nothing overflows
    shares = _compute_shares(tokens, lengths, weights)  # (K, L)
    return [tuple(row[:length].tolist()) for row, length in zip(shares, lengths, strict=True)]


@compiled
def _compute_shares(tokens: np.ndarray, lengths: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The share (K, L) of the `weights` (K,) of all sequences that have the token too, for each token of (K, L)."""
    K, L = tokens.shape
    shares = np.zeros((K, L))
    longest = np.zeros((L + 1, L + 1), np.int64)
    total = 0.0
    for k in range(K):  # every token adds up its partners in the order of the total, so none can exceed it by rounding
        total += weights[k]
        for h in range(K):
            _add_partners(tokens[h, : lengths[h]], tokens[k, : lengths[k]], weights[k], longest, shares[h])
    return shares / total


@compiled
def _add_partners(own: np.ndarray, other: np.ndarray, weight: float, longest: np.ndarray, sums: np.ndarray) -> None:
    """Add `weight` to those of `sums` whose token of `own` has a partner in `other`; `longest` is room to work in."""
    M, N = len(own), len(other)
    first = 0
    while first < min(M, N) and own[first] == other[first]:  # most of an n-best list begins in the same way
        sums[first] += weight
        first += 1
    longest[M, first : N + 1] = 0
    longest[first : M + 1, N] = 0
    for i in range(M - 1, first - 1, -1):  # longest[i, j]: length of the longest common part of own[i:] and other[j:]
        for j in range(N - 1, first - 1, -1):
            if own[i] == other[j]:
                longest[i, j] = longest[i + 1, j + 1] + 1
            else:
                longest[i, j] = max(longest[i + 1, j], longest[i, j + 1])
    i = j = first
    while i < M and j < N:
        if own[i] == other[j]:
            sums[i] += weight
            i += 1
            j += 1
        elif longest[i, j + 1] == longest[i, j]:  # skipping in `other` first keeps the earlier token of `own`
            j += 1
        else:
            i += 1
