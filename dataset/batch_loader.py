"""Waiting for batches that worker processes read: what is said when none comes, and when a worker is gone."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from multiprocessing.process import BaseProcess
from typing import Any, cast

from torch.utils.data import DataLoader

from dataset.batch import Batch
from dataset.order import DistributedEpochSampler
from dataset.shared_memory import REMEDY
from utils.errors import InputError, is_out_of_memory
from utils.log import LOGGER
from utils.text import plural, shorten

GLANCE = 5.0  # seconds after which a look is taken whether the workers still live
SILENCE = 60.0  # seconds without a batch after which a line says so
LESS_MEMORY = "lower num_worker, batch_size or test_batch_size, which takes less memory"
# What PyTorch says where a worker could not put a batch into shared memory.
NO_SHARED_MEMORY = re.compile(r"shared memory|Bus error|unable to (write to|resize) file </torch_")
NO_MORE_FILES = re.compile(r"Too many open files|ancdata|unable to open shared memory object")


class BatchLoader(DataLoader[Any]):
    """PyTorch's loader, which waits for a batch neither for ever nor in silence.

    Args:
        patience: the seconds without a batch after which waiting ends with an error; 0 waits for ever.
        note: a line for the log, before the first batch.
        options: PyTorch's, by keyword.

    Attributes:
        dataset: a `ClipDataset`, or a `FeatureDataset`.
        sampler: the order, whose position is set before each epoch.
        batch_sampler: the same order, a batch at a time.
    """

    dataset: Any
    batch_sampler: Iterable[list[tuple[int, int]]]
    sampler: DistributedEpochSampler

    def __init__(self, *, patience: float = 0.0, note: str = "", **options: Any) -> None:
        super().__init__(**options, timeout=GLANCE if options.get("num_workers") else 0)
        self.patience = patience
        self.note = note

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]  # PyTorch's own iterators have nothing else
        """The batches.

        Raises:
            InputError: a worker was killed, memory ran out, or no batch came for `patience` seconds.
        """
        if self.note:
            LOGGER.info(self.note)
            self.note = ""
        self._look_after_idle_workers()
        batches: Any = super().__iter__()
        if self.num_workers:
            batches._timeout = self.timeout
        for number in range(len(self) + 1):  # one more: PyTorch's iterator has to come to its end
            try:
                batch = self._wait(batches, number) if self.num_workers else next(batches)
            except StopIteration:
                return
            yield batch

    def _look_after_idle_workers(self) -> None:
        """Get ready for workers that have had nothing to do since the last epoch, perhaps for hours.

        If one was killed meanwhile, new ones start. Else PyTorch first waits until all have answered, which takes a
        while where they were moved out of memory: it must not give up after `timeout`.
        """
        idle = cast(Any, self._iterator)
        if idle is None:
            return
        codes = [worker.exitcode for worker in idle._workers if worker.exitcode is not None]
        if codes:  # most often the system has killed them because memory ran out
            LOGGER.info(f"{plural(len(codes), 'worker')} ended with nothing to do, status {codes[0]}: new ones start")
            self._iterator = None
        else:
            idle._timeout = 0

    def _wait(self, batches: Iterator[Batch], number: int) -> Batch:
        """The batch with this number in what is left of the epoch."""
        workers: list[BaseProcess] = getattr(batches, "_workers", [])
        begun, told = time.monotonic(), False
        try:
            while True:
                try:
                    return next(batches)
                except RuntimeError as error:
                    if "timed out" not in str(error) or any(worker.exitcode is not None for worker in workers):
                        raise
                seconds = time.monotonic() - begun
                self._check_patience(seconds, number)
                if seconds >= SILENCE and not told:
                    told = True
                    LOGGER.info(self._describe_silence(seconds, number, len(workers)))
        except StopIteration:
            raise
        except BaseException as error:
            codes = [worker.exitcode for worker in workers if worker.exitcode is not None]
            for worker in workers:  # PyTorch would wait for each of them, and they may wait for a disk for ever
                worker.kill()
            explained = _explain(error, codes)
            if explained:
                raise InputError(explained) from error
            raise

    def _check_patience(self, seconds: float, number: int) -> None:
        if self.patience and seconds >= self.patience:
            raise InputError(
                f"no batch came for {seconds / 60:.1f} minutes, although all processes that read frames live; waited "
                f"for {self._name_clips(number)}. Look whether their disk or network drive answers; loader_timeout is "
                "the number of minutes, and 0 waits for ever"
            )

    def _describe_silence(self, seconds: float, number: int, workers: int) -> str:
        end = f"after {self.patience / 60:g} minutes the run ends (loader_timeout)" if self.patience else "waiting on"
        return (
            f"no batch for {seconds:.0f} s: all {workers} processes that read frames live, and the next batch is "
            f"{self._name_clips(number)}; {end}"
        )

    def _name_clips(self, number: int) -> str:
        """The clips of the batch with this number."""
        keys = next(islice(iter(self.batch_sampler), number, None), [])
        return shorten([self.dataset.manifest.clips[index].id for _, index in keys]) or "the end of the epoch"


def _explain(error: BaseException, codes: Sequence[int]) -> str:
    """Say what an error means for the user; nothing if it is no concern of the workers, or says it itself.

    Args:
        error: the error that came instead of a batch.
        codes: the exit codes of the workers that have ended.
    """
    if isinstance(error, InputError) or not isinstance(error, Exception):
        return ""
    message = str(error)
    killed = [-code for code in codes if code < 0]
    name = signal.Signals(killed[0]).name if killed else ""
    status = codes[0] if codes else 0
    reasons = (
        (
            bool(NO_MORE_FILES.search(message)),
            "too many files are open: raise the limit (ulimit -n 65536), or lower num_worker",
        ),
        (
            name == "SIGBUS" or bool(NO_SHARED_MEMORY.search(message)),
            f"/dev/shm ran full, through which worker processes hand over batches: {REMEDY}",
        ),
        (
            killed,
            f"a process that reads frames was killed ({name}). Most often the system does that because memory ran out: "
            f"{LESS_MEMORY}; with num_worker 0 the main process reads the frames",
        ),
        (
            codes,
            f"a process that reads frames ended with status {status}; with num_worker 0 the main process reads the "
            "frames, and says more",
        ),
        (
            is_out_of_memory(error) or "MemoryError" in message,
            f"memory ran out in a process that reads frames: {LESS_MEMORY}",
        ),
    )
    return next((reason for holds, reason in reasons if holds), "")
