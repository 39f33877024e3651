"""What is known of each epoch of a training: the points of its learning curve."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EpochRecord:
    """One epoch.

    Attributes:
        epoch: the number of the epoch, from 1.
        loss: the mean training loss of its steps.
        learning_rate: the learning rate at its last step.
        seconds: the time spent on training, without the evaluation.
        wer: the WER of the sequence head on dev, in percent; None if the epoch was not evaluated.
        conv_wer: the same of the convolutional head.
        gradient_norm: the mean norm over its steps; None from versions that did not measure it.
        skipped: the number of steps left out because their loss was not finite.
        dev: the evaluation in a sentence.
        waiting: the share of `seconds` in which steps waited for data; None from versions that did not measure it.
    """

    epoch: int
    loss: float
    learning_rate: float
    seconds: float
    wer: float | None = None
    conv_wer: float | None = None
    gradient_norm: float | None = None
    skipped: int = 0
    dev: str | None = None
    waiting: float | None = None
