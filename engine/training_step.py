"""One step of the optimiser."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import LRScheduler

from dataset.batch import Batch
from modules.losses import SLRCriterion
from utils import processes
from utils.errors import InputError
from utils.log import LOGGER
from utils.memory import is_out_of_memory


class NonFiniteLossError(InputError, RuntimeError):
    """The loss, or its gradient, is infinite or not a number."""


class TrainingMemoryError(InputError, MemoryError):
    """A step needs more memory than there is."""


@dataclass(frozen=True)
class StepResult:
    """What came out of a step.

    Attributes:
        loss: mean over the clips of all processes.
        terms: of the loss, by name, of this process's clips, detached.
        gradient_norm: L2, before clipping.
        learning_rate: of the step.
        skipped: nothing was learnt, because the loss or its gradient is not finite.
    """

    loss: float
    terms: Mapping[str, Tensor]
    gradient_norm: float
    learning_rate: float
    skipped: bool


@dataclass(frozen=True)
class TrainingStep:
    """Forward, backward, optimiser and learning rate.

    Attributes:
        network: the model, or what shares it among processes.
        criterion: the loss.
        optimizer, scheduler: of the model's weights.
        device: of the model.
        max_norm: gradients are scaled down to this L2 norm; 0 leaves them as they are.
        skip: leave out steps whose loss or gradient is not finite, instead of raising.
    """

    network: nn.Module
    criterion: SLRCriterion
    optimizer: torch.optim.Optimizer
    scheduler: LRScheduler
    device: torch.device
    max_norm: float = 0.0
    skip: bool = False

    def __call__(self, batches: Sequence[Batch]) -> StepResult:
        """Learn from all clips of `batches`, one batch in memory after the other.

        Raises:
            NonFiniteLossError: the loss or its gradient is not finite, and `skip` is off; names the clips.
            TrainingMemoryError: memory ran out; names the clips and what helps.
        """
        statistics = [buffer.clone() for buffer in self.network.buffers()] if self.skip else []
        rate = self.optimizer.param_groups[0]["lr"]
        self.optimizer.zero_grad(set_to_none=True)
        terms = self._backward(batches)
        norm = self._gradient_norm()
        here = float(terms["total"])
        finite = all(map(torch.isfinite, (terms["total"], norm)))
        loss, wrong = processes.mean([here, float(not finite)], self.device)
        if not wrong:
            self.optimizer.step()
        elif not self.skip:
            raise NonFiniteLossError(explain(batches, terms, float(norm), finite))
        else:
            LOGGER.info("a step was skipped: %s", explain(batches, terms, float(norm), finite))
            for buffer, before in zip(self.network.buffers(), statistics, strict=True):
                buffer.copy_(before)
        self.scheduler.step()
        return StepResult(loss, terms, float(norm), rate, bool(wrong))

    def _backward(self, batches: Sequence[Batch]) -> dict[str, Tensor]:
        """Gradients of the mean over all clips, left in the weights; the terms of the loss, detached."""
        clips = sum(len(batch.ids) for batch in batches)
        terms: dict[str, Tensor] = {}
        for number, batch in enumerate(batches, start=1):
            waits = isinstance(self.network, DistributedDataParallel) and number < len(batches)
            part = len(batch.ids) / clips
            try:
                with self.network.no_sync() if waits else nullcontext():
                    of_batch = self._loss(batch)
                    (part * of_batch["total"]).backward()
            except (RuntimeError, MemoryError) as error:
                if is_out_of_memory(error):
                    raise TrainingMemoryError(out_of_memory(batch)) from error
                raise
            for name, term in of_batch.items():
                terms[name] = terms.get(name, 0.0) + part * term.detach()
        return terms

    def _loss(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of the loss."""
        batch = batch.to(self.device)
        scales = None if self.criterion.weights["AuxCTC"] else False  # HFAM, computed only where it counts
        output = self.network(batch.video, batch.lengths, scales)
        return self.criterion(
            output.sequence_logits,
            output.conv_logits,
            output.scale_logits,
            output.lengths,
            batch.targets,
            batch.target_lengths,
        )

    def _gradient_norm(self) -> Tensor:
        """L2 norm of all gradients, which are then scaled down to `max_norm`."""
        weights = [weight for weight in self.network.parameters() if weight.grad is not None]
        norm = nn.utils.get_total_norm([weight.grad for weight in weights])
        if self.max_norm:
            nn.utils.clip_grads_with_norm_(weights, self.max_norm, norm)
        return norm


def grouped(batches: Iterable[Batch], size: int) -> Iterator[list[Batch]]:
    """`size` batches at a time, the last time those that are left."""
    rest = iter(batches)
    while group := list(islice(rest, size)):
        yield group


def explain(batches: Sequence[Batch], terms: Mapping[str, Tensor], norm: float, finite: bool) -> str:
    """What is not finite, and on which clips."""
    if finite:
        return "the loss or its gradient is not finite in another process, whose message names the clips"
    named = ", ".join(f"{name} {float(term):.4g}" for name, term in terms.items())
    clips = ", ".join(describe(batch) for batch in batches)
    return (
        f"the loss or its gradient is not finite ({named}, gradient {norm:.4g}) on {clips}. A clip too short for its "
        "label does that, and so does a learning rate that is too high; on_nonfinite=skip leaves such steps out"
    )


def out_of_memory(batch: Batch) -> str:
    """What to do about a batch that does not fit."""
    return (
        f"memory ran out on {describe(batch)}, {batch.video.shape[1]} frames each with padding; lower batch_size and "
        "raise accumulate by the same factor, lower feeder_args.max_frames, or set checkpoint_stages"
    )


def describe(batch: Batch) -> str:
    """The clips of a batch with their sizes."""
    sizes = zip(batch.ids, batch.lengths.tolist(), batch.target_lengths.tolist(), strict=True)
    return ", ".join(f"{clip} ({frames} frames, {glosses} glosses)" for clip, frames, glosses in sizes)
