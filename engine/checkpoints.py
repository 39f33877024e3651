"""The checkpoints in a run folder: written whole, pruned, and the best among them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.run_lock import RunLock
from engine.train_state import TrainState
from utils.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from utils.checkpoint_file import BEST, LAST
from utils.files import atomic_path
from utils.log import LOGGER


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run.

    Attributes:
        folder: the run's folder.
        keep: the number of epoch_N.pt that stay; 0 keeps all. The best and the last one always stay.
        lock: the lock of the folder, without which nothing is written; None where nobody else can write there.
    """

    folder: Path
    keep: int = 0
    lock: RunLock | None = None

    def save(self, content: Mapping[str, Any], names: Sequence[str]) -> None:
        """Write one checkpoint under each of these names, in their order.

        A program that is killed at any moment leaves under each name the older checkpoint or the new one, whole.

        Raises:
            CheckpointError: the disk is full; the older ones are whole.
            InputError: another run has taken the folder over.
        """
        if self.lock:
            self.lock.check()
        save_checkpoint(self.folder / names[0], content)
        for name in names[1:]:
            try:
                with atomic_path(self.folder / name) as temporary:
                    shutil.copyfile(self.folder / names[0], temporary)
            except OSError as error:
                raise CheckpointError(f"cannot write the checkpoint {self.folder / name}: {error}") from error

    def prune(self) -> None:
        """Delete all but the `keep` newest of epoch_N.pt."""
        if not self.keep:
            return
        numbered = {int(match[1]): path for path in self.folder.iterdir() if (match := match_numbered(path))}
        for epoch in sorted(numbered)[: -self.keep]:
            numbered[epoch].unlink()

    def sweep(self) -> None:
        """Delete what a program that was killed while it wrote a checkpoint left behind."""
        for path in self.folder.glob(".*.pt"):
            LOGGER.info("deleted %s, half of a checkpoint", path)
            path.unlink()


def is_best(wer: float, state: TrainState) -> bool:
    """Whether an epoch is the best so far: it has the lowest WER on dev. Of two with the same the earlier one stays.

    Args:
        wer: the WER of the sequence head on dev after the epoch, in percent.
        state: how far the training had come before this epoch, with its best WER.
    """
    return wer < state.best_wer


def locate_best_checkpoint(folder: Path, resumed: str | None, state: TrainState) -> Path:
    """The checkpoint of the best epoch.

    A run that was resumed into another folder may have got no better than the older one: then it is the older one's
    best.pt. Where that is gone, the last checkpoint is taken, and the log says so.

    Args:
        folder: the run's folder.
        resumed: the checkpoint that the run was resumed from, if it was.
        state: how far the training came, with its best WER.
    """
    candidates = [folder / BEST]
    if resumed:
        candidates.append(Path(resumed).parent / BEST)
    for path in candidates:
        if path.is_file():
            # A best.pt of another training, or of later epochs of the older run, lies there under the same name.
            try:
                saved = load_checkpoint(path).get("train_state", {})
            except CheckpointError as error:
                LOGGER.info("warning: %s", error)
                continue
            if (saved.get("best_wer"), saved.get("best_epoch")) == (state.best_wer, state.best_epoch):
                return path
    LOGGER.info("the checkpoint of the best epoch is not there: the last one is evaluated")
    if not resumed or (folder / LAST).is_file():
        return folder / LAST
    return Path(resumed)


def match_numbered(path: Path) -> re.Match[str] | None:
    """The match of a checkpoint's name with the number of its epoch as the first group; None for another file."""
    return re.fullmatch(r"epoch_(\d+)\.pt", path.name)
