"""Compiling what decoding needs before a work begins that shows its progress."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from evaluation.ctc.forced_alignment import force_align
from evaluation.decode import Decoder

SECONDS = 2.0
"""Machine code that numba kept on disk is loaded in less; what takes longer is compiled."""


def compile_decoder(decoder: Decoder, say: Callable[[str], None]) -> None:
    """Decode and align something small, so that numba compiles its functions now, or loads what it compiled before.

    Args:
        decoder: the decoder that will be used.
        say: the function that gets a line for the user, if it takes long. It is called in another thread.
    """
    timer = threading.Timer(
        SECONDS, say, ["compiling the decoder, which takes up to a minute and is done once on this machine ..."]
    )
    timer.daemon = True
    timer.start()
    try:
        # Two clips of several steps, steps first as the network gives them: numba compiles for each layout in memory.
        posteriors = np.full((4, 2, 3), 1 / 3, np.float32).transpose(1, 0, 2)  # (B, T', V)
        decoder(posteriors, np.array([4, 4]))
        force_align(posteriors[0], (1, 2))
    finally:
        timer.cancel()
