"""One run, from a configuration to the table at the end: a function for each phase."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from config.load import ConfigError
from config.schema import Config
from dataset.rendered import is_rendered, name_corpus
from engine.calibrate import calibrate_checkpoint
from engine.checkpoints import locate_best_checkpoint
from engine.distributed import join_process_group, open_local_device
from engine.evaluate_checkpoints import evaluate_checkpoints
from engine.features import extract_features
from engine.pad_to import settle_pad_to
from engine.provenance import add_start, collect_provenance, describe_device, record_settings
from engine.resume import find_checkpoint_to_resume
from engine.run_folder import check_run_folder, open_run_folder
from engine.run_lock import RunLock
from engine.train_state import TrainState
from engine.trainer import Trainer
from evaluation.calibration import ClipMeasures
from evaluation.compile_decoder import compile_decoder
from evaluation.decode import Decoder, make_decoder
from evaluation.ensemble import describe_weights
from evaluation.evaluation_result import EvaluationResult
from evaluation.reporting.history import EpochRecord
from evaluation.reporting.report import format_results_table, write_report
from evaluation.sclite import check_sclite
from evaluation.shallow_fusion import describe_decoder, load_fusion
from utils import ranks
from utils.checkpoint import load_checkpoint
from utils.checkpoint_file import BEST
from utils.interruption import Interruption
from utils.log import LOGGER, start_log
from utils.precision import describe_choice, resolve_precision, use_precision
from utils.text import plural
from utils.workers import choose_workers


def run(config: Config, notes: Sequence[str] = ()) -> list[EvaluationResult]:
    """Run the phase that a configuration asks for.

    Where torchrun started several processes, each calls this, and they share the work.

    Args:
        config: the run's configuration.
        notes: lines for the log about the configuration.

    Returns:
        the evaluation of each split; none of the phase `features`.

    Raises:
        InputError: something that the run needs is missing or does not fit; the message says what.
        Interrupted: it was asked to stop.
    """
    device, note = open_local_device(config)
    notes = [*notes, note] if note else notes
    check_tools(config)
    # A signal that comes before or after the training ends the run too, but not without giving its folder free.
    with (
        Interruption() as interruption,
        interruption.at_once(),
        join_process_group(device),
        lock_work_dir(config) as lock,
    ):
        config = replace(config, load_checkpoints=find_checkpoint_to_resume(config))
        torch.use_deterministic_algorithms(config.deterministic)
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it cuBLAS refuses to be deterministic
        use_precision(config.precision, device)
        return PHASES[config.phase](config, [*notes, *describe_choice(config.precision, device)], device, lock)


@contextmanager
def lock_work_dir(config: Config) -> Iterator[RunLock | None]:
    """Hold the run's folder while it is entered; of several processes the first one does, and the others get None."""
    if ranks.rank():
        yield None
        return
    with RunLock(config.work_dir, config.take_over) as lock:
        yield lock


def train(config: Config, notes: Sequence[str], device: torch.device, lock: RunLock | None) -> list[EvaluationResult]:
    """Train, then evaluate the best epoch on every split and report it."""
    config = settle_pad_to(config, device)
    check_run_folder(config)
    # The trainer is built before the folder is opened: if it finds something missing or wrong, the run ends before
    # anything has been written or moved aside.
    trainer = Trainer(config, device, lock)
    folder = start_run(config, notes, device, lock)
    prepare_decoder(config)  # now, and not in the middle of the training, after its first epoch
    state = trainer.train()
    done = f"trained {plural(state.epoch, 'epoch')}, {plural(state.step, 'step')} in {state.seconds / 60:.1f} minutes"
    LOGGER.info("%s, evaluations included; %.1f s of them went into saving", done, trainer.seconds_saving)
    LOGGER.info("best dev WER %.2f %% in epoch %d", state.best_wer, state.best_epoch)
    weights = locate_best_checkpoint(folder, config.load_checkpoints, state)
    ranks.all_gather(None)  # all have found it before the first one writes again
    measures = ClipMeasures()
    evaluations = evaluate_checkpoints(config, [weights], folder, device, measures)
    if weights == folder / BEST:  # of a run that was resumed from elsewhere it may be another's
        calibrate_checkpoint(evaluations[0], measures, weights, lock)
    settings = record_settings(config, device)
    report_results(settings, evaluations, trainer.state.history, str(weights), folder, notes)
    return evaluations


def test(config: Config, notes: Sequence[str], device: torch.device, lock: RunLock | None) -> list[EvaluationResult]:
    """Evaluate given weights on every split and report it."""
    weights = require_weights(config)
    named = describe_weights(weights, config.tta)
    folder = start_run(config, notes, device, lock)
    prepare_decoder(config)
    evaluations = evaluate_checkpoints(config, weights, folder, device)
    alone = len(weights) == 1 and ranks.rank() == 0  # several have no common history, and the first process reports
    history = load_history(weights[0]) if alone else ()
    report_results(record_settings(config, device), evaluations, history, named, folder, notes)
    return evaluations


def extract(config: Config, notes: Sequence[str], device: torch.device, lock: RunLock | None) -> list[EvaluationResult]:
    """Write the backbone's features of every frame to files; nothing is evaluated."""
    (weights,) = require_weights(config)
    folder = start_run(config, notes, device, lock)
    LOGGER.info("features:  %s", extract_features(config, weights, folder, device))
    return []


PHASES = {"train": train, "test": test, "features": extract}


def check_tools(config: Config) -> None:
    """Raise the InputError of a decoder or scorer that the configuration asks for and that does not work here.

    Every phase begins with this, so that a missing tool is known before hours of training and not after.
    """
    load_decoder(config)
    if config.evaluate_tool == "sclite":
        check_sclite(config.sclite_path)


def load_decoder(config: Config) -> Decoder:
    """The decoder of the evaluations, with the language model that it counts in."""
    return make_decoder(config.decode_backend, config.decode_mode, config.beam_width, load_fusion(config))


def prepare_decoder(config: Config) -> None:
    """Log what the beam search adds to what the network gives, and compile it where that has not been done before."""
    for line in describe_decoder(config):
        LOGGER.info(line)
    compile_decoder(load_decoder(config), LOGGER.info)


def require_weights(config: Config) -> tuple[str, ...]:
    """The checkpoints that a phase other than training works with; in the phase `test` there may be several.

    Raises:
        ConfigError: none is given.
    """
    weights = config.weight_files or (config.load_checkpoints,)
    if not all(weights):
        raise ConfigError(f"--phase {config.phase} needs --load-weights FILE, e.g. the best.pt of a run")
    return tuple(map(str, weights))


def start_run(config: Config, notes: Sequence[str], device: torch.device, lock: RunLock | None) -> Path:
    """Open the run's folder, begin the log in it, and write down what the run is made with."""
    precision = resolve_precision(config.precision, device)
    ranks.all_gather(None)  # every process has looked at the folder before the first one changes it
    folder = Path(config.work_dir)
    if lock:
        folder = open_run_folder(config, lock)
        name = "run.json" if config.phase == "train" else f"run-{config.phase}.json"
        add_start(folder / name, collect_provenance(device, precision))
    ranks.all_gather(None)  # the folder is there for all
    start_log(folder / "log.txt" if ranks.rank() == 0 else None, quiet=ranks.rank() > 0)
    for note in [*notes, lock.note] if lock and lock.note else notes:
        LOGGER.info(note)
    workers = choose_workers(config.num_worker, on_cpu=device.type == "cpu")
    if config.num_worker == "auto":
        LOGGER.info("frames are read by %s (num_worker: auto)", plural(workers, "worker"))
    elif workers < config.num_worker:
        line = "frames are read by %s, not by num_worker's %d: this process may use no more cores"
        LOGGER.info(line, plural(workers, "worker"), config.num_worker)
    corpus = name_corpus(config.dataset, is_rendered(config.prepared))
    line = "%s on %s (%s, %s), writing to %s"
    LOGGER.info(line, config.phase, corpus, describe_device(device), precision, folder)
    return folder


def report_results(
    settings: Mapping[str, Any],
    evaluations: Sequence[EvaluationResult],
    history: Sequence[EpochRecord],
    weights: str,
    folder: Path,
    notes: Sequence[str],
) -> None:
    """Log the table of the evaluations and write the report; of several processes the first does.

    `settings` are what `record_settings` gives, and `weights` what was evaluated, in words.
    """
    LOGGER.info("\n%s", format_results_table(evaluations))
    if ranks.rank() == 0:
        page = write_report(folder, evaluations, settings, history, weights, notes)
        LOGGER.info("report:          %s\nweights:         %s\nlog and curves:  %s", page, weights, folder)


def load_history(weights: str | Path) -> Sequence[EpochRecord]:
    """The learning curve in a checkpoint; empty if it is not this project's."""
    state = load_checkpoint(weights).get("train_state")
    return TrainState.from_dict(state).history if isinstance(state, dict) and "history" in state else ()
