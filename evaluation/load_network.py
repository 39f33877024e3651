"""A trained network for evaluation, checked against what it is to be given."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch

from config.schema import Config
from config.sections import FeederArgs
from dataset.features import FeatureSource
from dataset.vocabulary import Vocabulary
from slr_network import SLRModel, load_model
from utils.checkpoint import load_checkpoint
from utils.device import move_to_device
from utils.log import LOGGER


def load_network(
    config: Config, weights: str | Path, vocabulary: Vocabulary, frame_size: int, device: torch.device
) -> SLRModel:  # fmt: skip
    """Load the network of a checkpoint to evaluate it; the log says if its frames had another size.

    Args:
        config: the run's configuration.
        weights: the checkpoint.
        vocabulary: the class numbers' glosses.
        frame_size: the size of the prepared frames, in pixels.
        device: the device to evaluate on.

    Raises:
        CheckpointError: unreadable, of another network, or of another dictionary.
        FrameError: features that are to be read are missing, or not of these weights.
        InputError: the device has too little memory.
    """
    content = load_checkpoint(weights)
    model = load_model(content, config.model_args, vocabulary.glosses, name=weights)
    warn_of_other_frames(content, weights, frame_size)
    check_features(config.feeder_args, model, frame_size)
    return move_to_device(model, device)


def warn_of_other_frames(content: Mapping[str, Any], weights: str | Path, frame_size: int) -> None:
    """Log a line if prepared frames have another size than those that a network was trained on.

    Args:
        content: what the checkpoint holds; a published one does not say the size.
        weights: the checkpoint's file.
        frame_size: the size of the prepared frames, in pixels.
    """
    size = content.get("frame_size", frame_size)
    if size != frame_size:
        LOGGER.info("warning: the prepared frames have %d pixels a side, those of %s %d", frame_size, weights, size)


def check_features(feeder: FeederArgs, model: SLRModel, frame_size: int) -> None:
    """Raise FrameError if the network is to read features, and they are not of this network's backbone.

    Args:
        feeder: the configuration's `feeder_args`.
        model: the network, with the weights that it starts from.
        frame_size: the size of the prepared frames, in pixels.
    """
    if feeder.datatype == "features":
        build_feature_source(feeder, model, frame_size).check_folder(cast(str, feeder.features))


def build_feature_source(feeder: FeederArgs, model: SLRModel, frame_size: int) -> FeatureSource:
    """The record of what `model` computes features with; the arguments are those of `check_features`."""
    digest = hashlib.sha256()
    for name, weight in sorted(model.conv2d.state_dict().items()):
        digest.update(name.encode() + weight.cpu().numpy().tobytes())
    return FeatureSource(
        backbone=digest.hexdigest(),
        channels=model.conv2d.out_channels,
        frame_size=frame_size,
        image_scale=feeder.image_scale,
        input_size=feeder.input_size,
        frame_interval=feeder.frame_interval,
    )
