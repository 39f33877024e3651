"""Training: epochs, the evaluation after each of them, and saving."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path

import torch

from config.schema import Config
from dataset.batch import Batch
from dataset.loader import build_run_loader, drop_short_clips
from dataset.manifest import load_manifest
from dataset.vocabulary import load_vocabulary
from engine.checkpoint_entries import describe_training
from engine.checkpoints import BEST, LAST, Checkpoints, is_best
from engine.copy_ahead import copy_ahead
from engine.curves import Curves
from engine.moving_average import MovingAverage, describe_networks
from engine.optim import freeze_unused
from engine.progress import describe_epoch, describe_resuming, describe_sizes, gather_waiting
from engine.provenance import record_settings
from engine.resume import resume_training
from engine.run_folder import write_history
from engine.run_lock import RunLock
from engine.skips import check_skips, count_unreadable
from engine.train_state import TrainState
from engine.training_step import build_step, group_batches, prepare_network
from evaluation.evaluate import evaluate, load_evaluation_data
from evaluation.evaluation_result import EvaluationResult
from evaluation.load_network import check_features
from evaluation.reporting.history import EpochRecord
from evaluation.reporting.report import format_result_line, write_report
from slr_network import build_model
from utils import ranks
from utils.checkpoint import load_weights
from utils.device import move_to_device
from utils.errors import InputError
from utils.interruption import Interrupted, Interruption
from utils.log import LOGGER
from utils.progress import show_progress
from utils.seed import get_random_states, seed_everything


class Trainer:
    """One training run. Of several processes each has a trainer of its own, and only the first writes files.

    Args:
        config: the run's configuration.
        device: the device to train on.
        lock: the lock of the run's folder, in the process that writes there.

    Attributes:
        state: how far the training has come.
        seconds_saving: the time that this process spent on writing checkpoints.

    Raises:
        InputError: what the run needs is missing or does not fit; nothing has been written then.
    """

    def __init__(self, config: Config, device: torch.device, lock: RunLock | None = None) -> None:
        seed_everything(config.random_seed)  # every process draws the same weights
        self.config = config
        self.device = device
        self.vocabulary = load_vocabulary(config.prepared, config.dataset, config.dataset_root)
        feeder = config.feeder_args
        # Weights from a file replace all of the backbone's: ImageNet's would be downloaded for nothing.
        starts_from_file = bool(config.load_weights or config.load_checkpoints)
        model = build_model(config.model_args, self.vocabulary.num_classes, pretrained=not starts_from_file)
        for file in config.weight_files:  # one at most, as the configuration makes sure
            load_weights(model, file, config.ignore_weights)
        freeze_unused(model, config.loss_weights, feeder.datatype == "features", config.freeze_bn)
        self.model = move_to_device(model, device)
        self.average = MovingAverage(self.model, config.ema) if config.ema else None
        clips = load_manifest(config.prepared, config.dataset, "train")
        self.clips = drop_short_clips(clips, model.spec, feeder.frame_interval, feeder.skip_short)
        self.left_out = len(clips.clips) - len(self.clips.clips)
        self.loader = build_run_loader(config, self.clips, self.vocabulary, model.spec, device, training=True)
        self.steps = -(-len(self.loader) // config.accumulate)  # in an epoch
        self.dev = load_evaluation_data(config, "dev", self.vocabulary, device)
        network, skip = prepare_network(config, self.model, device), config.on_nonfinite == "skip"
        weights, optimizer = config.loss_weights, config.optimizer_args
        self.step = build_step(network, self.model, weights, optimizer, device, self.steps, skip)
        # A second time: dropout is to differ among the processes, and not to depend on what was drawn until here.
        seed_everything(config.random_seed + ranks.rank())
        self.state = TrainState()
        self.said: list[str] = []
        if config.load_checkpoints:  # after the seeds, whose random states it replaces
            self.state, self.said = resume_training(
                config, self.model, self.average, self.step, self.clips, self.vocabulary.glosses, self.steps
            )
        check_features(feeder, self.model, self.clips.frame_size)
        self.folder = Path(config.work_dir)
        self.checkpoints = Checkpoints(self.folder, config.keep, lock)
        self.curves = Curves(self.folder, self.state.step, config.log_interval, device)
        self.interruption = Interruption()
        self.seconds_saving = 0.0
        self._started = time.monotonic()  # set again when the training begins

    def train(self) -> TrainState:
        """Train until `num_epoch`, evaluating on the way and saving everything into the run's folder.

        Raises:
            Interrupted: the run was asked to stop; all that it had done is in last.pt.
        """
        config = self.config
        if ranks.rank() == 0:
            self.checkpoints.sweep()
            write_history(self.folder, self.state.history)
        self._log_start()
        self._started = time.monotonic() - self.state.seconds  # the time before a resuming counts
        with self.interruption, self.curves:
            for epoch in range(self.state.epoch + 1, config.num_epoch + 1):
                record = self._train_epoch(epoch)
                evaluated = epoch % config.eval_interval == 0 or epoch == config.num_epoch
                self._finish_epoch(record, self._evaluate_epoch() if evaluated else None)
            self._stop_if_asked()
        return self.state

    def _log_start(self) -> None:
        weights = sum(p.numel() for p in self.model.parameters())
        numbers = len(self.clips.clips), self.left_out, len(self.vocabulary), weights, self.steps
        resuming = describe_resuming(self.config, self.state, self.steps, self.said)
        for line in describe_sizes(self.config, *numbers) + resuming:
            LOGGER.info(line)

    def _train_epoch(self, epoch: int) -> EpochRecord:
        """Train on what is left of an epoch."""
        config = self.config
        self.model.train()
        self.loader.sampler.set_position(epoch, self.state.progress.batches)
        clock = time.monotonic()
        shown = show_progress(
            self._wait_for_batches(), self.steps, f"epoch {epoch}/{config.num_epoch}", "step", ranks.rank() > 0,
            self.state.progress.steps, lambda: self.state.describe_progress(config.num_epoch, self.steps),
        )  # fmt: skip
        with closing(shown) as steps:
            for batches, waited in steps:
                result = self.step(batches)
                if self.average and not result.skipped:
                    self.average.update(self.model)
                now, state = time.monotonic(), self.state
                progress = state.progress.add_step(result, len(batches), now - clock, waited)
                # An overflow is no mishap: it is how the scaler finds the scale for float16.
                skipped = state.skipped + int(result.skipped and not result.overflow)
                if config.on_bad_clip == "skip":
                    skipped += count_unreadable(batches)
                self.state = replace(state, step=state.step + 1, skipped=skipped, progress=progress)
                clips = sum(len(batch.ids) for batch in batches)
                self.curves.add_step(self.state.step, result, clips, now - clock, waited)
                clock = now
                self._save_or_stop()
        self._save(LAST)  # before the evaluation: one that fails or is interrupted then costs nothing
        record = gather_waiting(self.state.progress.to_record(epoch))
        for line in describe_epoch(record, self.loader.num_workers):
            LOGGER.info(line)
        return record

    def _wait_for_batches(self) -> Iterator[tuple[list[Batch], float]]:
        """The batches of each step and the seconds waited; an error or a signal instead finds nothing half done."""
        groups = group_batches(copy_ahead(self.loader, self.device), self.config.accumulate)
        alone = ranks.world_size() == 1  # else the others wait for this process's gradients, and nobody could save
        while True:
            begun = time.monotonic()
            try:
                with self.interruption.at_once(saved=True) if alone else nullcontext():
                    batches = next(groups, None)
            except (Interrupted, InputError):
                if alone and self.state.step:
                    self._save(LAST)
                raise
            if batches is None:
                return
            yield batches, time.monotonic() - begun

    def _save_or_stop(self) -> None:
        """Save or stop between two steps, if it is time to."""
        check_skips(self.state.skipped, self.config.max_skips)
        self._stop_if_asked()
        if self.config.save_every_steps and self.state.step % self.config.save_every_steps == 0:
            self._save(LAST)

    def _stop_if_asked(self) -> None:
        # The processes agree on it after every step: a signal may reach only some of them, or some of them later.
        if any(ranks.all_reduce_mean([self.interruption.requested])):
            self._save(LAST)
            raise Interrupted(self.interruption.requested or signal.SIGTERM, saved=True)

    def _evaluate_epoch(self) -> EvaluationResult:
        """Evaluate on dev, the average of the weights where there is one."""
        with self.interruption.at_once(saved=True):  # there is nothing to wait for
            model = self.average.share() if self.average else self.model
            return evaluate(self.config, model, self.dev, self.vocabulary, self.folder)

    def _finish_epoch(self, record: EpochRecord, result: EvaluationResult | None) -> None:
        """Save what came out of an epoch, then write it down."""
        best = result is not None and is_best(result.wer, self.state)
        if result:
            text = f"{format_result_line(result)}{'  (best so far)' if best else ''}"
            record = replace(record, wer=result.wer, conv_wer=result.results["conv"].wer, dev=text)
        self.state = self.state.finish_epoch(record, best)
        # best.pt is written before last.pt: a run that is killed between the two resumes before this evaluation, and
        # writes best.pt again. The other way round it would resume after it, and the best weights would be lost.
        names = [BEST] if best else []
        if self.config.save_interval and record.epoch % self.config.save_interval == 0:
            names.append(f"epoch_{record.epoch}.pt")
        self._save(*names, LAST)
        if ranks.rank() == 0:
            self.checkpoints.prune()
            write_history(self.folder, self.state.history)
        if result:
            evaluated = self.average.network if self.average else self.model
            self.curves.add_evaluation(self.state.step, result, evaluated, self.dev, self.vocabulary)
            LOGGER.info("epoch %d  %s", record.epoch, record.dev)
            if ranks.rank() == 0:
                file = f"{self.folder / (BEST if best else LAST)} of epoch {record.epoch}"
                write_report(self.folder, [result], record_settings(self.config, self.device), self.state.history, file)

    def _save(self, *names: str) -> None:
        """Write a checkpoint under these names; to be called by all processes."""
        begun = time.monotonic()
        self.state = replace(self.state, seconds=begun - self._started)
        states = ranks.all_gather(get_random_states(self.device))
        if ranks.rank() == 0:
            content = {
                **describe_networks(self.model, self.average),
                **describe_training(self.config, self.step, self.state, self.clips, self.vocabulary),
                "random_states": states[0],
                "random_states_of_others": states[1:],
            }
            self.checkpoints.save(content, names)
        # All wait for the first one: torchrun would kill it while it writes, if another one stopped before.
        ranks.all_gather(None)
        self.seconds_saving += time.monotonic() - begun
