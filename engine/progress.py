"""What the log says of a training before its first step."""

from __future__ import annotations

from collections.abc import Sequence

from config.load import to_dict
from config.nearest_system import name_system
from config.schema import Config
from engine.train_state import TrainState
from utils import ranks
from utils.text import plural


def describe_sizes(
    config: Config, clips: int, left_out: int, glosses: int, weights: int, steps: int
) -> list[str]:  # fmt: skip
    """Which system is trained on what, in which steps.

    Args:
        config: the run's configuration.
        clips: the number of training clips.
        left_out: the number of clips that are too short for their label.
        glosses: the number of glosses.
        weights: the number of weights.
        steps: the number of the optimiser's steps in an epoch.
    """
    count = ranks.world_size()
    effective = config.batch_size * config.accumulate * count
    factors = f"batch_size {config.batch_size}, accumulate {config.accumulate}, processes {count}"
    lines = [
        name_system(to_dict(config)),
        f"{plural(clips, 'training clip')}, {plural(glosses, 'gloss', 'glosses')}, {weights / 1e6:.1f} M weights",
        f"{plural(effective, 'clip')} a step of the optimiser ({factors}), {plural(steps, 'step')} an epoch",
    ]
    if left_out:
        lines.append(f"{plural(left_out, 'training clip')} left out, too short for the label")
    return lines


def describe_resuming(config: Config, state: TrainState, steps: int, said: Sequence[str]) -> list[str]:
    """Where a training goes on; nothing of one that begins.

    Args:
        config: the run's configuration.
        state: how far the training has come.
        steps: the number of the optimiser's steps in an epoch.
        said: lines about what is different from then.
    """
    lines = [f"resuming {config.load_checkpoints} {state.describe(steps)}"] if config.load_checkpoints else []
    lines += said
    if state.epoch >= config.num_epoch:
        lines.append(f"{plural(config.num_epoch, 'epoch')} done, which is all; raise num_epoch to train on")
    return lines
