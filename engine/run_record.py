"""What a run's folder says about a checkpoint in it: its word error rates, and the commit that it was trained by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.reporting.read_report import Report, Split, read_report
from evaluation.reporting.statistics import compute_bootstrap_interval
from utils.errors import InputError, ParseError
from utils.plain_json import read_json

PLACES = (".", "test")
"""Where a report can lie, from the folder of a checkpoint: training writes the first, `--phase test` the second."""


@dataclass(frozen=True)
class SplitScore:
    """The word error rate of a checkpoint on a split.

    Attributes:
        split: the name of the split.
        wer: the WER in percent.
        interval: its 95 % interval over the choice of sentences, in percent; None where the sentences give none.
        sentences: the number of sentences.
        glosses: the number of glosses signed in them.
        normalise: the rules by which hypotheses and references were normalised.
    """

    split: str
    wer: float
    interval: tuple[float, float] | None
    sentences: int
    glosses: int
    normalise: str


def read_scores(checkpoint: Path, content: Mapping[str, Any]) -> list[SplitScore]:
    """The word error rates in the report beside a checkpoint; none where no report is of these very weights.

    Args:
        checkpoint: the file.
        content: what it holds.
    """
    for place in PLACES:
        try:
            report = read_report(checkpoint.parent / place)
        except InputError:  # none is there, or none that can be trusted
            continue
        if is_about(report, checkpoint, content):
            scores = [score_split(name, split) for name, split in report.splits.items()]
            return [score for score in scores if score is not None]
    return []


def is_about(report: Report, checkpoint: Path, content: Mapping[str, Any]) -> bool:
    """Whether a report in the folder of a checkpoint is about the weights that it holds today, and on its corpus.

    A training that was resumed and has not ended yet leaves the older report beside a newer best.pt: the best epoch of
    the report's learning curve is another one then.
    """
    named = report.weights is not None and Path(report.weights).name == checkpoint.name
    trained_on = content.get("config", {}).get("dataset")
    evaluated = [entry for entry in report.history if isinstance(entry.get("wer"), (int, float))]
    best = content.get("train_state", {}).get("best_epoch")
    same_epoch = not best or not evaluated or min(evaluated, key=lambda entry: entry["wer"]).get("epoch") == best
    return named and same_epoch and trained_on in {None, report.config.get("dataset")}


def score_split(name: str, split: Split) -> SplitScore | None:
    """The word error rate of a split of a report; None for one without a gloss."""
    errors = [sentence.errors for sentence in split.sentences]
    lengths = [len(sentence.reference) for sentence in split.sentences]
    if not sum(lengths):
        return None
    wer = 100 * sum(errors) / sum(lengths)
    interval = compute_bootstrap_interval(errors, lengths)
    return SplitScore(name, wer, interval, len(lengths), sum(lengths), split.normalise)


def read_commit(checkpoint: Path, content: Mapping[str, Any]) -> str | None:
    """The commit of this project that a checkpoint was trained by, as run.json beside it says; None if it does not.

    Published weights, which hold no configuration, were trained by another program, whatever lies beside them.
    """
    if "config" not in content:
        return None
    try:
        start = read_json(checkpoint.with_name("run.json"))["starts"][-1]
        commit, changed = start["commit"], start["changed"]
    except (FileNotFoundError, ParseError, LookupError, TypeError):
        return None
    if not isinstance(commit, str) or not re.fullmatch("[0-9a-f]{7,64}", commit):
        return None
    return f"{commit}, with files changed" if changed else commit
