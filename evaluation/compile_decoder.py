"""Compiling what decoding needs before a work begins that shows its progress."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from evaluation.ctc.forced_alignment import force_align
from evaluation.decode import Decoder
from utils.patience import say, say_if_long


def compile_decoder(decoder: Decoder, show: Callable[[str], None] = say) -> None:
    """Decode and align something small, so that numba compiles its functions now, or loads what it compiled before.

    Loading takes less than a second and compiling ten or more, so only the latter gets a line.

    Args:
        decoder: the decoder that will be used.
        show: the function that shows the line.
    """
    with say_if_long("compiling the decoder, which takes up to a minute and is done once on this machine ...", show):
        # Two clips of several steps, steps first as the network gives them: numba compiles for each layout in memory.
        # One gloss beside the blank, which every dictionary has: a language model knows no more classes than that.
        posteriors = np.full((4, 2, 2), 1 / 2, np.float32).transpose(1, 0, 2)  # (B, T', V)
        decoder(posteriors, np.array([4, 4]))
        force_align(posteriors[0], (1, 1))
