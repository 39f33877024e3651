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
        batches: the number of batches that were learnt from.
        steps: the number of the optimiser's steps, those that were skipped among them.
        loss: the sum of the loss over the steps that were not skipped.
        gradient_norm: the sum of the gradient's norm over the same steps.
        learning_rate: the learning rate of the last step.
        skipped: the number of steps skipped because their loss was not finite.
        seconds: the time spent, in seconds.
        waiting: how much of it steps waited for data, in seconds.
    """

    batches: int = 0
    steps: int = 0
    loss: float = 0.0
    gradient_norm: float = 0.0
    learning_rate: float = 0.0
    skipped: int = 0
    seconds: float = 0.0
    waiting: float = 0.0

    def add_step(self, result: StepResult, batches: int, seconds: float, waited: float = 0.0) -> EpochProgress:
        """The progress after one more step.

        Args:
            result: what came out of the step.
            batches: the number of batches that the step learnt from.
            seconds: the time that it took, in seconds.
            waited: how much of it passed until its batches were there.
        """
        learnt = not result.skipped
        return EpochProgress(
            batches=self.batches + batches,
            steps=self.steps + 1,
            loss=self.loss + (result.loss if learnt else 0.0),
            gradient_norm=self.gradient_norm + (result.gradient_norm if learnt else 0.0),
            learning_rate=result.learning_rate,
            skipped=self.skipped + result.skipped,
            seconds=self.seconds + seconds,
            waiting=self.waiting + waited,
        )

    def to_record(self, epoch: int) -> EpochRecord:
        """The record of the epoch with this number, once it has come to its end."""
        learnt = max(self.steps - self.skipped, 1)  # all steps may have been skipped
        return EpochRecord(
            epoch, self.loss / learnt, self.learning_rate, self.seconds,
            gradient_norm=self.gradient_norm / learnt, skipped=self.skipped,
            waiting=self.waiting / self.seconds if self.seconds else 0.0,
        )  # fmt: skip


@dataclass(frozen=True)
class TrainState:
    """How far a training has come.

    Attributes:
        epoch: the number of epochs finished.
        step: the number of steps finished.
        best_wer: the lowest WER on dev so far, in percent.
        best_epoch: the epoch that reached it, from 1; 0 before the first evaluation.
        seconds: the time spent so far, over all resumings.
        skipped: the number of steps and clips skipped so far, because they were not finite or not readable.
        progress: the progress of the epoch after those finished.
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

    def finish_epoch(self, record: EpochRecord, is_best: bool) -> TrainState:
        """The state when the epoch under way is finished, with what became of it."""
        state = replace(self, epoch=record.epoch, progress=EpochProgress(), history=(*self.history, record))
        if not is_best or record.wer is None:
            return state
        return replace(state, best_wer=record.wer, best_epoch=record.epoch)

    def describe_progress(self, epochs: int, steps: int) -> str:
        """The loss of the epoch under way, and H:MM until the end of so many epochs of so many steps.

        At the pace of this epoch, evaluations left out; a step at least must be done.
        """
        left = (epochs - self.epoch) * steps - self.progress.steps
        minutes = round(left * self.progress.seconds / self.progress.steps / 60)
        loss = self.progress.to_record(self.epoch + 1).loss
        return f"loss {loss:.2f}, {minutes // 60}:{minutes % 60:02d} h left"

    def describe(self, steps: int) -> str:
        """Where the training stands, of epochs with so many steps."""
        within = f" and {self.progress.steps} of {steps} steps of the next" if self.progress.steps else ""
        best = (
            f"best dev WER {self.best_wer:.2f} % (epoch {self.best_epoch})" if self.best_epoch else "not evaluated yet"
        )
        return f"after epoch {self.epoch}{within}, {best}"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainState:
        """The state that `asdict` took apart, in this version or another.

        Args:
            values: as `utils.checkpoint_content` has checked them.
        """
        history = tuple(EpochRecord(**_keep_known(EpochRecord, record)) for record in values.get("history", ()))
        progress = EpochProgress(**_keep_known(EpochProgress, values.get("progress", {})))
        return cls(**_keep_known(cls, values) | {"history": history, "progress": progress})


def _keep_known(record: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a record's own fields: another version may have written more."""
    known = {entry.name for entry in fields(record)}
    return {key: value for key, value in values.items() if key in known}
