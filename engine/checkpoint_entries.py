"""What a checkpoint holds of a training, beside its networks and the states of random generators."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from config.schema import Config
from dataset.frame_rate import choose_frame_rate
from dataset.manifest import Manifest
from dataset.rendered import is_rendered
from dataset.vocabulary import Vocabulary
from engine.provenance import describe_settings
from engine.train_state import TrainState
from engine.training_step import TrainingStep
from utils import ranks


def describe_training(
    config: Config, step: TrainingStep, state: TrainState, clips: Manifest, vocabulary: Vocabulary
) -> dict[str, Any]:  # fmt: skip
    """What a checkpoint holds of a training: how far it has come, and with what.

    Args:
        config: the run's configuration.
        step: the training step.
        state: how far the training has come.
        clips: the clips trained on.
        vocabulary: the gloss dictionary.
    """
    return {
        "optimizer_state_dict": step.optimizer.state_dict(),
        "scheduler_state_dict": step.scheduler.state_dict(),
        "scaler_state_dict": step.scaler.state_dict(),
        "train_state": asdict(state),
        "processes": ranks.world_size(),
        **describe_settings(config, step.device),
        "glosses": list(vocabulary.stored),
        **describe_clips(clips, config.frame_rate),
    }


def identify_clips(clips: Manifest) -> dict[str, Any]:
    """The number and the digest of the clips trained on, as a checkpoint holds them."""
    return {"clips": len(clips.clips), "digest": clips.digest()}


def describe_clips(clips: Manifest, frame_rate: float | None) -> dict[str, Any]:
    """What a checkpoint holds of the clips trained on: reading another clip needs their size and frame rate.

    Args:
        clips: the clips.
        frame_rate: the configuration's key.
    """
    return {
        "frame_size": clips.frame_size,
        "frame_rate": choose_frame_rate(frame_rate, clips.frame_rate),
        "rendered": is_rendered(clips.home),
        "trained_on": identify_clips(clips),
    }
