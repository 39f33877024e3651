"""What a tuning says: the options that it chose, and a split without and with them."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation.reporting.certainty import format_comparison
from evaluation.tuning.option_search import SearchOptions
from evaluation.wer_result import WerResult, format_result_cells

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
    return format_comparison(name, dict(zip(("A  without", "B  tuned"), results, strict=False)))
