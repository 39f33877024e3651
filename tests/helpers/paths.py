"""Where things lie."""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PARITY = REPOSITORY / "tests/data/parity"
"""Numbers of the published network, described in the README there."""
