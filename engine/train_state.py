"""How far a training has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from engine.training_step import StepResult
from evaluation.reporting.history import EpochRecord


@dataclass(frozen=True)
class EpochProgress:
    """How far the epoch under way has come.

    Attributes:
        batches: that were learnt from.
        steps: of the optimiser, those left out among them.
        loss, gradient_norm: sums over the steps that were not left out.
        learning_rate: of the last step.
        skipped: steps left out because their loss was not finite.
        seconds: spent.
    """

    batches: int = 0
    steps: int = 0
    loss: float = 0.0
    gradient_norm: float = 0.0
    learning_rate: float = 0.0
    skipped: int = 0
    seconds: float = 0.0

    def after(self, result: StepResult, batches: int, seconds: float) -> EpochProgress:
        """The progress after one more step, of so many batches and seconds."""
        learnt = not result.skipped
        return EpochProgress(
            batches=self.batches + batches,
            steps=self.steps + 1,
            loss=self.loss + (result.loss if learnt else 0.0),
            gradient_norm=self.gradient_norm + (result.gradient_norm if learnt else 0.0),
            learning_rate=result.learning_rate,
            skipped=self.skipped + result.skipped,
            seconds=self.seconds + seconds,
        )

    def record(self, epoch: int) -> EpochRecord:
        """The epoch, once it has come to its end."""
        learnt = max(self.steps - self.skipped, 1)
        return EpochRecord(
            epoch, self.loss / learnt, self.learning_rate, self.seconds,
            gradient_norm=self.gradient_norm / learnt, skipped=self.skipped,
        )  # fmt: skip


@dataclass(frozen=True)
class TrainState:
    """How far a training has come.

    Attributes:
        epoch: epochs finished.
        step: steps finished.
        best_wer: lowest WER on dev so far, in percent.
        best_epoch: the epoch that reached it, from 1; 0 before the first evaluation.
        seconds: spent so far, over all resumings.
        skipped: steps and clips left out so far, because they were not finite or not readable.
        progress: of the epoch after those finished.
        history: a record for each epoch.
    """

    epoch: int = 0
    step: int = 0
    best_wer: float = float("inf")
    best_epoch: int = 0
    seconds: float = 0.0
    skipped: int = 0
    progress: EpochProgress = field(default_factory=EpochProgress)
    history: tuple[EpochRecord, ...] = ()

    def after_epoch(self, record: EpochRecord, is_best: bool) -> TrainState:
        """The state when the epoch under way is finished, with what became of it."""
        state = replace(self, epoch=record.epoch, progress=EpochProgress(), history=(*self.history, record))
        return replace(state, best_wer=record.wer, best_epoch=record.epoch) if is_best else state

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainState:
        """The state that `asdict` took apart, in this version or another."""
        known = {entry.name for entry in fields(cls)}
        history = tuple(EpochRecord(**record) for record in values.get("history", ()))
        progress = EpochProgress(**values.get("progress", {}))
        kept = {key: value for key, value in values.items() if key in known}
        return cls(**kept | {"history": history, "progress": progress})
