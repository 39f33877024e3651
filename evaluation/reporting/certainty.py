"""How sure a word error rate is, and a difference of two, as values and in words."""

from __future__ import annotations

from evaluation.reporting.page import format_interval
from evaluation.reporting.statistics import PairedDifference, compute_bootstrap_interval
from evaluation.wer_result import WerResult
from utils.text import plural


def compute_wer_interval(result: WerResult) -> list[float] | None:
    """The 95 % interval of the WER over the choice of sentences, [low, high] in percent; None if they give none."""
    errors = [sentence.errors for sentence in result.sentences]
    ends = compute_bootstrap_interval(errors, [sentence.reference_length for sentence in result.sentences])
    return list(ends) if ends else None


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
