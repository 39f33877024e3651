"""Pickles that do harm."""

from __future__ import annotations

import os
from pathlib import Path


class CreatesFile:
    """A pickle of this creates a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)
