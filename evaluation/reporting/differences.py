"""Two runs on the same sentences: which is better, by how much, and where they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from evaluation.reporting.group_statistics import GroupDifference, compute_multi_bootstrap, compute_permutation_p
from evaluation.reporting.read_report import Report, Sentence, Split
from evaluation.reporting.statistics import PairedDifference, compare_paired_errors
from evaluation.wer_result import WerResult
from utils.errors import InputError


@dataclass(frozen=True)
class GlossChange:
    """A reference gloss, how often it was signed, and how often each run missed it or read another one."""

    gloss: str
    signed: int
    errors_a: int
    errors_b: int

    @property
    def gain(self) -> int:
        """Errors of A that B does not make; below zero B makes more."""
        return self.errors_a - self.errors_b


@dataclass(frozen=True)
class SentencePair:
    """The same sentence in both runs."""

    a: Sentence
    b: Sentence

    @property
    def difference(self) -> int:
        """Errors that B makes beyond those of A; below zero B is better."""
        return self.b.errors - self.a.errors


@dataclass(frozen=True)
class SplitComparison:
    """A split in both runs.

    Attributes:
        name: the name of the split.
        a: the counts of run A, in the order of its sentences.
        b: the counts of run B, in the same order, signers named as in A.
        difference: B against A, with its interval and test.
        settings: ways in which the runs were scored differently, a line each; empty if they are comparable.
        glosses: reference glosses on which the runs differ, those that gained most first.
        sentences: all, those that differ most first.
    """

    name: str
    a: WerResult
    b: WerResult
    difference: PairedDifference
    settings: tuple[str, ...]
    glosses: tuple[GlossChange, ...]
    sentences: tuple[SentencePair, ...]

    def split_by_signer(self) -> list[tuple[str, WerResult, WerResult]]:
        """(name, counts of A, counts of B) of each signer, sorted by name."""
        of_b = self.b.split_by_signer()
        return [(name, of_a, of_b[name]) for name, of_a in self.a.split_by_signer().items()]


def compare_reports(a: Report, b: Report, split: str | None = None) -> tuple[SplitComparison, ...]:
    """Compare two runs on the splits that both have, or on one.

    Args:
        a: the report of run A.
        b: the report of run B.
        split: the name of the only split to compare on.

    Raises:
        InputError: there is no such split, or its references are not the same; the message names the first.
    """
    if split is not None:
        for name, report in (("A", a), ("B", b)):
            if split not in report.splits:
                raise InputError(f"{name} has no split {split!r}, it has: {', '.join(report.splits) or 'none'}")
    common = [name for name in a.splits if name in b.splits and split in (None, name)]
    if not common:
        has = [", ".join(report.splits) or "none" for report in (a, b)]
        raise InputError(f"there is no split that both have: A has {has[0]}, B has {has[1]}")
    return tuple(compare_split(name, a.splits[name], b.splits[name]) for name in common)


def compare_split(name: str, a: Split, b: Split) -> SplitComparison:
    """Compare two runs on a split. Raises InputError as `compare_reports` does."""
    pairs = _pair_sentences(name, a, b)
    counts_a = [pair.a.counts for pair in pairs]
    # The references are the same, but a corpus that was prepared again may name its signers otherwise.
    counts_b = [replace(pair.b.counts, signer=pair.a.signer) for pair in pairs]
    return SplitComparison(
        name=name,
        a=WerResult(tuple(counts_a)),
        b=WerResult(tuple(counts_b)),
        difference=compare_paired_errors(
            [counts.errors for counts in counts_a],
            [counts.errors for counts in counts_b],
            [counts.reference_length for counts in counts_a],
        ),
        settings=tuple(_list_differing_settings(a, b)),
        glosses=tuple(_list_gloss_changes(pairs)),
        sentences=tuple(sorted(pairs, key=lambda pair: -abs(pair.difference))),
    )


def _list_differing_settings(a: Split, b: Split) -> Iterator[str]:
    """A line for each way in which the runs were scored differently."""
    # Not the scorer: building a report checks that both scorers count the same.
    merged = {True: "yes", False: "no"}
    for what, of_a, of_b in (
        ("normalisation", a.normalise, b.normalise),
        ("equal neighbours merged", merged[a.merge_repeats], merged[b.merge_repeats]),
    ):
        if of_a != of_b:
            yield f"{what}: A {of_a}, B {of_b}"


def _pair_sentences(name: str, a: Split, b: Split) -> list[SentencePair]:
    """The sentences of A with those of B; an error unless the same was signed in the same sentences."""
    of_b = {sentence.id: sentence for sentence in b.sentences}
    in_a = {sentence.id for sentence in a.sentences}
    for run, missing in (
        ("A", [sentence.id for sentence in a.sentences if sentence.id not in of_b]),
        ("B", [sentence.id for sentence in b.sentences if sentence.id not in in_a]),
    ):
        if missing:
            raise InputError(
                f"{name}: the runs were not evaluated on the same sentences: {len(missing)} are in {run} only "
                f"(first: {missing[0]})"
            )
    pairs = [SentencePair(sentence, of_b[sentence.id]) for sentence in a.sentences]
    for pair in pairs:
        if pair.a.reference != pair.b.reference:
            glosses = [" ".join(of.reference) for of in (pair.a, pair.b)]
            raise InputError(
                f"{name}: the reference of {pair.a.id} is not the same: {glosses[0]!r} in A, {glosses[1]!r} in B"
            )
    return pairs


def _list_gloss_changes(pairs: Sequence[SentencePair]) -> list[GlossChange]:
    """The reference glosses on which the runs differ, those that gained most first."""
    signed = Counter(gloss for pair in pairs for gloss in pair.a.reference)
    errors_a = _count_errors([pair.a for pair in pairs])
    errors_b = _count_errors([pair.b for pair in pairs])
    changes = [GlossChange(gloss, signed[gloss], errors_a[gloss], errors_b[gloss]) for gloss in signed]
    return sorted((change for change in changes if change.gain), key=lambda change: (-change.gain, change.gloss))


def _count_errors(sentences: Sequence[Sentence]) -> Counter[str]:
    """How often each reference gloss was missed or read as another one."""
    errors: Counter[str] = Counter()
    for sentence in sentences:
        for op, gloss, _ in sentence.alignment:
            if op != "C" and gloss is not None:  # an insertion belongs to no reference gloss
                errors[gloss] += 1
    return errors


def compare_groups(
    a: Mapping[str, Report], b: Mapping[str, Report], split: str | None = None
) -> list[GroupDifference]:  # fmt: skip
    """Compare two groups of runs, by their places, on the splits that all have, or on one.

    Raises:
        InputError: there is no such split, or references are not the same.
    """
    runs = [*a.items(), *b.items()]
    first = runs[0][1]
    common = [name for name in first.splits if all(name in run.splits for _, run in runs) and split in (None, name)]
    if not common:
        has = "; ".join(f"{place} has {', '.join(run.splits) or 'none'}" for place, run in runs)
        raise InputError(f"there is no split {split + ' ' if split else ''}that all runs have: {has}")
    return [_compare_groups_on(name, a, b) for name in common]


def _compare_groups_on(name: str, a: Mapping[str, Report], b: Mapping[str, Report]) -> GroupDifference:
    first_place, first = next(iter(a.items()))
    errors: dict[str, list[list[int]]] = {"A": [], "B": []}
    settings: dict[str, None] = {}
    lengths = [sentence.counts.reference_length for sentence in first.splits[name].sentences]
    for letter, group in (("A", a), ("B", b)):
        for place, run in group.items():
            try:
                pairs = _pair_sentences(name, first.splits[name], run.splits[name])
            except InputError as error:
                raise InputError(f"A is {first_place} and B is {place}: {error}") from None
            errors[letter].append([pair.b.errors for pair in pairs])
            of_run = _list_differing_settings(first.splits[name], run.splits[name])
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
