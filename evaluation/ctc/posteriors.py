"""What the decoders take: class posteriors and lengths, checked and cut into sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

TOLERANCE = 1e-3  # of the sum of a row


def checked_sequences(posteriors: Any, lengths: Any, blank: int) -> list[np.ndarray]:
    """The used part of each sequence, (length, V) float32.

    Args:
        posteriors: (B, T', V) probabilities (after the softmax), an array or a tensor.
        lengths: (B,) the steps of each sequence, the rest is padding and never looked at.
        blank: its class number.

    Raises:
        ValueError: other shapes, lengths outside 0..T', a blank outside 0..V-1, and steps that are no distribution
            (NaN, negative, or a sum off by more than `TOLERANCE`).
    """
    batch = _array(posteriors)
    if batch.ndim != 3 or batch.shape[2] == 0:
        raise ValueError(f"posteriors have the shape {batch.shape}, expected (B, T', V)")
    if not 0 <= blank < batch.shape[2]:
        raise ValueError(f"the blank is class {blank}, expected 0 to {batch.shape[2] - 1}")
    if not np.issubdtype(batch.dtype, np.floating):
        raise ValueError(f"posteriors are of type {batch.dtype}, expected floating point")
    sizes = _checked_lengths(lengths, batch.shape[0], batch.shape[1])
    sequences = [np.ascontiguousarray(batch[b, :size], dtype=np.float32) for b, size in enumerate(sizes)]
    for b, sequence in enumerate(sequences):
        _check_distributions(sequence, b)
    return sequences


def _array(values: Any) -> np.ndarray:
    if hasattr(values, "detach"):  # a torch tensor; numpy has no bfloat16
        values = values.detach()
        values = values.float() if values.is_floating_point() else values
        values = values.cpu().numpy()
    return np.asarray(values)


def _checked_lengths(lengths: Any, batch_size: int, steps: int) -> Sequence[int]:
    sizes = _array(lengths)
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
        (~(np.abs(sums - 1.0) <= TOLERANCE), "does not sum to 1; is the softmax missing?"),
    ):
        if wrong.any():
            step = int(wrong.argmax())
            raise ValueError(f"sequence {b}, step {step} is no distribution: it {problem} (sum {sums[step]:.6g})")
