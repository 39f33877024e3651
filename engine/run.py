"""One run, from a configuration to the table at the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from config.schema import Config
from engine.run_folder import open_run_folder
from engine.tester import test
from engine.trainer import Trainer
from evaluation.evaluate import Evaluation
from evaluation.report import summary
from evaluation.sclite import find_sclite
from utils.device import select_device
from utils.errors import InputError
from utils.log import LOGGER, start_log
from utils.memory import keep_freed_memory


class PhaseError(InputError):
    """The phase lacks something."""


def run(config: Config, notes: Sequence[str] = ()) -> list[Evaluation]:
    """Train and evaluate the best epoch, or evaluate given weights.

    Args:
        config: of the run.
        notes: lines for the log about the configuration.

    Returns:
        what came out, by split.

    Raises:
        InputError: something that the run needs is missing or does not fit; the message says what.
    """
    device = select_device(config.device)
    if device.type == "cpu":
        keep_freed_memory()
    if config.evaluate_tool == "sclite":
        find_sclite()
    weights = config.load_weights or config.load_checkpoints
    if config.phase == "test" and not weights:
        raise PhaseError("--phase test needs --load-weights FILE, e.g. the best.pt of a run")
    folder = open_run_folder(config)
    start_log(folder / "log.txt")
    for note in notes:
        LOGGER.info(note)
    LOGGER.info("%s on %s (%s), writing to %s", config.phase, config.dataset, describe_device(device), folder)
    if config.phase == "train":
        weights = train(config, folder, device)
    evaluations = test(config, weights, folder, device)
    LOGGER.info("\n%s", summary(evaluations))
    LOGGER.info("weights:         %s\nlog and curves:  %s", weights, folder)
    return evaluations


def train(config: Config, folder: Path, device: torch.device) -> Path:
    """Train; the checkpoint of the best epoch."""
    trainer = Trainer(config, folder, device)
    LOGGER.info(
        "%d training clips, %d glosses, %.1f M weights",
        len(trainer.loader.dataset),
        len(trainer.vocabulary),
        sum(p.numel() for p in trainer.model.parameters()) / 1e6,
    )
    state = trainer.train()
    LOGGER.info(
        "trained %d epochs, %d steps in %.1f minutes; best dev WER %.2f %% in epoch %d",
        state.epoch,
        state.step,
        state.seconds / 60,
        state.best_wer,
        state.best_epoch,
    )
    return best_checkpoint(folder, config.load_checkpoints)


def best_checkpoint(folder: Path, resumed: str | None) -> Path:
    """The best checkpoint of a run; where it was resumed into another folder and got no better, that of the older one."""
    candidates = [folder / "best.pt", *([Path(resumed).parent / "best.pt", Path(resumed)] if resumed else [])]
    return next(path for path in candidates if path.is_file())


def describe_device(device: torch.device) -> str:
    """The device as a person knows it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {torch.get_num_threads()} threads" if device.type == "cpu" else device.type
