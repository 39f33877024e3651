"""TensorBoard's curves of a training."""

from __future__ import annotations

import resource
import sys
from pathlib import Path
from types import TracebackType

import torch
from torch.utils.tensorboard import SummaryWriter

from dataset.vocabulary import Vocabulary
from engine.alignment_picture import draw_alignment
from engine.training_step import StepResult
from evaluation.evaluate import EvaluationData
from evaluation.evaluation_result import EvaluationResult
from slr_network import SLRModel
from utils import ranks


class Curves:
    """Writes points and pictures while it is entered; only the first of several processes writes.

    Args:
        folder: of the run.
        step: steps that are done; later points from before an interruption are forgotten.
        interval: steps between points.
    """

    def __init__(self, folder: Path, step: int, interval: int) -> None:
        self.interval = interval
        self.writer = SummaryWriter(str(folder), purge_step=step + 1) if ranks.rank() == 0 else None
        self._clips, self._seconds = 0, 0.0

    def __enter__(self) -> Curves:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.writer:
            self.writer.close()

    def add_step(self, step: int, result: StepResult, clips: int, seconds: float) -> None:
        """Note a step of so many clips of this process; every `interval` steps there is a point of each curve."""
        self._clips += clips * ranks.world_size()
        self._seconds += seconds
        if self.writer is None or step % self.interval:
            return
        points = {f"loss/{name}": float(term) for name, term in result.terms.items()}
        points |= {"gradient_norm": result.gradient_norm, "learning_rate": result.learning_rate}
        points |= {"speed/clips_per_second": self._clips / self._seconds, "memory/peak_gb": measure_peak_memory() / 1e9}
        for name, value in points.items():
            self.writer.add_scalar(name, value, step)
        self._clips, self._seconds = 0, 0.0

    def add_evaluation(
        self, step: int, result: EvaluationResult, model: SLRModel, data: EvaluationData, vocabulary: Vocabulary
    ) -> None:  # fmt: skip
        """Note the WER of each head on dev after a step, and draw how the network aligns the first clip.

        At epochs' numbers, which are lower than steps', points would outlive the resuming that forgets them.
        """
        if self.writer is None:
            return
        for head, counts in result.results.items():
            self.writer.add_scalar(f"WER/dev-{head}", counts.wer, step)
        picture = draw_alignment(model, data.loader, vocabulary)
        self.writer.add_image("alignment/dev", picture, step, dataformats="HWC")
        self.writer.flush()


def measure_peak_memory() -> int:
    """Bytes: the most that was in use so far, on the GPU if there is one, else of this process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
