"""Processes that do not find some packages, as on a machine that lacks them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

SOURCE = """
import sys
from importlib.machinery import PathFinder


class Hider(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.split(".")[0] in {hidden!r} else super().find_spec(name, path, target)


sys.meta_path[:] = [Hider if finder is PathFinder else finder for finder in sys.meta_path]
"""


def hide_packages(hidden: Sequence[str], folder: Path) -> dict[str, str]:
    """The environment of processes that lack these packages, and so do those that they start.

    Args:
        hidden: the names by which they are imported.
        folder: an empty folder, for what hides them.
    """
    (folder / "sitecustomize.py").write_text(SOURCE.replace("{hidden!r}", repr(tuple(hidden))), encoding="utf-8")
    return os.environ | {"PYTHONPATH": str(folder)}
