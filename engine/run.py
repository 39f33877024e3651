"""One run, from a configuration to the table at the end."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from config.load import to_dict
from config.schema import Config
from engine.checkpoints import BEST, LAST
from engine.distributed import join_process_group, select_local_device
from engine.features import extract_features
from engine.provenance import add_start, collect_provenance
from engine.run_folder import check_run_folder, open_run_folder
from engine.tester import test
from engine.train_state import TrainState
from engine.trainer import Trainer
from evaluation.ctm import Reference
from evaluation.decode import make_decoder
from evaluation.evaluation_result import EvaluationResult
from evaluation.reporting.history import EpochRecord
from evaluation.reporting.report import format_summary, write_report
from evaluation.sclite import score_with_sclite
from utils import ranks
from utils.checkpoint import load_checkpoint
from utils.errors import InputError
from utils.log import LOGGER, start_log


class PhaseError(InputError):
    """The phase lacks something."""


def run(config: Config, notes: Sequence[str] = ()) -> list[EvaluationResult]:
    """Train and evaluate the best epoch, or evaluate given weights, or write their frame features.

    Where torchrun started several processes, each calls this, and they share the work.

    Args:
        config: of the run.
        notes: lines for the log about the configuration.

    Returns:
        what came out, by split.

    Raises:
        InputError: something that the run needs is missing or does not fit; the message says what.
    """
    device = select_local_device(config.device)
    with join_process_group(device):
        return _run(resumed(config), notes, device)


def resumed(config: Config) -> Config:
    """The configuration with the checkpoint that `resume` finds; as it is where there is none yet."""
    last = Path(config.work_dir) / LAST
    if not config.resume or config.load_checkpoints or not last.is_file():
        return config
    return replace(config, load_checkpoints=str(last))


def _run(config: Config, notes: Sequence[str], device: torch.device) -> list[EvaluationResult]:
    check_tools(config)
    torch.use_deterministic_algorithms(config.deterministic)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS refuses to be deterministic
    weights = config.load_weights or config.load_checkpoints
    if config.phase != "train" and not weights:
        raise PhaseError(f"--phase {config.phase} needs --load-weights FILE, e.g. the best.pt of a run")
    check_run_folder(config)
    trainer = Trainer(config, device) if config.phase == "train" else None
    folder = open_own_folder(config, device)
    for note in notes:
        LOGGER.info(note)
    LOGGER.info("%s on %s (%s), writing to %s", config.phase, config.dataset, describe_device(device), folder)
    if config.phase == "features":
        LOGGER.info("features:  %s", extract_features(config, weights, folder, device))
        return []
    if trainer:
        weights = train(trainer, folder)
        ranks.all_gather(None)
    evaluations = test(config, weights, folder, device)
    LOGGER.info("\n%s", format_summary(evaluations))
    if ranks.rank():
        return evaluations
    history = trainer.state.history if trainer else load_history(weights)
    page = write_report(folder, evaluations, to_dict(config), history, str(weights))
    LOGGER.info("report:          %s\nweights:         %s\nlog and curves:  %s", page, weights, folder)
    return evaluations


def open_own_folder(config: Config, device: torch.device) -> Path:
    """The run's folder, with its log begun and what it is made with written down."""
    ranks.all_gather(None)  # every process has looked at it before the first one changes it
    folder = Path(config.work_dir)
    if ranks.rank() == 0:
        folder = open_run_folder(config)
        name = "run.json" if config.phase == "train" else f"run-{config.phase}.json"
        add_start(folder / name, collect_provenance(device))
    ranks.all_gather(None)
    start_log(folder / "log.txt" if ranks.rank() == 0 else None, quiet=ranks.rank() > 0)
    return folder


def check_tools(config: Config) -> None:
    """Raise the InputError of a decoder or scorer that the configuration asks for and that does not work here."""
    make_decoder(config.decode_backend, config.decode_mode, config.beam_width)
    if config.evaluate_tool == "sclite":
        score_with_sclite([Reference("try", "nobody", ("A",))], {"try": ("A",)}, path=config.sclite_path)


def load_history(weights: str | Path) -> Sequence[EpochRecord]:
    """The learning curve in a checkpoint; empty if it is not this project's."""
    state = load_checkpoint(weights).get("train_state")
    return TrainState.from_dict(state).history if isinstance(state, dict) and "history" in state else ()


def train(trainer: Trainer, folder: Path) -> Path:
    """Train; the checkpoint of the best epoch."""
    state = trainer.train(folder)
    minutes = state.seconds / 60
    done = f"trained {state.epoch} epochs, {state.step} steps in {minutes:.1f} minutes"
    LOGGER.info("%s, evaluations included; %.1f s of them went into saving", done, trainer.saving)
    LOGGER.info("best dev WER %.2f %% in epoch %d", state.best_wer, state.best_epoch)
    return find_best_checkpoint(folder, trainer.config.load_checkpoints, state)


def find_best_checkpoint(folder: Path, resumed: str | None, state: TrainState) -> Path:
    """The checkpoint of the best epoch; a run resumed into another folder may have got no better than the older one.

    Where the older run's best checkpoint is gone, the last one is taken, and the log says so.
    """
    for path in (folder / BEST, *([Path(resumed).parent / BEST] if resumed else [])):
        if path.is_file():
            saved = load_checkpoint(path)["train_state"]
            if (saved["best_wer"], saved["best_epoch"]) == (state.best_wer, state.best_epoch):
                return path
    LOGGER.info("the checkpoint of the best epoch is not there: the last one is evaluated")
    return folder / LAST if (folder / LAST).is_file() else Path(resumed)


def describe_device(device: torch.device) -> str:
    """The device as a person knows it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {torch.get_num_threads()} threads" if device.type == "cpu" else device.type
