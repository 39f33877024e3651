"""Evaluating a trained network on dev and test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from config.schema import Config
from dataset.loader import available_splits, load_vocabulary
from evaluation.evaluate import Evaluation, evaluate, evaluation_data
from slr_network import build_model
from utils.checkpoint import check_glosses, load_checkpoint, load_weights


def test(
    config: Config, weights: str | Path, folder: Path, device: torch.device, splits: Sequence[str] = ("dev", "test")
) -> list[Evaluation]:  # fmt: skip
    """Evaluate the weights in a file on those of `splits` that the corpus has.

    Raises:
        CheckpointError: unreadable, of another network, or of another dictionary.
    """
    vocabulary = load_vocabulary(config)
    content = load_checkpoint(weights)
    check_glosses(content, weights, vocabulary.glosses)
    model = build_model(config.model_args, vocabulary.num_classes, pretrained=False)
    load_weights(model, content)
    model = model.to(device)
    evaluations = []
    for split in available_splits(config, splits):
        loader, references = evaluation_data(config, split, vocabulary)
        evaluations.append(evaluate(config, model, loader, vocabulary, references, split, folder))
    return evaluations
