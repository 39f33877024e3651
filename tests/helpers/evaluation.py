"""Evaluations of a few sentences, made by hand."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from evaluation.ctm import CtmEntry, CtmWord, Reference
from evaluation.evaluation_result import EvaluationResult, Scoring
from evaluation.reporting.history import EpochRecord
from evaluation.reporting.report_json import build_report
from evaluation.wer import score_hypotheses

CONFIG = {
    "dataset": "phoenix2014",
    "evaluate_tool": "python",
    "normalise": "phoenix2014",
    "ignore_weights": [],
    "optimizer_args": {"optimizer": "Adam", "step": [40, 60]},
}
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone.utc)
HISTORY = (EpochRecord(1, 30.5, 1e-4, 60.0), EpochRecord(2, 12.25, 1e-4, 61.0, 40.0, 45.0))
SENTENCES = (  # id, signer, signed, read
    ("one", "Ann", "A B C", "A X C"),  # S
    ("two", "Bob", "A B", "A"),  # D
    ("three", "Ann", "B C D", "B C Y D"),  # I
    ("four", "Bob", "D", "D"),
    ("five", "Ann", "B E E B", "X E E"),  # S, D
)
"""WER 5 of 13: S 2, D 2, I 1."""


def words(glosses: tuple[str, ...], confidence: float | None = 0.5) -> tuple[CtmWord, ...]:
    return tuple(CtmWord(gloss, 0.4 * place, 0.2, confidence) for place, gloss in enumerate(glosses))


def evaluation(
    sentences=SENTENCES, split="dev", spelt=None, known="ABCDXY", rules="phoenix2014", merged=True, others=()
) -> EvaluationResult:
    """`spelt` are the glosses before normalisation, by id, where they differ from those scored."""
    references = tuple(Reference(name, signer, tuple(signed.split())) for name, signer, signed, _ in sentences)
    read = {name: tuple(read.split()) for name, _, _, read in sentences}
    entries = tuple(CtmEntry(name, words((spelt or {}).get(name, glosses))) for name, glosses in read.items())
    result = score_hypotheses(references, read)
    return EvaluationResult(
        split=split,
        references=references,
        entries={"sequence": entries, "conv": entries},
        hypotheses={"sequence": read, "conv": read},
        results={"sequence": result, "conv": result},
        scorings=(Scoring(rules, merged, result), *others),
        files={"sequence": Path(f"run/output-hypothesis-{split}.ctm")},
        training_glosses=frozenset(known),
    )


def make_report(*results, **changes) -> dict[str, Any]:
    """The report of these results, or of one by hand; `changes` to its configuration, history and weights."""
    values = {"config": CONFIG, "history": HISTORY, "weights": "run/best.pt"} | changes
    return build_report("run", NOW, results or [evaluation()], **values)
