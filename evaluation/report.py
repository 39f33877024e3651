"""What a person reads after an evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation.evaluate import Evaluation
from evaluation.wer import CELLS, cells
from utils.table import table


def describe(evaluation: Evaluation) -> str:
    """One line: WER and counts of the result, and the WER of the convolutional head."""
    wer, s, d, i, total = cells(evaluation.results["sequence"])
    head = f"conv head {evaluation.results['conv'].wer:.2f} %"
    return f"{evaluation.split} WER {wer} (S {s}, D {d}, I {i} of {total})  {head}"


def summary(evaluations: Sequence[Evaluation]) -> str:
    """A table of splits, and of the signers of each, then where the hypotheses lie."""
    rows = []
    for evaluation in evaluations:
        result = evaluation.results["sequence"]
        rows.append([evaluation.split, *cells(result)])
        signers = result.per_signer()
        if len(signers) > 1:
            rows += [[f"  {name}", *cells(of)] for name, of in signers.items() if of.reference_length]
    lines = [table(["split", *CELLS], rows), ""]
    lines += [f"{evaluation.split} hypotheses: {evaluation.files['sequence']}" for evaluation in evaluations]
    return "\n".join(lines)
