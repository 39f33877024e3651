"""Evaluating a trained network on dev and test."""

from __future__ import annotations

from pathlib import Path

import torch

from config.schema import Config
from dataset.manifest import load_manifest
from dataset.vocabulary import load_vocabulary
from engine.features import check_features
from evaluation.evaluate import evaluate, load_evaluation_data
from evaluation.evaluation_result import EvaluationResult
from slr_network import build_model
from utils.checkpoint import check_glosses, load_checkpoint, load_weights
from utils.log import LOGGER


def test(config: Config, weights: str | Path, folder: Path, device: torch.device) -> list[EvaluationResult]:
    """Evaluate the weights in a file on dev, and on test where the corpus has one.

    Raises:
        ManifestError: the corpus is not prepared to the end.
        FrameError: features that are to be read are missing, or not of these weights.
        CheckpointError: unreadable, of another network, or of another dictionary.
    """
    vocabulary = load_vocabulary(config.prepared, config.dataset, config.dataset_root)
    splits = ["dev", "test"]
    if not (Path(config.prepared) / "test.json").is_file():
        LOGGER.info("%s has no test.json: dev alone is evaluated", config.prepared)
        splits.remove("test")
    data = [load_evaluation_data(config, split, vocabulary) for split in splits]
    content = load_checkpoint(weights)
    check_glosses(content, weights, vocabulary.glosses)
    model = build_model(config.model_args, vocabulary.num_classes, pretrained=False)
    load_weights(model, content, name=str(weights))
    check_features(config, model, load_manifest(config.prepared, config.dataset, "dev").frame_size)
    model = model.to(device)
    return [evaluate(config, model, of_split, vocabulary, folder) for of_split in data]
