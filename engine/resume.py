"""Resuming a training: which checkpoint it goes on from, what may not have changed, and what is taken over."""

from __future__ import annotations

import filecmp
from collections.abc import Mapping
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import torch

from config.load import read_stored_config, to_dict
from config.schema import Config
from dataset.manifest import Manifest
from engine.checkpoint_entries import identify_clips
from engine.checkpoints import LAST
from engine.moving_average import STEPS, TRAINED, MovingAverage, restore_networks
from engine.optimizer_state import carry_over_optimizer_state, restore_optimizer_state
from engine.resumed_precision import compare_precisions
from engine.train_state import EpochProgress, TrainState
from engine.training_step import TrainingStep
from slr_network import SLRModel
from utils import ranks
from utils.checkpoint import CheckpointError, check_glosses, load_checkpoint
from utils.hub import find_checkpoint
from utils.model_folder import is_model_folder
from utils.seed import restore_random_states
from utils.text import plural

NEEDED = ("optimizer_state_dict", "scheduler_state_dict", "train_state", "random_states", "config", "glosses")
LEARNING = {
    "dataset", "batch_size", "accumulate", "random_seed", "sync_batchnorm", "on_nonfinite", "on_bad_clip", "precision",
    "freeze_bn",
}  # fmt: skip
SCORING = {
    "normalise", "merge_repeats", "decode_mode", "beam_width", "decode_backend", "lm", "lm_weight", "insertion_bonus",
    "blank_penalty", "evaluate_tool", "ema",
}  # fmt: skip
DECISIVE = LEARNING | SCORING
"""Keys outside the sections that decide what is learnt, or which epoch counts as the best; in the sections all do.

`system` does not: all that it stands for are values of other keys.
"""

SAME_FRAMES = (("video", "lmdb"), ("lmdb", "video"))  # values of feeder_args.datatype that read the same frames


def is_decisive(key: str) -> bool:
    """Whether a key, dotted, decides what is learnt or which epoch counts as the best."""
    return "." in key or key in DECISIVE


def find_checkpoint_to_resume(config: Config) -> str | None:
    """The checkpoint that a run goes on from; None if it begins anew.

    That is the one that `load_checkpoints` names; with `resume`, else, last.pt in the run's own folder, if it is there.
    """
    last = Path(config.work_dir) / LAST
    if config.load_checkpoints or not config.resume or not last.is_file():
        return config.load_checkpoints
    return str(last)


def resume_training(
    config: Config,
    model: SLRModel,
    average: MovingAverage | None,
    step: TrainingStep,
    clips: Manifest,
    glosses: tuple[str, ...],
    steps_per_epoch: int,
) -> tuple[TrainState, list[str]]:
    """Put everything that a training changes back to where the checkpoint `load_checkpoints` has it.

    Args:
        config: the configuration of this run.
        model: the network, on its device; gets the checkpoint's trained weights.
        average: the moving average of its weights; None where the run has none.
        step: the training step; its optimiser, scheduler and scaler get their states back.
        clips: the clips to train on.
        glosses: the gloss dictionary.
        steps_per_epoch: the optimiser's steps in an epoch.

    Returns:
        how far the training had come, and lines for the log: one for each thing that differs now, as `allow_changes`
        allows, and one where the precision has another name now.

    Raises:
        CheckpointError: the checkpoint cannot be resumed, or settings or clips have changed without being allowed to.
    """
    path = str(config.load_checkpoints)
    content = load_resumable(path, glosses)
    changed = check_changes(content, path, config, clips, ranks.world_size(), step.device)
    restore_networks(model, average, content, path)
    state = TrainState.from_dict(content["train_state"])
    if changed:
        # Other batches or another order of clips: the place within the epoch and the best WER mean nothing now.
        if state.progress.batches:
            changed.append("the epoch under way begins anew")
        changed.append("what was best before does not count any more")
        step_number = state.epoch * steps_per_epoch
        state = replace(state, step=step_number, progress=EpochProgress(), best_wer=inf, best_epoch=0)
        carry_over_optimizer_state(step.optimizer, step.scheduler, content["optimizer_state_dict"], step_number)
    else:
        check_progress(state, content, steps_per_epoch, step, path)
        restore_optimizer_state(step.optimizer, step.scheduler, content["optimizer_state_dict"], state.step, path)
    restore_scaler(step.scaler, content, path)
    restore_generators(content, step.device, path)
    said = [f"warning: changed since then, as --allow-changes allows: {change}" for change in changed]
    return state, said + compare_precisions(content, path, config, step.device)[2]


def load_resumable(path: str | Path, glosses: tuple[str, ...]) -> dict[str, Any]:
    """Read a checkpoint of this project that holds everything that resuming needs.

    Raises:
        CheckpointError: it is damaged (the message names others in its folder), incomplete, or has other glosses.
    """
    try:
        content = load_checkpoint(path)
    except CheckpointError as error:
        others = sorted(str(other) for other in Path(path).parent.glob("*.pt") if other != Path(path))
        remedy = f". Others are there: {', '.join(others)}" if others and Path(path).exists() else ""
        raise CheckpointError(f"{error}{remedy}") from error
    of_average = (TRAINED, STEPS) if content.get("config", {}).get("ema") else ()
    missing = [key for key in (*NEEDED, *of_average) if key not in content]
    if missing:
        folder = " (a model folder holds no optimiser)" if is_model_folder(find_checkpoint(path)) else ""
        raise CheckpointError(
            f"{path} cannot be resumed, it lacks {', '.join(missing)}{folder}; to start from its weights use "
            "--load-weights"
        )
    check_glosses(content, path, glosses)
    return content


def check_changes(
    content: Mapping[str, Any],
    path: str | Path,
    config: Config,
    clips: Manifest,
    processes: int,
    device: torch.device,
) -> list[str]:
    """The decisive settings, and the clips, in which a run differs from the one in a checkpoint that it resumes.

    Args:
        content: the checkpoint's content; one of an older version does not say what its clips were.
        path: the checkpoint's path, for the message.
        config: the configuration of this run.
        clips: the clips to train on.
        processes: the number of processes that train together.
        device: the device to train on.

    Raises:
        CheckpointError: something differs, and `allow_changes` is off; lists it.
    """
    then, now, _ = compare_precisions(content, path, config, device)
    before, after = to_dict(read_stored_config(content, path)), to_dict(config)
    changed = list_changed_settings(before | {"precision": then}, after | {"precision": now})
    trained_by = content.get("processes", 1)
    if trained_by != processes:
        changed.append(f"processes: {trained_by} -> {processes}")
    changed += list_changed_clips(content, clips)
    if changed and not config.allow_changes:
        raise CheckpointError(
            f"{path} was trained with other settings or clips, so this would be another experiment: "
            f"{'; '.join(changed)}. Resume with the same, or with these and --allow-changes, or start a new run from "
            "its weights with --load-weights"
        )
    return changed


def list_changed_settings(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The decisive settings that differ, each as "key: old -> new"."""
    found = []
    for key, value in after.items():
        if isinstance(value, Mapping):
            found += list_changed_settings(before[key], value, f"{prefix}{key}.")
        elif is_decisive(f"{prefix}{key}") and not means_the_same(key, before[key], value):
            found.append(f"{prefix}{key}: {before[key]} -> {value}")
    return found


def means_the_same(key: str, before: Any, after: Any) -> bool:
    """Whether two values of a key decide the same: they are equal, read the same frames, or name equal files."""
    if before == after or (before, after) in SAME_FRAMES:
        return True
    is_file = key == "lm" and before and after and Path(before).is_file() and Path(after).is_file()
    return bool(is_file) and filecmp.cmp(before, after, shallow=False)


def list_changed_clips(content: Mapping[str, Any], clips: Manifest) -> list[str]:
    """How the clips differ from those that a checkpoint was trained on, as far as it says."""
    here, found = identify_clips(clips), []
    there, size = content.get("trained_on", here), content.get("frame_size", clips.frame_size)
    if there != here:
        numbers = f"{plural(there['clips'], 'clip')} then, {here['clips']} now"
        found.append(f"the training clips are others, in number, order, ids, lengths or labels: {numbers}")
    if size != clips.frame_size:
        found.append(f"the prepared frames' size: {size} -> {clips.frame_size}")
    return found


def check_progress(
    state: TrainState, content: Mapping[str, Any], steps_per_epoch: int, step: TrainingStep, path: str
) -> None:  # fmt: skip
    """Raise CheckpointError if a checkpoint says that more was done than can be, or lacks what it should have left."""
    if state.progress.steps > steps_per_epoch:
        done = f"{state.progress.steps} steps of an epoch of {steps_per_epoch} are done"
        raise CheckpointError(f"{path} cannot be resumed: its train_state says that {done}")
    learnt = state.step > state.skipped and not step.scaler.is_enabled()  # in float16 every step may have been skipped
    if learnt and isinstance(step.optimizer, torch.optim.Adam) and not content["optimizer_state_dict"]["state"]:
        raise CheckpointError(f"{path} cannot be resumed: its optimiser has no averages after {state.step} steps")


def restore_scaler(scaler: torch.amp.GradScaler, content: Mapping[str, Any], path: str) -> None:
    """Give the scale of a float16 loss the value that it had; checkpoints of older versions hold none.

    Raises:
        CheckpointError: it is no scale.
    """
    held, own = content.get("scaler_state_dict"), scaler.state_dict()
    if not held or not own:
        return
    scale, tracker = held.get("scale", 0.0), held.get("_growth_tracker", -1)
    if scale <= 0 or tracker < 0:
        raise CheckpointError(f"{path} cannot be resumed: the scale of its loss is {scale}, counted up by {tracker}")
    scaler.load_state_dict(own | {"scale": float(scale), "_growth_tracker": int(tracker)})


def restore_generators(content: Mapping[str, Any], device: torch.device, path: str) -> None:
    """Put the random generators of this process back to their states, if as many processes train as then.

    Raises:
        CheckpointError: they cannot be states of these generators.
    """
    states = [content["random_states"], *content.get("random_states_of_others", [])]
    if len(states) != ranks.world_size():  # another number of processes cannot go on where these were
        return
    try:
        restore_random_states(states[ranks.rank()], device)
    except (KeyError, IndexError, OverflowError, RuntimeError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be resumed, a random state in it is damaged: {error}") from error
