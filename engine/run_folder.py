"""The folder of a run: opened without ever deleting or asking."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from config.layers import read_yaml
from config.load import ConfigError, parse_stored_config, to_dict, to_yaml
from config.schema import Config
from engine.run_lock import RunLock
from evaluation.reporting.history import EpochRecord
from utils.checkpoint_file import BEST, LAST
from utils.errors import InputError
from utils.files import real_path, set_aside, write_text
from utils.text import quote_path

STARTING = {"load_checkpoints", "resume", "allow_changes", "overwrite", "take_over", "work_dir"}
"""Keys that say where a training begins or goes on, and how; they say nothing about what is trained."""


def check_run_folder(config: Config) -> bool:
    """Whether `work_dir` holds a run that has to be moved aside first, as `overwrite` allows.

    A folder with a training is taken again only to test or to resume it.

    Raises:
        InputError: it holds a training; says how to resume, to overwrite or to go elsewhere. Or the weights that this
            run starts from lie in it, and would be moved aside with it.
    """
    folder = Path(config.work_dir)
    if config.phase != "train":
        return False
    held = [name for name in (LAST, BEST) if (folder / name).exists()]
    needed = [Path(path) for path in (*config.weight_files, config.load_checkpoints) if path]
    inside = [path for path in needed if real_path(folder) in real_path(path).parents]
    resumes = config.load_checkpoints is not None and Path(config.load_checkpoints) in inside
    if not held or resumes:
        return False
    if not config.overwrite:
        raise InputError(
            f"work_dir {folder} already holds a run ({', '.join(held)}). Resume it with --resume, or "
            f"--load-checkpoints {quote_path(folder / LAST)}; start afresh with --overwrite (the old folder is moved "
            "aside, not deleted), or choose another --work-dir"
        )
    if inside:
        raise InputError(f"{inside[0]} lies in {folder}, which --overwrite would move aside; choose another --work-dir")
    return True


def open_run_folder(config: Config, lock: RunLock) -> Path:
    """Make `work_dir` ready for this run, as `check_run_folder` says, and write the configuration into it.

    When a training goes on with other settings, the older configuration is kept as config-1.yaml, config-2.yaml, ...

    Args:
        config: the run's configuration.
        lock: the lock of `work_dir`, which this process holds.

    Returns:
        `work_dir`.
    """
    folder = Path(config.work_dir)
    if check_run_folder(config):
        lock.move_folder(Path(f"{folder}-before-{datetime.now():%Y%m%d-%H%M%S}"))
    path = folder / ("config.yaml" if config.phase == "train" else f"config-{config.phase}.yaml")
    if config.phase == "train" and holds_other_settings(path, config):
        set_aside(path)
    write_text(path, to_yaml(config))
    return folder


def holds_other_settings(path: Path, config: Config) -> bool:
    """Whether the file at `path` holds a configuration that differs in more than how the run was started."""
    if not path.is_file():
        return False
    try:
        # As a stored configuration: one that an earlier version wrote has keys by older names, and lacks later ones.
        held = to_dict(parse_stored_config(read_yaml(path), path))
    except ConfigError:  # someone's notes, or half a file: kept as well
        return True
    return any(held[key] != value for key, value in to_dict(config).items() if key not in STARTING)


def write_history(folder: Path, history: Sequence[EpochRecord]) -> None:
    """Write dev.txt, a line for each evaluation, and epochs.jsonl, an object for each epoch.

    Both are written whole from the checkpoint's history, so that after an interruption no epoch is in them twice.
    """
    lines = [f"epoch {record.epoch}  {record.dev}\n" for record in history if record.dev]
    write_text(folder / "dev.txt", "".join(lines))
    write_text(folder / "epochs.jsonl", "".join(json.dumps(asdict(record)) + "\n" for record in history))
