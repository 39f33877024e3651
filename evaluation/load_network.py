"""A trained network, or several, for evaluation, checked against what they are to be given."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch

from config.schema import Config
from config.sections import FeederArgs, ModelArgs
from dataset.features import FeatureSource
from dataset.transforms import Transform
from dataset.vocabulary import Vocabulary
from evaluation.agreement import Demands, check_agreement, check_named_once, check_weights_differ
from evaluation.combined_checkpoints import choose_network, choose_sides, read_demands
from evaluation.ensemble import Ensemble, list_views
from slr_network import SLRModel, for_recognition, load_model
from utils.checkpoint import load_checkpoint
from utils.device import move_to_device
from utils.errors import explain_out_of_memory
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
    model = _load_checked(load_checkpoint(weights), config.model_args, config, weights, vocabulary, frame_size)
    return move_to_device(model, device)


def load_networks(
    config: Config, weights: Sequence[str | Path], vocabulary: Vocabulary, frame_size: int, device: torch.device
) -> SLRModel | Ensemble:
    """Load what a configuration evaluates: the network of a checkpoint, or those of several, to be combined.

    Args:
        config: the run's configuration; its `tta` lets each network see every clip mirrored too.
        weights: the checkpoints.
        vocabulary, frame_size, device: as for `load_network`, whose errors are these too.

    Raises:
        CheckpointError: two checkpoints cannot be combined, or are the same.
        ConfigError: a network sees more of the frames than `feeder_args.input_size`.
    """
    if len(weights) == 1:
        model = load_network(config, weights[0], vocabulary, frame_size, device)
        return _see_all((model,), [], config, frame_size) if config.tta else model
    check_named_once(weights)
    demands: list[Demands] = []
    models: dict[str, SLRModel] = {}
    for name in map(str, weights):
        content = load_checkpoint(name)  # one after the other: a training's holds three times its weights
        demands.append(read_demands(content, name, config))
        check_agreement(demands)
        args = choose_network(content, name, config)
        models[name] = _load_checked(content, args, config, name, vocabulary, frame_size)
    check_weights_differ(models)
    with explain_out_of_memory(lambda: f"while {len(models)} networks were moved to {device}; combine fewer of them"):
        networks = tuple(model.to(device) for model in models.values())
    return _see_all(networks, demands, config, frame_size)


def prepare_network(model: SLRModel | Ensemble, config: Config) -> SLRModel | Ensemble:
    """A copy of a network, or of each of several, that recognises as a configuration says."""

    def prepare(one: SLRModel) -> SLRModel:
        return for_recognition(one, config.precision, frame_chunk=config.frame_chunk, compiled=config.compile)

    return model.convert(prepare) if isinstance(model, Ensemble) else prepare(model)


def _load_checked(
    content: Mapping[str, Any], args: ModelArgs, config: Config, weights: str | Path, vocabulary: Vocabulary,
    frame_size: int,
) -> SLRModel:  # fmt: skip
    """The network `args` with the weights in what a checkpoint holds, on the CPU, checked against what it is given."""
    model = load_model(content, args, vocabulary.glosses, name=weights)
    warn_of_other_frames(content, weights, frame_size)
    check_features(config.feeder_args, model, frame_size)
    return model


def _see_all(
    networks: tuple[SLRModel, ...], demands: Sequence[Demands], config: Config, frame_size: int
) -> Ensemble:  # fmt: skip
    """The ensemble of networks, each of which sees its part of the crop that is read, and as `config.tta` says."""
    side, size = config.feeder_args.input_size, Transform(config.feeder_args, frame_size, training=False).size
    sides = choose_sides(side, demands) if demands else [side]
    return Ensemble(networks, list_views(sides, side, size, config.tta))


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
