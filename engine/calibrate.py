"""Calibrating the best network of a run on dev, at the end of training."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from engine.run_lock import RunLock
from evaluation.calibration import KEY, Calibration, ClipMeasures, calibrate
from evaluation.evaluation_result import EvaluationResult
from evaluation.wer import align_glosses
from utils import ranks
from utils.checkpoint import load_checkpoint, save_checkpoint


def calibrate_checkpoint(result: EvaluationResult, measures: ClipMeasures, path: Path, lock: RunLock | None) -> None:
    """Add to a checkpoint what its evaluation on dev tells of its confidences; to be called by all processes.

    Args:
        result: the evaluation of its network on dev.
        measures: what this process measured in that evaluation.
        path: the checkpoint.
        lock: the lock of the run's folder, in the process that writes there.

    Raises:
        CheckpointError: the disk is full; the checkpoint stays as it was.
        InputError: another run has taken the folder over.
    """
    parts = ranks.all_gather((measures.energies, measures.motions))
    if ranks.rank() == 0:
        energies, motions = ([value for part in parts for value in part[place]] for place in (0, 1))
        found = asdict(calibrate_network(result, ClipMeasures(energies, motions)))
        content = load_checkpoint(path)
        if content.get(KEY) != found:  # a finished run that is resumed finds the same again, and leaves its file alone
            if lock:
                lock.check()
            save_checkpoint(path, content | {KEY: found})
    ranks.all_gather(None)  # nobody reads it before it is written


def calibrate_network(result: EvaluationResult, measures: ClipMeasures) -> Calibration:
    """The calibration that an evaluation on dev gives."""
    return calibrate(*judge_words(result), measures.energies, measures.motions)


def judge_words(result: EvaluationResult) -> tuple[list[float], list[bool]]:
    """The confidence of each recognised gloss, and whether it was right.

    Sentences in which normalising joins or drops glosses are left out: there they have no counterpart each.
    """
    shares, correct = [], []
    for reference, entry in zip(result.references, result.entries["sequence"], strict=True):
        hypothesis = result.hypotheses["sequence"][reference.id]
        if len(hypothesis) != len(entry.words):
            continue
        operations = [op for op, _, read in align_glosses(reference.glosses, hypothesis) if read is not None]
        for word, operation in zip(entry.words, operations, strict=True):
            if word.confidence is not None:
                shares.append(word.confidence)
                correct.append(operation == "C")
    return shares, correct
