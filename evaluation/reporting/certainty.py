"""How sure a word error rate is, and a difference of two, as values and in words."""

from __future__ import annotations

from collections.abc import Mapping

from evaluation.reporting.page import format_interval
from evaluation.reporting.statistics import PairedDifference, compare_paired_errors, compute_bootstrap_interval
from evaluation.wer_result import RESULT_COLUMNS, WerResult, format_result_cells
from utils.table import format_table
from utils.text import plural


def compute_wer_interval(result: WerResult) -> list[float] | None:
    """The 95 % interval of the WER over the choice of sentences, [low, high] in percent; None if they give none."""
    errors = [sentence.errors for sentence in result.sentences]
    ends = compute_bootstrap_interval(errors, [sentence.reference_length for sentence in result.sentences])
    return list(ends) if ends else None


def format_comparison(split: str, results: Mapping[str, WerResult]) -> str:
    """A table of a split with the interval of each WER, and of two results the paired test.

    Args:
        split: the name of the split.
        results: the counts of one or two ways of reading the same sentences, by what the table calls them; the
            difference is that of the second from the first, which it calls A and B.
    """
    rows = [
        [name, *format_result_cells(result), format_interval(compute_wer_interval(result), "{:.1f}", " %")]
        for name, result in results.items()
    ]
    table = format_table([split, *RESULT_COLUMNS, "95 % interval"], rows)
    if len(results) < 2:
        return table
    first, second = (result.sentences for result in results.values())
    difference = compare_paired_errors(
        [sentence.errors for sentence in first],
        [sentence.errors for sentence in second],
        [sentence.reference_length for sentence in first],
    )
    return f"{table}\n{format_difference(difference)}"


def format_difference(difference: PairedDifference) -> str:
    """B against A in a line."""
    ends = "not known (all sentences have the same difference, or too few sentences have glosses)"
    if difference.interval:
        ends = format_interval(difference.interval, "{:+.2f}", "")
    return (
        f"B - A: {difference.points:+.2f} points of WER, 95 % interval {ends}, {format_p(difference.p)}; "
        f"fewer errors in {plural(difference.better, 'sentence')}, more in {difference.worse}, as many in "
        f"{difference.equal}"
    )


def format_p(p: float) -> str:
    """The p of a test, to two digits."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
