"""The frame rate of a corpus: which of several statements counts, and which rates count as the same."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median_low

DEFAULT_FRAME_RATE = 25.0
"""Frames a second where nothing says it: PHOENIX2014's rate, which earlier versions took for that of every corpus."""

RATE_TOLERANCE = 0.03
"""Share by which two rates may differ and yet count as the same. Telephones wander by one or two per cent, and 29.97
is 30; but the rates of film, 24, and of television, 25, which differ by four, are two."""

FASTEST = 1000
"""Frames a second: more than that is taken for a mistake in typing."""


def choose_frame_rate(*given: float | None) -> float:
    """The first of these frame rates that is known; `DEFAULT_FRAME_RATE` if none is."""
    return next((rate for rate in given if rate is not None), DEFAULT_FRAME_RATE)


def is_same_rate(rate: float, other: float) -> bool:
    """Whether two frame rates count as the same."""
    return abs(rate / other - 1) <= RATE_TOLERANCE


def find_common_rate(rates: Mapping[str, float]) -> tuple[float, list[str]]:
    """Find the frame rate of clips that should all have the same.

    Args:
        rates: the frames a second of each clip by its name; at least one.

    Returns:
        the rate in the middle of them, and the names of the clips whose rate is not the same as that.
    """
    common = median_low(rates.values())
    return common, [name for name, rate in rates.items() if not is_same_rate(rate, common)]
