"""How sure a word error rate is: intervals over the choice of sentences, and a paired test of two runs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from utils.errors import InputError

CONFIDENCE = 0.95
RESAMPLES = 10_000
"""Draws of a bootstrap or permutation test: enough that the printed digits of an interval hardly depend on the seed."""
BATCH = 500
"""Resamples held in memory at once: 10 MB for a thousand sentences."""


@dataclass(frozen=True)
class PairedDifference:
    """Run B against run A on the same sentences.

    Attributes:
        points: WER of B minus WER of A, in percentage points; below zero B is better.
        interval: the 95 % interval of these points, (low, high), or None where the sentences give none.
        p: the two-sided p of the permutation test.
        better: the number of sentences in which B makes fewer errors than A.
        worse: the number of sentences in which it makes more.
        equal: the number of sentences in which it makes as many.
    """

    points: float
    interval: tuple[float, float] | None
    p: float
    better: int
    worse: int
    equal: int


def compute_bootstrap_interval(
    errors: Sequence[int] | np.ndarray,
    lengths: Sequence[int] | np.ndarray,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> tuple[float, float] | None:
    """The percentile bootstrap interval of sum(errors) / sum(lengths) over the choice of sentences, in percent.

    Bisani and Ney, Bootstrap estimates for confidence intervals in ASR performance evaluation (ICASSP 2004).

    Args:
        errors: (N,) errors of each sentence; may be below zero where they are a difference of two runs.
        lengths: (N,) reference glosses of each sentence.
        confidence: the share of the resamples that lie within the interval.
        resamples: the number of times that N sentences are drawn from the N, with replacement.
        seed: the seed of the draws, always the same unless told otherwise: equal runs give equal reports.

    Returns:
        (low, high); None where resampling says nothing: all sentences have the same rate (one sentence, no error at
        all, everything missed), or there are so few with a gloss that a draw can be without any.

    Raises:
        InputError: no sentence, no gloss, or not as many errors as lengths.
    """
    counts, glosses = _check_counts(errors, lengths)
    # If all rates are equal (compared as fractions, in whole numbers), every draw gives the same: an interval without
    # width, which looks like certainty.
    if np.array_equal(counts * glosses.sum(), glosses * counts.sum()):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # draws without a gloss: answered by None
        result = stats.bootstrap(
            (counts, glosses),
            _compute_percentages,
            paired=True,
            vectorized=True,
            n_resamples=resamples,
            batch=BATCH,
            confidence_level=confidence,
            method="percentile",  # the paper's; scipy's default is BCa
            rng=np.random.default_rng(seed),
        )
    low, high = (float(end) for end in result.confidence_interval)
    return (low, high) if np.isfinite([low, high]).all() else None


def _compute_percentages(errors: np.ndarray, lengths: np.ndarray, axis: int = -1) -> np.ndarray:
    """(..., N) counts to (...) percent, not a number where there is no gloss."""
    total = lengths.sum(axis=axis)
    return 100.0 * errors.sum(axis=axis) / np.where(total, total, np.nan)


def compare_paired_errors(
    errors_a: Sequence[int],
    errors_b: Sequence[int],
    lengths: Sequence[int],
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PairedDifference:
    """Whether run B differs from run A, given the errors of both in the same sentences.

    The interval is that of `compute_bootstrap_interval`, a draw taking a sentence with both runs' errors. The test is
    the matched-pairs permutation test: if the runs were alike, each sentence's difference could as well have the other
    sign. p is exact where all signs can be tried (13 differing sentences at 10,000 resamples).

    Args:
        errors_a: (N,) errors of A in each sentence.
        errors_b: (N,) errors of B.
        lengths: (N,) reference glosses.
        confidence: the confidence of the interval.
        resamples: the number of draws for the interval and, at most, for the test.
        seed: the seed of both.

    Raises:
        InputError: no sentence, no gloss, or not as many errors as lengths.
    """
    before, glosses = _check_counts(errors_a, lengths)
    after, _ = _check_counts(errors_b, lengths)
    differences = after - before  # (N,)
    return PairedDifference(
        points=100.0 * float(differences.sum()) / float(glosses.sum()),
        interval=compute_bootstrap_interval(differences, glosses, confidence, resamples, seed),
        p=_compute_sign_flip_p(differences[differences != 0], resamples, seed),
        better=int((differences < 0).sum()),
        worse=int((differences > 0).sum()),
        equal=int((differences == 0).sum()),
    )


def _compute_sign_flip_p(differences: np.ndarray, resamples: int, seed: int) -> float:
    """Two-sided p of a sum of differences, none of them zero, under changes of sign."""
    if len(differences) < 2:  # one sentence: either sign is as far from zero
        return 1.0
    result = stats.permutation_test(
        (differences,),
        np.sum,
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        batch=BATCH,
        alternative="two-sided",
        rng=np.random.default_rng(seed),
    )
    return float(result.pvalue)


def _check_counts(
    errors: Sequence[int] | np.ndarray, lengths: Sequence[int] | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """(N,) errors and (N,) lengths as numbers that belong together."""
    counts, glosses = np.asarray(errors, dtype=np.int64), np.asarray(lengths, dtype=np.int64)
    if counts.ndim != 1 or counts.shape != glosses.shape:
        raise InputError(f"errors of {counts.size} sentences, lengths of {glosses.size}")
    if not glosses.sum():
        raise InputError(f"no reference gloss in {len(glosses)} sentences: there is no rate")
    return counts, glosses
