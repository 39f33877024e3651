"""CTC decoding: class posteriors to gloss numbers, greedily or by prefix beam search."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from evaluation.prefix_search import Trie, search

SMALLEST = np.finfo(np.float32).tiny  # stands for p = 0
TOLERANCE = 1e-3  # of the sum of a row


@dataclass(frozen=True)
class Hypothesis:
    """One decoded sequence.

    `tokens` are class numbers without blanks; `score` is -log p (natural logarithm): of all paths to these tokens
    within the beam, or of the one best path for the greedy decoder. `frames` has for each token the output step where
    it was most probable, the first on ties. In a beam search the tokens compete for steps independently, so the steps
    need not rise from token to token.
    """

    tokens: tuple[int, ...]
    score: float
    frames: tuple[int, ...]


@dataclass(frozen=True)
class GreedyDecoder:
    """The most probable class of every step, repeats merged, blanks dropped. One hypothesis a sequence."""

    blank: int = 0

    def __call__(self, posteriors: Any, lengths: Any) -> list[list[Hypothesis]]:
        """As `BeamDecoder.__call__`; of equally probable classes the first is taken."""
        sequences = checked_sequences(posteriors, lengths, self.blank)
        return [[self._decode(sequence)] for sequence in sequences]

    def _decode(self, probabilities: np.ndarray) -> Hypothesis:
        classes = probabilities.argmax(axis=1)  # (T', V) -> (T')
        peaks = _logarithm(probabilities.max(axis=1))  # (T')
        tokens, frames = [], []
        for token, run in groupby(range(len(classes)), key=classes.__getitem__):
            if token != self.blank:
                tokens.append(int(token))
                frames.append(max(run, key=peaks.__getitem__))
        return Hypothesis(tuple(tokens), float(0.0 - peaks.sum()), tuple(frames))


@dataclass(frozen=True)
class BeamDecoder:
    """CTC prefix beam search with the semantics of ctcdecode, without a language model.

    Keeps `beam_width` prefixes and, at each step, extends them by the `cutoff_top_n` most probable classes, the blank
    being one of them (Hannun et al., "First-pass large vocabulary continuous speech recognition using bi-directional
    recurrent DNNs", 2014, algorithm 1).
    """

    beam_width: int = 10
    blank: int = 0
    cutoff_top_n: int = 40

    def __post_init__(self) -> None:
        for name in ("beam_width", "cutoff_top_n"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected at least 1")

    def __call__(self, posteriors: Any, lengths: Any) -> list[list[Hypothesis]]:
        """The hypotheses of each sequence, best first, at most `beam_width` and at least one.

        `posteriors` (B, T', V): probabilities (after the softmax), an array or a tensor; `lengths` (B,): the steps of
        each sequence, the rest is padding and never looked at. A sequence of length 0 has one empty hypothesis.

        Raises ValueError for other shapes, lengths outside 0..T', a blank outside 0..V-1, and steps that are no
        distribution (NaN, negative, or a sum off by more than 1e-3).
        """
        sequences = checked_sequences(posteriors, lengths, self.blank)
        if len(sequences) < 2:
            return [self._decode(sequence) for sequence in sequences]
        with ThreadPoolExecutor(min(len(sequences), os.cpu_count() or 1)) as pool:  # search releases the GIL
            return list(pool.map(self._decode, sequences))

    def _decode(self, probabilities: np.ndarray) -> list[Hypothesis]:
        logs = _logarithm(probabilities)  # (T', V)
        beam, trie = search(logs, self.beam_width, self.blank, self.cutoff_top_n)
        scores = 0.0 - np.logaddexp(beam.blank, beam.other)  # (K)
        return [_hypothesis(trie, node, score) for node, score in zip(beam.node, scores, strict=True) if score < np.inf]


def _hypothesis(trie: Trie, node: int, score: float) -> Hypothesis:
    path = []
    while node > 0:
        path.append(node)
        node = trie.parent[node]
    path.reverse()
    return Hypothesis(tuple(trie.token[path].tolist()), float(score), tuple(trie.step[path].tolist()))


def _logarithm(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities, SMALLEST).astype(np.float64))


def checked_sequences(posteriors: Any, lengths: Any, blank: int) -> list[np.ndarray]:
    """The used part of each sequence, (length, V) float32, after the checks that `BeamDecoder.__call__` describes."""
    batch = _array(posteriors)
    if batch.ndim != 3 or batch.shape[2] == 0:
        raise ValueError(f"posteriors have the shape {batch.shape}, expected (B, T', V)")
    if not 0 <= blank < batch.shape[2]:
        raise ValueError(f"the blank is class {blank}, expected 0 to {batch.shape[2] - 1}")
    if not np.issubdtype(batch.dtype, np.floating):
        raise ValueError(f"posteriors are of type {batch.dtype}, expected floating point")
    sizes = _checked_lengths(lengths, batch.shape[0], batch.shape[1])
    sequences = [np.ascontiguousarray(batch[b, :size], dtype=np.float32) for b, size in enumerate(sizes)]
    for b, sequence in enumerate(sequences):
        _check_distributions(sequence, b)
    return sequences


def _array(values: Any) -> np.ndarray:
    if hasattr(values, "detach"):  # a torch tensor; numpy has no bfloat16
        values = values.detach()
        values = values.float() if values.is_floating_point() else values
        values = values.cpu().numpy()
    return np.asarray(values)


def _checked_lengths(lengths: Any, batch_size: int, steps: int) -> Sequence[int]:
    sizes = _array(lengths)
    if sizes.shape != (batch_size,):
        raise ValueError(f"lengths have the shape {sizes.shape}, expected ({batch_size},), one for each sequence")
    if batch_size and not np.issubdtype(sizes.dtype, np.integer):
        raise ValueError(f"lengths are of type {sizes.dtype}, expected integers")
    for b, size in enumerate(sizes.tolist()):
        if not 0 <= size <= steps:
            raise ValueError(f"sequence {b} has the length {size}, expected 0 to {steps}")
    return sizes.tolist()


def _check_distributions(sequence: np.ndarray, b: int) -> None:
    sums = sequence.sum(axis=1, dtype=np.float64)  # (T', V) -> (T')
    for wrong, problem in (
        (np.isnan(sequence).any(axis=1), "contains NaN"),
        ((sequence < 0).any(axis=1), "contains a negative value; are these logits or log-probabilities?"),
        (~(np.abs(sums - 1.0) <= TOLERANCE), "does not sum to 1; is the softmax missing?"),
    ):
        if wrong.any():
            step = int(wrong.argmax())
            raise ValueError(f"sequence {b}, step {step} is no distribution: it {problem} (sum {sums[step]:.6g})")
