"""Evaluations of a few sentences, made by hand."""

from __future__ import annotations

from pathlib import Path

from evaluation.ctm import CtmEntry, CtmWord, Reference
from evaluation.evaluation_result import EvaluationResult, Scoring
from evaluation.wer import score_hypotheses

CONFIG = {
    "dataset": "phoenix2014",
    "evaluate_tool": "python",
    "normalise": "phoenix2014",
    "ignore_weights": [],
    "optimizer_args": {"optimizer": "Adam", "step": [40, 60]},
}
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
