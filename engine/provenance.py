"""Writing down what a run was made with, so that it can be made again."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from config.load import to_dict
from config.schema import Config
from utils.files import set_aside, write_json
from utils.plain_json import read_json
from utils.precision import resolve_precision
from utils.ranks import world_size
from utils.text import plural

REPOSITORY = Path(__file__).parents[1]
PACKAGES = ("torch", "torchvision", "numpy", "opencv-python-headless", "numba")


def collect_provenance(device: torch.device, precision: str) -> dict[str, Any]:
    """Command, time, commit of this repository, versions and hardware, as plain values.

    `commit` is None outside a git clone; `changed` lists the files that differ from it.

    Args:
        device: the device to compute on.
        precision: what is computed in, as `resolve_precision` says it.
    """
    commit = _git("rev-parse", "HEAD")
    return {
        "command": sys.argv,
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "commit": commit,
        "changed": _list_changed_files() if commit else None,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "precision": precision,
        "threads": torch.get_num_threads(),
        "processes": world_size(),
    }


def describe_device(device: torch.device) -> str:
    """The device as a person knows it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {plural(torch.get_num_threads(), 'thread')}" if device.type == "cpu" else device.type


def describe_settings(config: Config, device: torch.device) -> dict[str, Any]:
    """What a checkpoint holds of a run's settings: its configuration, and the precision that it computed in."""
    return {"config": to_dict(config), "precision": resolve_precision(config.precision, device)}


def record_settings(config: Config, device: torch.device) -> dict[str, Any]:
    """A run's configuration for its report, as plain nested containers: `precision` is the one that it computed in."""
    return to_dict(config) | {"precision": resolve_precision(config.precision, device)}


def add_start(path: Path, start: Mapping[str, Any]) -> None:
    """Append the record of a start to the file at `path`: a run that is resumed is started several times.

    The file of an older version holds one record, which becomes the first; a file that holds neither is set aside.

    Args:
        path: the file, a JSON object whose `starts` is the list of records.
        start: what `collect_provenance` gave.
    """
    earlier: list[Any] = []
    if path.is_file():
        try:
            content = read_json(path)
            earlier = list(content.get("starts", [content]))
        except (AttributeError, TypeError, ValueError):
            set_aside(path)
    write_json(path, {"starts": [*earlier, start]})


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _list_changed_files() -> list[str]:
    """The files that git would commit; each line of its status begins with two letters and a space."""
    return [line[3:] for line in (_git("status", "--porcelain") or "").splitlines()]


def _git(*arguments: str) -> str | None:
    """The output of a git command on this repository; None if it fails."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=REPOSITORY, capture_output=True, encoding="utf-8", errors="replace", check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip("\n")
