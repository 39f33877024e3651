"""TensorBoard's curves of a training."""

from __future__ import annotations

import resource
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
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
from utils.files import plain_path
from utils.log import LOGGER


class Curves:
    """Writes points and pictures while it is entered; only the first of several processes writes.

    Args:
        folder: the run's folder.
        step: the number of steps that are done; TensorBoard forgets later points, from before an interruption.
        interval: the number of steps between two points.
        device: the device of the training, whose memory is measured.
    """

    def __init__(self, folder: Path, step: int, interval: int, device: torch.device) -> None:
        self.folder = folder
        self.step = step
        self.interval = interval
        self.device = device
        self.writer: SummaryWriter | None = None
        self._opened = ExitStack()  # TensorBoard opens its file by name for every point
        self._clips, self._seconds, self._waited = 0, 0.0, 0.0  # since the last point
        self._hook: Callable[[threading.ExceptHookArgs], object] | None = None  # what it was before

    def __enter__(self) -> Curves:
        if ranks.rank() == 0:
            # Steps after the last checkpoint are done again on resuming: without a purge their points would come twice.
            self.writer = SummaryWriter(
                str(self._opened.enter_context(plain_path(self.folder))), purge_step=self.step + 1
            )
            # It writes in a thread, and raises what went wrong there when it gets its next point.
            self._hook, threading.excepthook = threading.excepthook, self._drop_disk_errors
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._hook:
            with self._end_at_disk_errors():
                if self.writer:
                    self.writer.close()
            self.writer = None
            threading.excepthook, self._hook = self._hook, None
            self._opened.close()

    def add_step(self, step: int, result: StepResult, clips: int, seconds: float, waited: float) -> None:
        """Note a step; every `interval` steps each curve gets a point.

        Args:
            step: the number of the step, from 1.
            result: what came out of the step.
            clips: the number of this process's clips in the step.
            seconds: the time that the step took, in seconds.
            waited: how much of it the step waited for data.
        """
        self._clips += clips * ranks.world_size()
        self._seconds += seconds
        self._waited += waited
        if self.writer is None or step % self.interval:
            return
        points = {f"loss/{name}": term for name, term in result.terms.items()}
        points |= {"gradient_norm": result.gradient_norm, "learning_rate": result.learning_rate}
        memory = measure_peak_memory(self.device) / 1e9
        points |= {"speed/clips_per_second": self._clips / self._seconds, "memory/peak_gb": memory}
        points["speed/waiting_for_data"] = self._waited / self._seconds  # a share of the time
        with self._end_at_disk_errors():
            for name, value in points.items():
                self.writer.add_scalar(name, value, step)
        self._clips, self._seconds, self._waited = 0, 0.0, 0.0

    def add_evaluation(
        self, step: int, result: EvaluationResult, model: SLRModel, data: EvaluationData, vocabulary: Vocabulary
    ) -> None:  # fmt: skip
        """Note the WER of each head on dev, and draw how the network aligns the first clip.

        Args:
            step: the number of steps done.
            result: the evaluation of dev.
            model: the network that was evaluated.
            data: the split that was evaluated.
            vocabulary: the gloss dictionary.
        """
        if self.writer is None:
            return
        # Points lie at steps, not at epochs: numbers of epochs are lower, and the purge on resuming would miss them.
        picture = draw_alignment(model, data.loader, vocabulary)
        with self._end_at_disk_errors():
            for head, counts in result.results.items():
                self.writer.add_scalar(f"WER/dev-{head}", counts.wer, step)
            self.writer.add_image("alignment/dev", picture, step, dataformats="HWC")
            self.writer.flush()

    @contextmanager
    def _end_at_disk_errors(self) -> Iterator[None]:
        """Write no more curves, with a warning, where the disk is full or the folder gone: they are no training."""
        try:
            yield
        except OSError as error:
            LOGGER.info("warning: no more curves are written to %s: %s", self.folder, error.strerror or error)
            writer, self.writer = self.writer, None
            if writer and writer.file_writer:
                with suppress(OSError):  # its thread ends now, while what it raises is still dropped
                    writer.file_writer.close()

    def _drop_disk_errors(self, args: threading.ExceptHookArgs) -> None:
        if self._hook and not issubclass(args.exc_type, OSError):
            self._hook(args)


def measure_peak_memory(device: torch.device) -> int:
    """The most memory that was in use so far, in bytes: on a GPU what PyTorch took of it, else this process's."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
