"""CTC beam search by the package ctcdecode, for those who have it installed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import torch

from evaluation.ctc.hypothesis import BeamOptions, Hypothesis, build_nbest
from evaluation.ctc.posteriors import cut_sequences
from utils.errors import InputError
from utils.workers import available_cores

FIRST_LABEL = 0x10000  # from here on, a million code points without a surrogate, which C++ could not be given
IMPOSSIBLE = 1e38  # ctcdecode's -log 0 is the largest float32; any path that can be has less


@dataclass(frozen=True)
class CtcdecodeDecoder(BeamOptions):
    """Prefix beam search by github.com/parlance/ctcdecode without a language model.

    Takes and gives what `evaluation.decode.BeamDecoder` does; scores are those of single precision.

    Raises:
        InputError: the package can't be imported.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        # Imported here already, so that a missing package is reported at the start and not after an epoch.
        _import_search()

    def __call__(self, posteriors: Any, lengths: Any) -> list[list[Hypothesis]]:
        """As `BeamDecoder.__call__`, with the same errors."""
        sequences = cut_sequences(posteriors, lengths, self.blank)
        if not sequences:
            return []
        search = _import_search()(
            [chr(FIRST_LABEL + number) for number in range(sequences[0].shape[1])],  # names of no meaning
            beam_width=self.beam_width,
            blank_id=self.blank,
            cutoff_top_n=self.cutoff_top_n,
            cutoff_prob=1.0,  # classes are left out by their rank alone, as in the built-in search
            num_processes=min(len(sequences), available_cores()),
        )
        sizes = torch.tensor([len(sequence) for sequence in sequences], dtype=torch.int32)  # (B)
        batch = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(rows) for rows in sequences], batch_first=True)
        tokens, scores, frames, counts = (result.numpy() for result in search.decode(batch, sizes))
        # tokens (B, K, T'), scores (B, K), frames (B, K, T'), counts (B, K)
        return [build_nbest(_read_hypotheses(*results)) for results in zip(tokens, scores, frames, counts, strict=True)]


def _read_hypotheses(
    tokens: np.ndarray, scores: np.ndarray, frames: np.ndarray, counts: np.ndarray
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], float]]:
    """Tokens, frames and score of the hypotheses among the K places of a sequence, of which some may be unused.

    What lies beyond `counts` is not initialised, nor is the score of an unused place; but its count is 0. A beam with
    unused places has never dropped a prefix, the empty one included, and used places come first: so the first of the
    empty ones is a hypothesis and the others are unused.
    """
    empty = np.flatnonzero(counts == 0)
    for k in range(len(counts)):
        if k not in empty[1:] and scores[k] < IMPOSSIBLE:
            used = slice(counts[k])
            yield tuple(tokens[k, used].tolist()), tuple(frames[k, used].tolist()), float(scores[k]) + 0.0  # no -0.0


def _import_search() -> Any:
    """ctcdecode's decoder class; the package is no requirement of this project, since it has to be compiled."""
    try:
        return import_module("ctcdecode").CTCBeamDecoder
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"decode_backend: ctcdecode needs the package ctcdecode, which can't be used here ({error}); set "
            "decode_backend: builtin, which needs nothing and gives the same results"
        ) from error
