"""What a tuning says: the options that it chose, and a split without and with them."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation.reporting.certainty import compute_wer_interval, format_difference
from evaluation.reporting.page import format_interval
from evaluation.reporting.statistics import compare_paired_errors
from evaluation.tuning.option_search import SearchOptions
from evaluation.wer_result import RESULT_COLUMNS, WerResult, format_result_cells
from utils.table import format_table

OPTIMISTIC = "dev after tuning is optimistic: the options were chosen on these very sentences"


def format_options(options: SearchOptions) -> str:
    """The options as on a command line."""
    return " ".join(f"{name}={value:g}" for name, value in options._asdict().items())


def format_counts(result: WerResult) -> str:
    """WER and counts in a few words."""
    wer, s, d, i, total = format_result_cells(result)
    return f"WER {wer} (S {s}, D {d}, I {i} of {total})"


def format_split(name: str, results: Sequence[WerResult]) -> str:
    """A table of a split without the options and with them, with intervals, and the paired test.

    Args:
        name: the name of the split.
        results: the counts without, and if there is a difference in the options, with them.
    """
    rows = [
        [label, *format_result_cells(result), format_interval(compute_wer_interval(result), "{:.1f}", " %")]
        for label, result in zip(("A  without", "B  tuned"), results, strict=False)
    ]
    table = format_table([name, *RESULT_COLUMNS, "95 % interval"], rows)
    if len(results) < 2:
        return table
    before, after = results
    difference = compare_paired_errors(
        [sentence.errors for sentence in before.sentences],
        [sentence.errors for sentence in after.sentences],
        [sentence.reference_length for sentence in before.sentences],
    )
    return f"{table}\n{format_difference(difference)}"
