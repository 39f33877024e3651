"""Numbers and paths on command lines: what they must be, and one message where they are something else."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

from utils.text import quote_value

LARGEST_SIDE = 4096
"""Pixels on a side of a picture, at most."""
MOST_WORKERS = 512
"""The largest number of worker processes."""
MOST_SEED = 2**63 - 1
"""The largest seed that every random generator in use takes, with the number of a process added."""
MOST_NUMBER = 10**9
"""More than anyone counts of anything here."""


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """The type of an option that is a whole number from `least` to `most`, for `ArgumentParser.add_argument`."""

    def parse(text: str) -> int:
        # Not int() alone, which takes 1_0 and digits of other scripts, and raises for thousands of them.
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdecimal() and len(digits) <= 20 and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(
                f"must be a whole number from {least:,} to {most:,}, not {quote_value(text)}"
            )
        return int(text)

    return parse


def number(least: float, most: float) -> Callable[[str], float]:
    """The type of an option that is a number from `least` to `most`, for `ArgumentParser.add_argument`."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:  # so written, NaN is refused too
            raise argparse.ArgumentTypeError(f"must be a number from {least:g} to {most:g}, not {quote_value(text)}")
        return value

    return parse


def named_path(text: str) -> Path:
    """The type of an option that is a path, for `ArgumentParser.add_argument`.

    An empty text, which a variable of the shell that is not set leaves, would name the folder that one is in.
    """
    if not text:
        raise argparse.ArgumentTypeError("must name a file or a folder, and is empty")
    return Path(text)
