"""What a run was made with, so that it can be made again."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from utils.files import set_aside, write_json
from utils.ranks import world_size

REPOSITORY = Path(__file__).parents[1]
PACKAGES = ("torch", "torchvision", "numpy", "opencv-python-headless", "numba")


def collect_provenance(device: torch.device) -> dict[str, Any]:
    """Command, time, commit of this repository, versions and hardware; plain values.

    `commit` is null outside a git clone; `changed` lists files that differ from it.
    """
    commit = _git("rev-parse", "HEAD")
    return {
        "command": sys.argv,
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "commit": commit,
        "changed": [line[3:] for line in (_git("status", "--porcelain") or "").splitlines()] if commit else None,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
        "processes": world_size(),
    }


def add_start(path: Path, start: Mapping[str, Any]) -> None:
    """Write `start` into the file at `path`, whose `starts` has one such record for each time the run was started.

    The one record of an older version's file becomes the first; a file that holds neither is set aside.
    """
    earlier: list[Any] = []
    if path.is_file():
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            earlier = content["starts"] if "starts" in content else [dict(content)]
        except (TypeError, ValueError):
            set_aside(path)
    write_json(path, {"starts": [*earlier, start]})


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    """What git says of this repository; None if it says nothing."""
    try:
        done = subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip("\n")
