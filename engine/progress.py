"""What the log says of a training before its first step, and after each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from config.load import to_dict
from config.nearest_system import name_system
from config.schema import Config
from engine.train_state import TrainState
from evaluation.reporting.history import EpochRecord
from utils import ranks
from utils.text import plural
from utils.workers import available_cores

MOST_WAITING = 0.2
"""The share of an epoch in which steps may wait for data without a warning."""
LEAST_SECONDS = 5.0
"""Seconds of waiting in an epoch below which there is no warning: workers take as long to start."""


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


def gather_waiting(record: EpochRecord) -> EpochRecord:
    """The record with the share of the process that waited longest for data: the others wait for its gradients."""
    return replace(record, waiting=max(ranks.all_gather(record.waiting or 0.0)))


def describe_epoch(record: EpochRecord, workers: int) -> list[str]:
    """What came out of an epoch, and a warning with the remedy if its steps waited long for data.

    Args:
        record: the epoch, before it is evaluated.
        workers: the number of workers that read frames.
    """
    waiting = record.waiting or 0.0
    line = (
        f"epoch {record.epoch}  loss {record.loss:.3f}  gradient {record.gradient_norm:.2g}  "
        f"learning rate {record.learning_rate:.2e}  {record.seconds:.0f} s  data {100 * waiting:.0f} %"
    )
    if record.skipped:
        line += f"  {plural(record.skipped, 'step')} skipped"
    if waiting <= MOST_WAITING or waiting * record.seconds < LEAST_SECONDS:
        return [line]
    cores = available_cores()
    more = f"raise num_worker ({workers} now, for {plural(cores, 'core')}), or " if workers < cores else ""
    reader = plural(workers, "worker") if workers else "this process itself"
    return [
        line,
        f"warning: in {100 * waiting:.0f} % of this epoch's time steps waited for data, which {reader} read: {more}"
        "prepare frames that are read faster (preprocess.prepare with --image-format jpg, --pack lmdb or a smaller "
        "--frame-size)",
    ]
