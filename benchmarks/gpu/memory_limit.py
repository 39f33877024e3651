"""Finding the largest size that a device's memory holds."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks.gpu.measure import free_memory, synchronise
from utils.errors import is_out_of_memory

NEAR = 0.04  # as a share of the size: how far below the largest the answer may be
GROWTH = 1.5


def find_largest(fits: Callable[[int], bool], guess: int, most: int) -> int:
    """Find the largest size that fits, within `NEAR` below.

    Args:
        fits: whether a size fits; whatever is smaller than one that fits does so too.
        guess: the size to begin with.
        most: the largest size that is tried.

    Returns:
        a size that fits; 0 if none was found.
    """
    low, high, size = 0, most + 1, max(1, min(guess, most))
    while high - low > max(1, int(NEAR * low)):
        if fits(size):
            low = size
        else:
            high = size
        # Upwards as long as nothing failed, then to the middle.
        size = min(most, max(low + 1, int(GROWTH * low))) if high > most else (low + high) // 2
    return low


def fits_in_memory(work: Callable[[], object], device: torch.device) -> bool:
    """Run a computation and give its memory back: False if there was too little of it; other errors go on."""
    failed = False
    try:
        work()
        synchronise(device)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        failed = True
    # Not before: as long as the error lives, so do the tensors of the frames in which it was raised.
    free_memory(device)
    return not failed
