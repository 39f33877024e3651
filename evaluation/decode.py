"""CTC decoding: class posteriors to class numbers, greedily or by prefix beam search.

The loop of the beam search itself is `evaluation/ctc/prefix_search.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Protocol

import numpy as np

from evaluation.ctc.combination import combine_hypotheses
from evaluation.ctc.ctcdecode_backend import CtcdecodeDecoder
from evaluation.ctc.hypothesis import BeamOptions, Hypothesis, build_nbest
from evaluation.ctc.posteriors import cut_sequences, take_logarithm
from evaluation.ctc.prefix_search import search_prefixes
from evaluation.ctc.search_arrays import Fusion, Trie
from utils.workers import available_cores


class Decoder(Protocol):
    """What turns class posteriors into hypotheses."""

    def __call__(self, posteriors: Any, lengths: Any) -> list[list[Hypothesis]]:
        """The hypotheses of each sequence, best first and at least one, as `BeamDecoder.__call__` has it."""


def make_decoder(backend: str, mode: str, beam_width: int, fusion: Fusion | None = None) -> Decoder:
    """Make the decoder that the configuration names.

    Args:
        backend: the program that does a beam search, "builtin" or "ctcdecode".
        mode: "beam", or "greedy", also called "max", which needs no backend.
        beam_width: the number of prefixes that a beam search keeps.
        fusion: the language model, bonus and penalty of the built-in search (`evaluation.shallow_fusion`); or None.

    Raises:
        InputError: ctcdecode is to search and can't be imported.
        ValueError: another backend or mode, a beam without width, or something is to be fused by another search.
    """
    searches: dict[str, Callable[[int], Decoder]] = {"builtin": BeamDecoder, "ctcdecode": CtcdecodeDecoder}
    if mode not in {"beam", "greedy", "max"} or backend not in searches:
        raise ValueError(f"mode {mode!r}, backend {backend!r}: expected beam, greedy or max, {' or '.join(searches)}")
    if fusion is not None:
        if (mode, backend) != ("beam", "builtin"):
            raise ValueError(
                f"mode {mode!r}, backend {backend!r}: the built-in beam search alone knows language models"
            )
        return BeamDecoder(beam_width, fusion=fusion)
    return searches[backend](beam_width) if mode == "beam" else GreedyDecoder()


def decode_members(decoder: Decoder, posteriors: np.ndarray, lengths: np.ndarray) -> list[list[Hypothesis]]:
    """Decode a batch that one network or several have read.

    Of one network the hypotheses are the decoder's. Of several, each is decoded alone, and the candidates are all that
    is found. The score of a candidate is minus the mean over the networks of its log-probability by CTC, summed over
    all paths, each blank being `blank_penalty` less probable as in the search; what the decoder's fusion adds to a
    sequence is added once. Confidences are shares of the list of candidates. A greedy decoder gives one candidate for
    each network, and no confidences.

    Args:
        decoder: the decoder of each network.
        posteriors: (M, B, T', V) probabilities (after the softmax), of M networks.
        lengths: (B,) the number of steps of each sequence; the rest is padding and never looked at.

    Returns:
        the hypotheses of each sequence, best first, each once; `frames` are those of the first network that found it.

    Raises:
        ValueError: as the decoder does.
    """
    M, B = posteriors.shape[:2]
    if M == 1:
        return decoder(posteriors[0], lengths)
    found = decoder(posteriors.reshape(M * B, *posteriors.shape[2:]), np.tile(lengths, M))
    fusion = decoder.fusion if isinstance(decoder, BeamDecoder) else None
    combined = []
    for clip, steps in enumerate(lengths):
        pooled = [hypothesis for member in range(M) for hypothesis in found[member * B + clip]]
        combined.append(combine_hypotheses(pooled, posteriors[:, clip, :steps], fusion))
    return combined


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
    """CTC prefix beam search with the semantics of ctcdecode, and, where `fusion` is given, a score of words.

    Keeps `beam_width` prefixes and, at each step, extends them by the `cutoff_top_n` most probable classes, the blank
    being one of them (Hannun et al., "First-pass large vocabulary continuous speech recognition using bi-directional
    recurrent DNNs", 2014, algorithm 1). Without `fusion` a prefix is as good as it is probable. With it, the score that
    `Fusion` defines decides which prefixes stay, the end of the sentence being added after the last step, and which
    hypothesis is the best; `Hypothesis.score` is then minus that score, which the confidences are shares of.
    """

    fusion: Fusion | None = field(default=None, compare=False)

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
                (NaN, negative, or a sum off by more than 1e-3), and more classes than `fusion` was built for.
        """
        sequences = cut_sequences(posteriors, lengths, self.blank)
        if self.fusion is not None:  # the compiled search checks no index
            most = len(self.fusion.table.ceiling)
            if any(sequence.shape[1] > most for sequence in sequences):
                raise ValueError(f"posteriors have more classes than the {most} of the language model's dictionary")
        if len(sequences) < 2:
            return [self._decode(sequence) for sequence in sequences]
        # Threads, not processes: the compiled search holds no lock of the interpreter, and nothing has to be copied.
        with ThreadPoolExecutor(min(len(sequences), available_cores())) as pool:
            return list(pool.map(self._decode, sequences))

    def _decode(self, probabilities: np.ndarray) -> list[Hypothesis]:
        logs = take_logarithm(probabilities)  # (T', V)
        beam, trie, added = search_prefixes(logs, self.beam_width, self.blank, self.cutoff_top_n, self.fusion)
        scores = 0.0 - np.logaddexp(beam.blank, beam.other)  # (K)
        order = np.arange(len(scores))
        if self.fusion is not None:
            scores -= added
            order = np.argsort(scores, kind="stable")  # the end of the sentence may have changed it
        # Where there are fewer prefixes than places, the beam also holds impossible ones, whose p is 0.
        return build_nbest(
            (*_trace_prefix(trie, beam.node[place]), float(scores[place])) for place in order if scores[place] < np.inf
        )


def _trace_prefix(trie: Trie, node: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The tokens of the prefix that ends in a node, and their steps."""
    path = []
    while node > 0:
        path.append(node)
        node = trie.parent[node]
    path.reverse()
    return tuple(trie.token[path].tolist()), tuple(trie.step[path].tolist())
