"""A small network as a checkpoint with all that one can hold, and as the model folder that is made of it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from config.load import to_dict
from engine import export
from evaluation.calibration import Calibration
from slr_network import build_model
from tests.helpers.config import tiny_config
from tests.helpers.network import enliven
from utils.checkpoint import save_checkpoint

GLOSSES = ["ABEND", "ÜBER", "我"]
CALIBRATION = Calibration(1.5, -0.5, least_energy=1.0, least_motion=0.25, clips=2, glosses=5)
NOTES = {
    "frame_size": 72,
    "frame_rate": 30.0,
    "rendered": True,
    "calibration": asdict(CALIBRATION),
    "train_state": {
        "epoch": 2,
        "best_wer": 41.5,
        "best_epoch": 2,
        "history": [{"epoch": 1, "loss": 0.1, "learning_rate": 1e-4, "seconds": 3.0, "wer": 50.0, "dev": "dev WER"}],
    },
}
"""The entries of the checkpoint beside weights, configuration and glosses."""


def save_full_checkpoint(path: Path, **changes: Any) -> Path:
    """Save a checkpoint of random weights in which every part counts; `changes` are of its configuration."""
    config = tiny_config(**changes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = enliven(build_model(config.model_args, len(GLOSSES) + 1, pretrained=False))
    content = {"model_state_dict": model.state_dict(), "config": to_dict(config), "glosses": GLOSSES}
    save_checkpoint(path, content | NOTES | {"optimizer_state_dict": {"state": {}, "param_groups": []}})
    return path


def share(checkpoint: Path, out: Path, *options: str) -> Path:
    """Export a checkpoint as a model folder by the command, and return the folder."""
    words = ["--model_path", str(checkpoint), "--format", "safetensors", "--out", str(out), *options]
    export.main(export.parse_args(words))
    return out
