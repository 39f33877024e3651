"""CTC decoding: class posteriors to class numbers, greedily or by prefix beam search.

The loop of the beam search itself is `evaluation/ctc/prefix_search.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol

import numpy as np

from evaluation.ctc.ctcdecode_backend import CtcdecodeDecoder
from evaluation.ctc.hypothesis import BeamOptions, Hypothesis, build_nbest
from evaluation.ctc.posteriors import cut_sequences, take_logarithm
from evaluation.ctc.prefix_search import Trie, search_prefixes
from utils.workers import available_cores


class Decoder(Protocol):
    """What turns class posteriors into hypotheses."""

    def __call__(self, posteriors: Any, lengths: Any) -> list[list[Hypothesis]]:
        """The hypotheses of each sequence, best first and at least one, as `BeamDecoder.__call__` has it."""


def make_decoder(backend: str, mode: str, beam_width: int) -> Decoder:
    """Make the decoder that the configuration names.

    Args:
        backend: the program that does a beam search, "builtin" or "ctcdecode".
        mode: "beam", or "greedy", also called "max", which needs no backend.
        beam_width: the number of prefixes that a beam search keeps.

    Raises:
        InputError: ctcdecode is to search and can't be imported.
        ValueError: another backend or mode, or a beam without width.
    """
    if mode in {"greedy", "max"}:
        return GreedyDecoder()
    searches: dict[str, Callable[[int], Decoder]] = {"builtin": BeamDecoder, "ctcdecode": CtcdecodeDecoder}
    if mode != "beam" or backend not in searches:
        raise ValueError(f"mode {mode!r}, backend {backend!r}: expected beam, greedy or max, {' or '.join(searches)}")
    return searches[backend](beam_width)


@dataclass(frozen=True)
class GreedyDecoder:
    """The most probable class of every step, repeats merged, blanks dropped. One hypothesis a sequence."""

    blank: int = 0

    def __call__(self, posteriors: Any, lengths: Any) -> list[list[Hypothesis]]:
        """As `BeamDecoder.__call__`; of equally probable classes the first is taken."""
        sequences = cut_sequences(posteriors, lengths, self.blank)
        return [[self._decode(sequence)] for sequence in sequences]

    def _decode(self, probabilities: np.ndarray) -> Hypothesis:
        classes = probabilities.argmax(axis=1)  # (T', V) -> (T')
        peaks = take_logarithm(probabilities.max(axis=1))  # (T')
        tokens, frames = [], []
        for token, run in groupby(range(len(classes)), key=classes.__getitem__):
            if token != self.blank:
                tokens.append(int(token))
                frames.append(max(run, key=peaks.__getitem__))
        return Hypothesis(tuple(tokens), float(0.0 - peaks.sum()), tuple(frames))  # 0 - x, as -x of nothing is -0.0


@dataclass(frozen=True)
class BeamDecoder(BeamOptions):
    """CTC prefix beam search with the semantics of ctcdecode, without a language model.

    Keeps `beam_width` prefixes and, at each step, extends them by the `cutoff_top_n` most probable classes, the blank
    being one of them (Hannun et al., "First-pass large vocabulary continuous speech recognition using bi-directional
    recurrent DNNs", 2014, algorithm 1).
    """

    def __call__(self, posteriors: Any, lengths: Any) -> list[list[Hypothesis]]:
        """Decode a batch.

        Args:
            posteriors: (B, T', V) probabilities (after the softmax), an array or a tensor.
            lengths: (B,) the number of steps of each sequence; the rest is padding and never looked at.

        Returns:
            the hypotheses of each sequence, best first, at most `beam_width` and at least one; a sequence of length 0
            has one empty hypothesis.

        Raises:
            ValueError: other shapes, lengths outside 0..T', a blank outside 0..V-1, and steps that are no distribution
                (NaN, negative, or a sum off by more than 1e-3).
        """
        sequences = cut_sequences(posteriors, lengths, self.blank)
        if len(sequences) < 2:
            return [self._decode(sequence) for sequence in sequences]
        # Threads, not processes: the compiled search holds no lock of the interpreter, and nothing has to be copied.
        with ThreadPoolExecutor(min(len(sequences), available_cores())) as pool:
            return list(pool.map(self._decode, sequences))

    def _decode(self, probabilities: np.ndarray) -> list[Hypothesis]:
        logs = take_logarithm(probabilities)  # (T', V)
        beam, trie = search_prefixes(logs, self.beam_width, self.blank, self.cutoff_top_n)
        scores = 0.0 - np.logaddexp(beam.blank, beam.other)  # (K)
        # Where there are fewer prefixes than places, the beam also holds impossible ones, whose p is 0.
        return build_nbest(
            (*_trace_prefix(trie, node), float(score))
            for node, score in zip(beam.node, scores, strict=True)
            if score < np.inf
        )


def _trace_prefix(trie: Trie, node: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The tokens of the prefix that ends in a node, and their steps."""
    path = []
    while node > 0:
        path.append(node)
        node = trie.parent[node]
    path.reverse()
    return tuple(trie.token[path].tolist()), tuple(trie.step[path].tolist())
