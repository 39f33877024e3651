"""What a person reads after an evaluation: a line, a table, and the run folder's report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from evaluation.evaluation_result import EvaluationResult
from evaluation.reporting.certainty import compute_wer_interval
from evaluation.reporting.history import EpochRecord
from evaluation.reporting.page import format_interval
from evaluation.reporting.read_report import FILE_NAME
from evaluation.reporting.report_html import ABOVE_100, render_report
from evaluation.reporting.report_json import build_report
from evaluation.wer_result import RESULT_COLUMNS, format_result_cells
from utils.files import write_json, write_text
from utils.table import format_table


def write_report(
    folder: Path,
    results: Sequence[EvaluationResult],
    config: Mapping[str, Any],
    history: Sequence[EpochRecord] = (),
    weights: str | None = None,
    notes: Sequence[str] = (),
) -> Path:
    """Write `report.json` and `report.html` into a run folder.

    Args:
        folder: the run's folder, whose name is the run's name in the report.
        results: the evaluated splits.
        config: the run's configuration, plain nested containers.
        history: the learning curve, if there was a training.
        weights: the file that was evaluated.
        notes: lines about keys of the configuration that are not read as they were given.

    Returns:
        the file of the page.

    Raises:
        InputError: references, hypotheses and counts of a split do not belong together.
    """
    now = datetime.now().astimezone()
    content = build_report(folder.resolve().name, now, results, config, history, weights, notes)
    page = folder / "report.html"
    write_json(folder / FILE_NAME, content)
    write_text(page, render_report(content))
    return page


def format_result_line(result: EvaluationResult) -> str:
    """One line: WER and counts of the result, and the WER of the convolutional head."""
    wer, s, d, i, total = format_result_cells(result.results["sequence"])
    head = f"conv head {result.results['conv'].wer:.2f} %"
    return f"{result.split} WER {wer} (S {s}, D {d}, I {i} of {total})  {head}"


def format_results_table(results: Sequence[EvaluationResult]) -> str:
    """A table of splits, of other ways to score each where they count otherwise, and of its signers; then the files."""
    rows = [row for result in results for row in _list_rows(result)]
    lines = [format_table(["split", *RESULT_COLUMNS, "95 % interval"], rows), ""]
    if any(result.results["sequence"].wer > 100 for result in results):
        lines += [ABOVE_100, ""]
    lines += [f"{result.split} hypotheses: {result.files['sequence']}" for result in results]
    return "\n".join(lines)


def _list_rows(evaluated: EvaluationResult) -> list[list[str]]:
    """The rows of a split in the table."""
    result = evaluated.results["sequence"]
    interval = format_interval(compute_wer_interval(result), "{:.1f}", " %")
    rows = [[evaluated.split, *format_result_cells(result), interval]]
    for scoring in evaluated.scorings[1:]:
        cells = format_result_cells(scoring.result)
        if cells != format_result_cells(result):  # most rules change nothing on most corpora
            repeats = "merged" if scoring.merge_repeats else "kept"
            rules = "not normalised" if scoring.rules == "none" else f"by the rules {scoring.rules}"
            rows.append([f"  {rules}, repeats {repeats}", *cells, ""])
    signers = result.split_by_signer()
    if len(signers) > 1:
        rows += [[f"  {name}", *format_result_cells(of), ""] for name, of in signers.items() if of.reference_length]
    return rows
