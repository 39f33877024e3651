"""What a person reads after an evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation.evaluate import Evaluation
from evaluation.wer import WerResult
from utils.table import table


def counts(result: WerResult) -> list[str]:
    """WER, S, D, I and the number of reference glosses, as text."""
    numbers = (result.substitutions, result.deletions, result.insertions, result.reference_length)
    return [f"{result.wer:.2f} %", *map(str, numbers)]


def describe(evaluation: Evaluation) -> str:
    """One line: WER and counts of the result, and the WER of the convolutional head."""
    wer, s, d, i, total = counts(evaluation.results["sequence"])
    head = f"conv head {evaluation.results['conv'].wer:.2f} %"
    return f"{evaluation.split} WER {wer} (S {s}, D {d}, I {i} of {total})  {head}"


def summary(evaluations: Sequence[Evaluation]) -> str:
    """A table of splits, and of the signers of each, then where the hypotheses lie."""
    rows = []
    for evaluation in evaluations:
        result = evaluation.results["sequence"]
        rows.append([evaluation.split, *counts(result)])
        signers = result.per_signer()
        if len(signers) > 1:
            rows += [[f"  {name}", *counts(of)] for name, of in signers.items() if of.reference_length]
    lines = [table(["split", "WER", "S", "D", "I", "glosses"], rows), ""]
    lines += [f"{evaluation.split} hypotheses: {evaluation.files['sequence']}" for evaluation in evaluations]
    return "\n".join(lines)
