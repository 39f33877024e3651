"""The frame rate of a corpus in preparation: what was asked for, and whether its clips agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from dataset.frame_rate import DEFAULT_FRAME_RATE, find_common_rate, is_same_rate
from preprocess.corpora.corpus import PreparationError
from utils.text import plural, shorten

DIGITS = 3
"""Of a frame rate, behind the point: 29.97 and 23.976 have no more."""


class Rates(NamedTuple):
    """Frame rates that preparation is told.

    Attributes:
        images: the frames a second of clips that are images, which do not say it; None if nobody knows.
        wanted: the frames a second to write; all frames if None.
    """

    images: float | None
    wanted: float | None

    def judge(self, found: Mapping[str, float | None]) -> tuple[float | None, list[str]]:
        """Judge the frame rates of all clips.

        Args:
            found: the frames a second of each clip, by its id; None where nobody knows.

        Returns:
            the corpus's rate, if it is known, and sentences for the user.

        Raises:
            PreparationError: they are unlike.
        """
        known = {name: rate for name, rate in found.items() if rate is not None}
        if not known:
            return None, [
                f"images do not say their frame rate: times are counted at {DEFAULT_FRAME_RATE:g} frames a second; "
                "--image-fps says another"
            ]
        common, unlike = find_common_rate(known)
        if unlike:
            raise PreparationError(f"{describe_unlike_rates(known, common, unlike)}: {advise_resampling(common)}")
        common = round(common, DIGITS)
        notes = [f"{common:g} frames a second{' (resampled: --fps)' if self.wanted else ''}"]
        if len(known) < len(found):
            notes.append(
                f"{plural(len(found) - len(known), 'clip')} of images, which do not say their frame rate, are counted "
                f"at {common:g} a second like the others; --image-fps says another"
            )
        return common, notes


def describe_unlike_rates(rates: Mapping[str, float], common: float, unlike: Sequence[str]) -> str:
    """Say which clips have another frame rate than the others.

    Args:
        rates: the frames a second of each clip by its name.
        common: the rate of most of them.
        unlike: the names of those that have another.
    """
    found = Counter(f"{rates[name]:.4g}" for name in unlike)
    others = ", ".join(f"{plural(count, 'clip')} of {rate}" for rate, count in found.most_common(4))
    return (
        f"clips of unlike frame rates, so that signing would be faster in some than in others: {others} where "
        f"{common:.4g} frames a second is usual ({shorten(unlike, 3)})"
    )


def advise_resampling(common: float) -> str:
    """The remedy for clips of unlike frame rates, most of which have `common` frames a second."""
    advice = f"resample all clips in preparation: --fps {DEFAULT_FRAME_RATE:g}, the rate of PHOENIX2014"
    return (
        advice if is_same_rate(common, DEFAULT_FRAME_RATE) else f"{advice}, or --fps {common:.4g}, the usual one here"
    )
