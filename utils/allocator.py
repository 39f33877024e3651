"""How PyTorch takes memory of a GPU for clips of many lengths."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

DRIVER = Path("/dev/nvidiactl")  # there where NVIDIA's driver for Linux runs, in containers too
NAME, OLDER_NAME = "PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"


def let_segments_grow() -> None:
    """Let PyTorch enlarge the segments of GPU memory that it holds, unless the user has told it what to do.

    Segments of fixed sizes are cut into pieces by short clips, and a long one finds no room although enough is free.
    PyTorch reads the setting from the environment when a GPU is first used; processes started from here inherit it.
    """
    if not DRIVER.exists() or NAME in os.environ or OLDER_NAME in os.environ:
        return
    try:
        major, minor = version("torch").split(".")[:2]
    except PackageNotFoundError:
        return
    # PyTorch 2.9 has the new name too, but obeys it in this from 2.11 on (pytorch/pytorch#183387).
    name = NAME if (int(major), int(minor)) >= (2, 11) else OLDER_NAME
    os.environ[name] = "expandable_segments:True"
