"""Two groups of runs, which differ in their seeds within a group: which group is better, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from pathlib import Path
from statistics import mean, stdev

import numpy as np
from scipy import stats

from evaluation.reporting.differences import list_differing_settings, pair_sentences
from evaluation.reporting.report_json import FILE_NAME, Report, read_report
from evaluation.reporting.statistics import BATCH, CONFIDENCE, RESAMPLES
from utils.errors import InputError

FEW_RUNS = 5
"""With fewer runs in a group, drawing them again shows too little of what other seeds would give (Sellam et al.)."""


@dataclass(frozen=True)
class Group:
    """Runs of one kind.

    Attributes:
        name: the name of the group.
        runs: the report of each run, by its place.
    """

    name: str
    runs: Mapping[str, Report]


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


def read_group(words: Sequence[str]) -> Group:
    """Read a group from the words of the command line: its name, then runs, or folders that hold runs.

    Raises:
        InputError: there are fewer than two runs, one is named twice, or has no report.
    """
    name, *places = words
    runs = [run for place in places for run in _list_runs(Path(place))]
    if len(runs) < 2:
        raise InputError(
            f"the group {name} has {len(runs)} of at least two runs; give --group NAME RUN RUN ..., and compare two "
            "single runs without --group"
        )
    return Group(name, {str(run): read_report(run) for run in runs})


def _list_runs(place: Path) -> list[Path]:
    """The run at a place, or all runs in the folder, as `engine.seeds` writes them."""
    inside = sorted(path.parent for path in place.glob(f"*/{FILE_NAME}"))
    return inside if inside and not (place / FILE_NAME).is_file() else [place]


def compare_groups(a: Group, b: Group, split: str | None = None) -> list[GroupDifference]:
    """Compare two groups on the splits that all runs have, or on one.

    Raises:
        InputError: a run is in both groups or twice in one, there is no such split, or references are not the same.
    """
    runs = [*a.runs.items(), *b.runs.items()]
    seen: set[Path] = set()
    for place, _ in runs:
        resolved = Path(place).resolve()
        if resolved in seen:
            raise InputError(f"{place} is named twice: a run belongs to one group, once")
        seen.add(resolved)
    first = runs[0][1]
    common = [name for name in first.splits if all(name in run.splits for _, run in runs) and split in (None, name)]
    if not common:
        has = "; ".join(f"{place} has {', '.join(run.splits) or 'none'}" for place, run in runs)
        raise InputError(f"there is no split {split + ' ' if split else ''}that all runs have: {has}")
    return [_compare_split(name, a, b) for name in common]


def _compare_split(name: str, a: Group, b: Group) -> GroupDifference:
    first_place, first = next(iter(a.runs.items()))
    errors: dict[str, list[list[int]]] = {"A": [], "B": []}
    settings: dict[str, None] = {}
    lengths = [sentence.counts.reference_length for sentence in first.splits[name].sentences]
    for letter, group in (("A", a), ("B", b)):
        for place, run in group.runs.items():
            try:
                pairs = pair_sentences(name, first.splits[name], run.splits[name])
            except InputError as error:
                raise InputError(f"A is {first_place} and B is {place}: {error}") from None
            errors[letter].append([pair.b.errors for pair in pairs])
            of_run = list_differing_settings(first.splits[name], run.splits[name])
            settings |= dict.fromkeys(f"{line} (A: {first_place}, B: {place})" for line in of_run)
    of_a, of_b, glosses = np.array(errors["A"]), np.array(errors["B"]), np.array(lengths)
    if not glosses.sum():
        raise InputError(f"{name}: no reference gloss in {len(glosses)} sentences: there is no rate")
    return GroupDifference(
        name, _to_percent(of_a, glosses), _to_percent(of_b, glosses),
        compute_multi_bootstrap(of_a, of_b, glosses), compute_permutation_p(of_a.sum(1), of_b.sum(1)), tuple(settings),
    )  # fmt: skip


def _to_percent(errors: np.ndarray, lengths: np.ndarray) -> tuple[float, ...]:
    return tuple((100.0 * errors.sum(1) / lengths.sum()).tolist())


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


def describe_spread(rates: Sequence[float]) -> tuple[str, str]:
    """Mean and standard deviation (of a sample) of the runs' WER."""
    return f"{mean(rates):.2f}", f"{stdev(rates):.2f}"
