"""What evaluating a split gives: what was recognised, and how it scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from config.schema import Rules
from evaluation.ctm import CtmEntry, Reference
from evaluation.wer_result import WerResult


@dataclass(frozen=True)
class Scoring:
    """One way to score the sequence head.

    Attributes:
        rules: the normalisation of the hypotheses, a key of `evaluation.normalise.RULE_SETS`.
        merge_repeats: whether equal neighbours were merged before that.
        result: the counts.
    """

    rules: Rules
    merge_repeats: bool
    result: WerResult


@dataclass(frozen=True)
class EvaluationResult:
    """What came out for a split.

    Attributes:
        split: the name of the split.
        references: the glosses signed in each clip.
        entries: the glosses recognised in each clip, as in the CTM file; by head, "sequence" (the result) and "conv".
        hypotheses: the normalised glosses that were scored, by head and id.
        results: the counts, by head.
        scorings: ways to score the sequence head; first the configured one, then with and without merging under every
            rule set.
        files: the CTM file, by head.
        training_glosses: the glosses of the training split, as labelled and as normalised.
    """

    split: str
    references: tuple[Reference, ...]
    entries: Mapping[str, tuple[CtmEntry, ...]]
    hypotheses: Mapping[str, Mapping[str, tuple[str, ...]]]
    results: Mapping[str, WerResult]
    scorings: tuple[Scoring, ...]
    files: Mapping[str, Path]
    training_glosses: frozenset[str]

    @property
    def wer(self) -> float:
        """WER of the sequence head, in percent."""
        return self.results["sequence"].wer
