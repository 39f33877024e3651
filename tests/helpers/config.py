"""The one configuration with which tests train and recognise: a network so small that a step takes milliseconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from config.load import load_config
from config.schema import Config

NETWORK = {
    "model_args.c2d_type": "resnet18",
    "model_args.pretrained": "none",
    "model_args.width": 16,
    "model_args.hidden_size": 16,
}
TINY = NETWORK | {
    "dataset": "phoenix2014",
    "device": "cpu",
    "num_worker": 0,
    "num_epoch": 2,
    "batch_size": 2,
    "optimizer_args.base_lr": 1e-3,
    "optimizer_args.step": [1],
    "feeder_args.input_size": 64,
    "feeder_args.min_frames": 16,
}
"""For the corpus that the fixture `prepared` gives."""


def tiny_config(prepared: Path | None = None, work_dir: Path | None = None, **changes: Any) -> Config:
    """The tiny configuration with these changes, which are named by their dotted keys."""
    return load_config(None, TINY | _paths(prepared, work_dir) | changes)[0]


def tiny_words(prepared: Path | None = None, work_dir: Path | None = None, **changes: Any) -> list[str]:
    """The same as words of the command line."""
    return [f"{key}={value}" for key, value in (TINY | _paths(prepared, work_dir) | changes).items()]


def _paths(prepared: Path | None, work_dir: Path | None) -> dict[str, str]:
    given = {"prepared": prepared, "work_dir": work_dir}
    return {key: str(path) for key, path in given.items() if path is not None}
