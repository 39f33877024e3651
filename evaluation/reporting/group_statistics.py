"""How sure the difference between two groups of runs is, over the choice of sentences and of seeds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import comb
from statistics import mean

import numpy as np
from scipy import stats

from evaluation.reporting.statistics import BATCH, CONFIDENCE, RESAMPLES

FEW_RUNS = 5
"""With fewer runs in a group, drawing them again shows too little of what other seeds would give (Sellam et al.)."""


@dataclass(frozen=True)
class GroupDifference:
    """Group B against group A on a split.

    Attributes:
        split: the name of the split.
        rates_a, rates_b: the WER of each run, in percent.
        interval: the 95 % interval of `points`, (low, high); None where the sentences give none.
        p: the two-sided p of the permutation test over runs.
        settings: ways in which runs were scored differently, a line each.
    """

    split: str
    rates_a: tuple[float, ...]
    rates_b: tuple[float, ...]
    interval: tuple[float, float] | None
    p: float
    settings: tuple[str, ...]

    @property
    def points(self) -> float:
        """The mean WER of B minus that of A, in percentage points; below zero B is better."""
        return mean(self.rates_b) - mean(self.rates_a)

    @property
    def smallest_p(self) -> float:
        """The p of a difference that no other division of these runs into two groups would exceed."""
        return min(1.0, 2 / comb(len(self.rates_a) + len(self.rates_b), len(self.rates_a)))

    @property
    def few_runs(self) -> bool:
        """Whether a group has so few runs that the interval is too narrow."""
        return min(len(self.rates_a), len(self.rates_b)) < FEW_RUNS


def compute_multi_bootstrap(
    errors_a: np.ndarray, errors_b: np.ndarray, lengths: np.ndarray, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float] | None:
    """The 95 % interval of the difference of mean WER, over the choice of sentences and of seeds.

    The Multi-Bootstrap of Sellam et al., The MultiBERTs: BERT Reproductions for Robustness Analysis (ICLR 2022), for
    runs that are not paired: each draw takes sentences with replacement, the same for all runs, and runs with
    replacement within each group.

    Args:
        errors_a: (N_A, S) errors of each run of group A in each sentence.
        errors_b: (N_B, S), of group B.
        lengths: (S,) reference glosses.
        resamples: the number of draws.
        seed: the seed of the draws.

    Returns:
        (low, high) in percentage points; None where every draw gives the same, or one can be without a gloss.
    """
    rng = np.random.default_rng(seed)
    sentences = len(lengths)
    drawn = []
    for _ in range(0, resamples, BATCH):
        times = rng.multinomial(sentences, np.full(sentences, 1 / sentences), BATCH)  # (BATCH, S): how often each
        glosses = (times @ lengths)[:, None]
        if not glosses.all():
            return None
        means = []
        for errors in (errors_a, errors_b):
            rates = 100.0 * (times @ errors.T) / glosses  # (BATCH, N)
            chosen = rng.integers(len(errors), size=rates.shape)
            means.append(np.take_along_axis(rates, chosen, 1).mean(1))
        drawn.append(means[1] - means[0])
    differences = np.concatenate(drawn)
    if np.ptp(differences) == 0:
        return None
    low, high = np.quantile(differences, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]).tolist()
    return low, high


def compute_permutation_p(errors_a: Iterable[int], errors_b: Iterable[int], seed: int = 0) -> float:
    """The two-sided p of the difference of two groups' mean errors, under every other division of the runs into them.

    Exact where all divisions can be tried. It takes the sentences as given: it is about the seeds.
    """
    result = stats.permutation_test(
        (np.array(list(errors_a), float), np.array(list(errors_b), float)),
        lambda x, y, axis: x.mean(axis) - y.mean(axis),
        vectorized=True,
        n_resamples=RESAMPLES,
        alternative="two-sided",
        rng=np.random.default_rng(seed),
    )
    return float(result.pvalue)
