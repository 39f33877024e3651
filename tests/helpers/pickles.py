"""Pickles that do harm."""

from __future__ import annotations

import os
from pathlib import Path


class CreatesFolder:
    """A pickle of this creates a folder when it is read, without a shell or a program, which may be missing."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)
