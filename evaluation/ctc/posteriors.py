"""What the decoders take: class posteriors and lengths, checked, cut into sequences, and their logarithm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from utils.errors import InputError

SUM_TOLERANCE = 1e-3
"""The largest distance from 1 that the sum of a step may have; rounding in single precision stays far below it."""
SMALLEST_PROBABILITY = np.finfo(np.float32).tiny
"""What p = 0 counts as, about 1e-38: a logarithm of -inf would make a whole path impossible and its sums NaN."""


class RecognitionError(InputError):
    """The network's output cannot be decoded."""


def check_finite(values: np.ndarray, clips: str) -> None:
    """Check what a network gives.

    Args:
        values: the network's output, of any shape.
        clips: the names of the clips that it was given, for the message.

    Raises:
        RecognitionError: a value is infinite or not a number.
    """
    if not np.isfinite(values).all():
        raise RecognitionError(
            f"the network gives values that are not finite for {clips}: its weights are damaged, for example "
            "by a learning rate that is too high; go back to an earlier checkpoint"
        )


def take_logarithm(probabilities: np.ndarray) -> np.ndarray:
    """Natural logarithm in double precision; p = 0 counts as `SMALLEST_PROBABILITY`."""
    return np.log(np.maximum(probabilities, SMALLEST_PROBABILITY).astype(np.float64))


def cut_sequences(posteriors: Any, lengths: Any, blank: int) -> list[np.ndarray]:
    """Check a batch and cut it into its sequences, without their padding.

    Args:
        posteriors: (B, T', V) probabilities (after the softmax), an array or a tensor.
        lengths: (B,) the number of steps of each sequence; the rest is padding and never looked at.
        blank: the class number of the blank.

    Returns:
        the steps of each sequence, (length, V) float32.

    Raises:
        ValueError: other shapes, lengths outside 0..T', a blank outside 0..V-1, and steps that are no distribution
            (NaN, negative, or a sum off by more than `SUM_TOLERANCE`).
    """
    batch = _to_array(posteriors)
    if batch.ndim != 3 or batch.shape[2] == 0:
        raise ValueError(f"posteriors have the shape {batch.shape}, expected (B, T', V)")
    if not 0 <= blank < batch.shape[2]:
        raise ValueError(f"the blank is class {blank}, expected 0 to {batch.shape[2] - 1}")
    if not np.issubdtype(batch.dtype, np.floating):
        raise ValueError(f"posteriors are of type {batch.dtype}, expected floating point")
    sizes = _check_lengths(lengths, batch.shape[0], batch.shape[1])
    sequences = [np.ascontiguousarray(batch[b, :size], dtype=np.float32) for b, size in enumerate(sizes)]
    # Logits or log-probabilities would be decoded without complaint, to glosses that mean nothing.
    for b, sequence in enumerate(sequences):
        _check_distributions(sequence, b)
    return sequences


def _to_array(values: Any) -> np.ndarray:
    # By its method and not by isinstance: this file serves arrays as well, and does without torch.
    if hasattr(values, "detach"):
        values = values.detach()
        values = values.float() if values.is_floating_point() else values  # numpy has no bfloat16
        values = values.cpu().numpy()
    return np.asarray(values)


def _check_lengths(lengths: Any, batch_size: int, steps: int) -> Sequence[int]:
    """The lengths as a list; an error unless there is one in 0..steps for each sequence."""
    sizes = _to_array(lengths)
    if sizes.shape != (batch_size,):
        raise ValueError(f"lengths have the shape {sizes.shape}, expected ({batch_size},), one for each sequence")
    if batch_size and not np.issubdtype(sizes.dtype, np.integer):
        raise ValueError(f"lengths are of type {sizes.dtype}, expected integers")
    for b, size in enumerate(sizes.tolist()):
        if not 0 <= size <= steps:
            raise ValueError(f"sequence {b} has the length {size}, expected 0 to {steps}")
    return sizes.tolist()


def _check_distributions(sequence: np.ndarray, b: int) -> None:
    sums = sequence.sum(axis=1, dtype=np.float64)  # (T', V) -> (T')
    for wrong, problem in (
        (np.isnan(sequence).any(axis=1), "contains NaN"),
        ((sequence < 0).any(axis=1), "contains a negative value; are these logits or log-probabilities?"),
        (~(np.abs(sums - 1.0) <= SUM_TOLERANCE), "does not sum to 1; is the softmax missing?"),
    ):
        if wrong.any():
            step = int(wrong.argmax())
            raise ValueError(f"sequence {b}, step {step} is no distribution: it {problem} (sum {sums[step]:.6g})")
