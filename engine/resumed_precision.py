"""In which precision a checkpoint was trained, and whether a run that resumes it goes on in the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from config.load import read_stored_config
from config.schema import Config
from utils.precision import resolve_precision


def find_trained_precision(content: Mapping[str, Any], path: str | Path, device: torch.device) -> str:
    """The precision that a checkpoint was trained in, as far as a device has it: elsewhere than on CUDA tf32 is fp32.

    Args:
        content: the checkpoint's content. One from before the precision was recorded has its configuration's, and was
            trained on such a device.
        path: the checkpoint's file, for an error.
        device: the device that the training goes on on.
    """
    if "precision" in content:
        return resolve_precision(content["precision"], device)
    return resolve_precision(read_stored_config(content, path).precision, device)


def choose_precision(
    content: Mapping[str, Any], path: str | Path, config: Config, device: torch.device, given: bool
) -> str:  # fmt: skip
    """The precision to ask for where a run resumes a checkpoint, so that it goes on in the one that was used.

    Args:
        content: the checkpoint's content.
        path: the checkpoint's file, for an error.
        config: the configuration of the run; what it asks for stays if it stands for the same, or was given.
        device: the device of the run.
        given: whether the user has set the key; "default" leaves the choice between tf32 and fp32 nevertheless.
    """
    trained = find_trained_precision(content, path, device)
    chosen = given and not (config.precision == "default" and trained in {"tf32", "fp32"})
    return config.precision if chosen or resolve_precision(config.precision, device) == trained else trained


def compare_precisions(
    content: Mapping[str, Any], path: str | Path, config: Config, device: torch.device
) -> tuple[str, str, list[str]]:  # fmt: skip
    """The precision that a checkpoint was trained in, the one that a run computes in, and a line about their names.

    There is a line where the checkpoint says fp32 and is from before there was a name for TF32, which it was on CUDA.

    Args:
        content: the checkpoint's content.
        path: the checkpoint's file, for the line.
        config: the configuration of the run that resumes it.
        device: the device of that run.
    """
    then, now = find_trained_precision(content, path, device), resolve_precision(config.precision, device)
    is_unnamed_tf32 = "precision" not in content and content["config"].get("precision", "fp32") == "fp32"
    if not is_unnamed_tf32 or then == "fp32":
        return then, now, []
    if now == "tf32":
        return then, now, [f"precision: what {path} calls fp32 was tf32 on CUDA, and goes on as tf32"]
    if now == "fp32":  # asked for by the name that the run began with, and more exact than that was
        return now, now, [f"precision: what {path} calls fp32 was tf32 on CUDA, and goes on without TF32"]
    return then, now, []
