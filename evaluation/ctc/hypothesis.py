"""What the decoders have in common: their results, and the options of a beam search."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from evaluation.ctc.confidence import compute_confidences


@dataclass(frozen=True)
class Hypothesis:
    """One decoded sequence.

    Attributes:
        tokens: class numbers without blanks.
        score: -log p (natural logarithm), p being the probability of all paths to these tokens within the beam, or of
            the one best path for the greedy decoder. With a language model, bonus or penalty it is minus the score that
            `evaluation.ctc.search_arrays.Fusion` defines. For several networks see `decode_members` in
            `evaluation/decode.py`.
        frames: the output step of each token, where it was most probable, the first on ties. In a beam search the
            tokens compete for steps independently, so the steps need not rise from token to token.
        confidences: the share of the n-best list that has the token too, in [0, 1], for each token
            (`evaluation.ctc.confidence`); None for the greedy decoder, which knows one hypothesis only and so nothing
            about its rivals.
    """

    tokens: tuple[int, ...]
    score: float
    frames: tuple[int, ...]
    confidences: tuple[float, ...] | None = None


@dataclass(frozen=True)
class BeamOptions:
    """The options of a beam search; both backends have the same.

    Attributes:
        beam_width: the number of prefixes kept after each step.
        blank: the class number of the blank.
        cutoff_top_n: the number of classes that extend a prefix at each step, the most probable ones. 40 is ctcdecode's
            default, with which published results were decoded.

    Raises:
        ValueError: a beam that keeps nothing.
    """

    beam_width: int = 10
    blank: int = 0
    cutoff_top_n: int = 40

    def __post_init__(self) -> None:
        for name in ("beam_width", "cutoff_top_n"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, expected at least 1")


def build_nbest(found: Iterable[tuple[tuple[int, ...], tuple[int, ...], float]]) -> list[Hypothesis]:
    """The hypotheses of one sequence with their confidences.

    Args:
        found: (tokens, frames, score) of each hypothesis, best first.
    """
    found = list(found)
    shares = compute_confidences([tokens for tokens, _, _ in found], [score for _, _, score in found])
    return [
        Hypothesis(tokens, score, frames, share) for (tokens, frames, score), share in zip(found, shares, strict=True)
    ]
