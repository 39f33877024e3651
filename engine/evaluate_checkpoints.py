"""Evaluating the weights in a checkpoint, or what the networks of several read together, on dev and test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from config.schema import Config
from dataset.manifest import available_splits, load_manifest
from dataset.vocabulary import load_vocabulary
from evaluation.calibration import ClipMeasures
from evaluation.evaluate import evaluate, load_evaluation_data
from evaluation.evaluation_result import EvaluationResult
from evaluation.load_network import load_networks
from utils.log import LOGGER


def evaluate_checkpoints(
    config: Config,
    weights: Sequence[str | Path],
    folder: Path,
    device: torch.device,
    measures: ClipMeasures | None = None,
) -> list[EvaluationResult]:
    """Evaluate the weights in one file or several on dev, and on test where the corpus has one.

    Args:
        config: the run's configuration.
        weights: the checkpoints; of several the hypotheses are combined.
        folder: the run's folder.
        device: the device to evaluate on.
        measures: is told what a calibration needs to know of dev.

    Raises:
        ManifestError: the corpus is not prepared to the end.
        FrameError: features that are to be read are missing, or not of these weights.
        CheckpointError: unreadable, of another network, or of another dictionary; or several cannot be combined.
        InputError: memory ran out.
    """
    vocabulary = load_vocabulary(config.prepared, config.dataset, config.dataset_root)
    splits = ["dev", "test"]
    if "test" not in available_splits(config.prepared):
        LOGGER.info("%s has no test.json: dev alone is evaluated", config.prepared)
        splits = ["dev"]
    data = [load_evaluation_data(config, split, vocabulary, device) for split in splits]
    frame_size = load_manifest(config.prepared, config.dataset, "dev").frame_size
    model = load_networks(config, weights, vocabulary, frame_size, device)
    return [
        evaluate(config, model, of_split, vocabulary, folder, measures if of_split.split == "dev" else None)
        for of_split in data
    ]
