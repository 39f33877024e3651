"""How far a training has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from evaluation.history import EpochRecord


@dataclass(frozen=True)
class TrainState:
    """How far a training has come.

    Attributes:
        epoch: epochs finished.
        step: steps finished.
        best_wer: lowest WER on dev so far, in percent.
        best_epoch: the epoch that reached it, from 1; 0 before the first evaluation.
        seconds: spent so far, over all resumings.
        history: a record for each epoch.
    """

    epoch: int = 0
    step: int = 0
    best_wer: float = float("inf")
    best_epoch: int = 0
    seconds: float = 0.0
    history: tuple[EpochRecord, ...] = ()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainState:
        """The state that `asdict` took apart, in this version or another."""
        known = {entry.name for entry in fields(cls)}
        history = tuple(EpochRecord(**record) for record in values.get("history", ()))
        return cls(**{key: value for key, value in values.items() if key in known} | {"history": history})
