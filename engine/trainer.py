"""Training: epochs, resuming, and which checkpoint is best."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from config.load import to_dict
from config.schema import Config
from dataset.batch import Batch
from dataset.loader import build_loader, load_manifest, load_vocabulary, trainable
from engine.features import check_features
from engine.optim import build_optimizer, build_scheduler
from engine.train_state import TrainState
from evaluation.evaluate import Evaluation, evaluate, evaluation_data
from evaluation.history import EpochRecord
from evaluation.report import describe, write_report
from modules.losses import SLRCriterion
from slr_network import build_model
from utils.checkpoint import CheckpointError, check_glosses, load_checkpoint, load_weights, save_checkpoint
from utils.errors import InputError
from utils.log import LOGGER
from utils.seed import random_states, restore_random_states, seed_everything

LEARNING = {"dataset", "batch_size", "random_seed"}
SCORING = {"normalise", "merge_repeats", "decode_mode", "beam_width"}
DECISIVE = LEARNING | SCORING
"""Keys outside the sections that decide what is learnt, or which epoch counts as the best; in the sections all do."""


class NonFiniteLossError(InputError, RuntimeError):
    """The loss is infinite or not a number."""


class Trainer:
    """One training run.

    Args:
        config: of the run.
        device: to train on.

    Raises:
        InputError: what the run needs is missing or does not fit; nothing has been written then.
    """

    def __init__(self, config: Config, device: torch.device) -> None:
        seed_everything(config.random_seed)
        self.config = config
        self.device = device
        self.vocabulary = load_vocabulary(config)
        starts_from_file = bool(config.load_weights or config.load_checkpoints)
        model = build_model(config.model_args, self.vocabulary.num_classes, pretrained=not starts_from_file)
        if config.load_weights:
            load_weights(model, config.load_weights, config.ignore_weights)
        if config.feeder_args.datatype == "features":  # backbone and HFAM, which see frames, stay as they are
            model.conv2d.requires_grad_(False)
            model.HFEAM.requires_grad_(False)
        self.model = model.to(device)
        self.criterion = SLRCriterion(asdict(config.loss_weights), config.model_args.mask_padding)
        clips = load_manifest(config, "train")
        self.frame_size = clips.frame_size
        interval, skip = config.feeder_args.frame_interval, config.feeder_args.skip_short
        kept = trainable(clips, model.spec, interval, skip)
        self.skipped = len(clips.clips) - len(kept.clips)
        self.loader = build_loader(config, kept, self.vocabulary, training=True, pin_memory=device.type == "cuda")
        self.dev = evaluation_data(config, "dev", self.vocabulary)
        self.optimizer = build_optimizer(self.model, config.optimizer_args)
        self.scheduler = build_scheduler(self.optimizer, config.optimizer_args, len(self.loader))
        self.state = TrainState()
        if config.load_checkpoints:
            self._resume(config.load_checkpoints)
        check_features(config, self.model, self.frame_size)

    def train(self, folder: Path) -> TrainState:
        """Train until `num_epoch`, evaluating on the way and saving everything into `folder`."""
        config = self.config
        self.folder = folder
        self.writer = SummaryWriter(str(folder), purge_step=self.state.step + 1)
        self._log_start()
        started, before = time.monotonic(), self.state.seconds
        if self.state.epoch >= config.num_epoch:
            LOGGER.info("all %d epochs are done; raise num_epoch to train on", config.num_epoch)
        for epoch in range(self.state.epoch + 1, config.num_epoch + 1):
            record = self._train_epoch(epoch)
            evaluated = epoch % config.eval_interval == 0 or epoch == config.num_epoch
            result = self._evaluate_epoch(epoch) if evaluated else None
            if result:
                record = replace(record, wer=result.wer, conv_wer=result.results["conv"].wer)
            best = result is not None and result.wer < self.state.best_wer
            if best:
                self.state = replace(self.state, best_wer=result.wer, best_epoch=epoch)
            seconds, history = before + time.monotonic() - started, (*self.state.history, record)
            self.state = replace(self.state, epoch=epoch, seconds=seconds, history=history)
            if best:
                self._save("best.pt")
            if config.save_interval and epoch % config.save_interval == 0:
                self._save(f"epoch_{epoch}.pt")
            self._save("last.pt")
            if result:
                self._report(result, best)
        self.writer.close()
        return self.state

    def _log_start(self) -> None:
        clips, glosses = len(self.loader.dataset), len(self.vocabulary)
        weights = sum(p.numel() for p in self.model.parameters()) / 1e6
        LOGGER.info("%d training clips, %d glosses, %.1f M weights", clips, glosses, weights)
        if self.skipped:
            LOGGER.info("%d training clips are too short for their label and left out", self.skipped)
        if self.state.epoch:
            LOGGER.info(
                "resuming %s after epoch %d, best dev WER %.2f %% (epoch %d)",
                self.config.load_checkpoints,
                self.state.epoch,
                self.state.best_wer,
                self.state.best_epoch,
            )

    def _train_epoch(self, epoch: int) -> EpochRecord:
        self.model.train()
        self.loader.sampler.epoch = epoch
        started, total = time.monotonic(), 0.0
        step = self.state.step
        progress = tqdm(self.loader, desc=f"epoch {epoch}/{self.config.num_epoch}", unit="step", leave=False)
        for batch in progress:
            rate = self.optimizer.param_groups[0]["lr"]
            terms = self._train_step(batch)
            step += 1
            loss = float(terms["total"])
            total += loss
            progress.set_postfix(loss=f"{loss:.2f}")
            if step % self.config.log_interval == 0:
                self._log_step(step, terms, rate)
        self.state = replace(self.state, step=step)
        record = EpochRecord(epoch, total / len(self.loader), rate, time.monotonic() - started)
        LOGGER.info("epoch %d  loss %.3f  learning rate %.2e  %.0f s", epoch, record.loss, rate, record.seconds)
        return record

    def _train_step(self, batch: Batch) -> dict[str, Tensor]:
        """One step of the optimiser; the loss terms, detached."""
        batch = batch.to(self.device)
        output = self.model(batch.video, batch.lengths)
        terms = self.criterion(
            output.sequence_logits,
            output.conv_logits,
            output.scale_logits,
            output.lengths,
            batch.targets,
            batch.target_lengths,
        )
        if not torch.isfinite(terms["total"]):
            named = ", ".join(f"{name} {term.item():.4g}" for name, term in terms.items())
            clips = ", ".join(
                f"{clip} ({frames} frames, {glosses} glosses)"
                for clip, frames, glosses in zip(
                    batch.ids, batch.lengths.tolist(), batch.target_lengths.tolist(), strict=True
                )
            )
            raise NonFiniteLossError(
                f"the loss is not finite ({named}) on {clips}. A clip too short for its label does that, and so does "
                "a learning rate that is too high"
            )
        self.optimizer.zero_grad(set_to_none=True)
        terms["total"].backward()
        self.optimizer.step()
        self.scheduler.step()
        return {name: term.detach() for name, term in terms.items()}

    def _log_step(self, step: int, terms: dict[str, Tensor], rate: float) -> None:
        for name, term in terms.items():
            self.writer.add_scalar(f"loss/{name}", float(term), step)
        self.writer.add_scalar("learning_rate", rate, step)

    def _evaluate_epoch(self, epoch: int) -> Evaluation:
        """Evaluate on dev."""
        result = evaluate(self.config, self.model, self.dev, self.vocabulary, self.folder)
        for head, counts in result.results.items():
            self.writer.add_scalar(f"WER/dev-{head}", counts.wer, epoch)
        self.writer.flush()
        return result

    def _report(self, result: Evaluation, best: bool) -> None:
        """Write down what came out of an epoch, once its checkpoints are safe."""
        line = f"epoch {self.state.epoch}  {describe(result)}{'  (best so far)' if best else ''}"
        LOGGER.info(line)
        with (self.folder / "dev.txt").open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        weights = f"{self.folder / ('best.pt' if best else 'last.pt')} of epoch {self.state.epoch}"
        write_report(self.folder, [result], to_dict(self.config), self.state.history, weights)

    def _save(self, name: str) -> None:
        content: dict[str, Any] = {
            "model_state_dict": self.model.state_dict(),
            "optimizer_state_dict": self.optimizer.state_dict(),
            "scheduler_state_dict": self.scheduler.state_dict(),
            "train_state": asdict(self.state),
            "random_states": random_states(self.device),
            "config": to_dict(self.config),
            "glosses": list(self.vocabulary.glosses),
            "frame_size": self.frame_size,
        }
        save_checkpoint(self.folder / name, content)

    def _resume(self, path: str) -> None:
        content = load_checkpoint(path)
        needed = ("optimizer_state_dict", "scheduler_state_dict", "train_state", "random_states", "config", "glosses")
        missing = [key for key in needed if key not in content]
        if missing:
            raise CheckpointError(
                f"{path} cannot be resumed, it lacks {', '.join(missing)}; to start from its weights use --load-weights"
            )
        check_glosses(content, path, self.vocabulary.glosses)
        changed = changes(content["config"], to_dict(self.config))
        if changed:
            raise CheckpointError(
                f"{path} was trained with other settings, so this would be another experiment: {'; '.join(changed)}. "
                "Resume with the same, or start a new run from its weights with --load-weights"
            )
        load_weights(self.model, content, name=path)
        self.optimizer.load_state_dict(content["optimizer_state_dict"])
        self.scheduler.load_state_dict(content["scheduler_state_dict"])
        self.state = TrainState.from_dict(content["train_state"])
        restore_random_states(content["random_states"], self.device)


def changes(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Decisive settings that differ: "key: old -> new", None where the older version had no such key."""
    found = []
    for key, value in after.items():
        if isinstance(value, Mapping):
            found += changes(before.get(key, {}), value, f"{prefix}{key}.")
        elif key in DECISIVE or prefix:
            old = before.get(key)
            found += [f"{prefix}{key}: {old} -> {value}"] * (old != value)
    return found
