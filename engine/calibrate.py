"""Calibrating the best network of a run on dev, at the end of training."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from config.schema import Config
from evaluation.calibration import KEY, calibrate, measure_energy, measure_motion
from evaluation.evaluate import EvaluationData
from evaluation.evaluation_result import EvaluationResult
from evaluation.wer import align_glosses
from slr_network import SLRModel, for_recognition
from utils import ranks
from utils.checkpoint import load_checkpoint, save_checkpoint


def calibrate_checkpoint(
    config: Config, model: SLRModel, data: EvaluationData, result: EvaluationResult, path: Path
) -> None:
    """Measure what the clips of dev look like to a network, and how often it is right; add that to its checkpoint.

    Args:
        config: the run's configuration.
        model: the network of the checkpoint.
        data: dev.
        result: the evaluation of the network on dev.
        path: the checkpoint.
    """
    if config.feeder_args.datatype == "features":  # no frames whose motion could be measured
        return
    parts = ranks.all_gather(measure_clips(config, model, data))  # of all processes
    energies, motions = ([value for part in parts for value in part[place]] for place in (0, 1))
    if ranks.rank() == 0:
        calibration = calibrate(*judge_words(result), energies, motions)
        save_checkpoint(path, load_checkpoint(path) | {KEY: asdict(calibration)})
    ranks.all_gather(None)  # nobody reads it before it is written


@torch.inference_mode()
def measure_clips(config: Config, model: SLRModel, data: EvaluationData) -> tuple[list[float], list[float]]:
    """The energy of each clip's output, and the motion in it."""
    network = for_recognition(model, config.precision, frame_chunk=config.frame_chunk, compiled=config.compile)
    device, edge = network.conv2d.alpha.device, network.spec.edge
    energies, motions = [], []
    for batch in data.loader:
        output = network(batch.to(device).video, batch.lengths)
        logits = output.sequence_logits.float().cpu().numpy()  # (T', B, V)
        for index, (frames, steps) in enumerate(zip(batch.lengths.tolist(), output.lengths.tolist(), strict=True)):
            energies.append(measure_energy(logits[:steps, index]))
            motions.append(measure_motion(np.asarray(batch.video[index, edge : edge + frames].cpu())))
    return energies, motions


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
