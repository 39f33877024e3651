"""What a person reads after an evaluation: a line, a table, and the run folder's report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.reporting.content import NAME, interval, report
from evaluation.reporting.history import EpochRecord
from evaluation.reporting.page import span
from evaluation.reporting.report_html import as_html
from evaluation.wer import CELLS, cells
from utils.files import write_json, write_text
from utils.table import format_table

if TYPE_CHECKING:
    from evaluation.evaluate import Evaluation


def write_report(
    folder: Path,
    evaluations: Sequence[Evaluation],
    config: Mapping[str, Any],
    history: Sequence[EpochRecord] = (),
    weights: str | None = None,
) -> Path:
    """Write `report.json` and `report.html` into a run folder.

    Args:
        folder: of the run; it names the run in the report.
        evaluations: of its splits.
        config: of the run, plain nested containers.
        history: the learning curve, if there was a training.
        weights: what was evaluated.

    Returns:
        the page.

    Raises:
        ReportError: references, hypotheses and counts of a split do not belong together.
    """
    content = report(folder.resolve().name, datetime.now().astimezone(), evaluations, config, history, weights)
    page = folder / "report.html"
    write_json(folder / NAME, content)
    write_text(page, as_html(content))
    return page


def describe(evaluation: Evaluation) -> str:
    """One line: WER and counts of the result, and the WER of the convolutional head."""
    wer, s, d, i, total = cells(evaluation.results["sequence"])
    head = f"conv head {evaluation.results['conv'].wer:.2f} %"
    return f"{evaluation.split} WER {wer} (S {s}, D {d}, I {i} of {total})  {head}"


def summary(evaluations: Sequence[Evaluation]) -> str:
    """A table of splits, of other ways to score each where they count otherwise, and of its signers; then the files."""
    rows = []
    for evaluation in evaluations:
        result = evaluation.results["sequence"]
        rows.append([evaluation.split, *cells(result), span(interval(result), "{:.1f}", " %")])
        rows += [
            [f"  {scoring.rules}, repeats {'merged' if scoring.merge_repeats else 'kept'}", *cells(scoring.result), ""]
            for scoring in evaluation.scorings[1:]
            if cells(scoring.result) != cells(result)
        ]
        signers = result.per_signer()
        if len(signers) > 1:
            rows += [[f"  {name}", *cells(of), ""] for name, of in signers.items() if of.reference_length]
    lines = [format_table(["split", *CELLS, "95 % interval"], rows), ""]
    lines += [f"{evaluation.split} hypotheses: {evaluation.files['sequence']}" for evaluation in evaluations]
    return "\n".join(lines)
