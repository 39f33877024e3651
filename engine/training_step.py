"""One step of the optimiser."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import islice
from math import isfinite
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import LambdaLR

from dataset.batch import Batch
from engine.distributed import wrap_ddp
from engine.learning_rate import build_scheduler
from engine.optim import build_optimizer
from modules.losses import SLRCriterion
from slr_network import SLRModel
from utils import ranks
from utils.errors import InputError, explain_out_of_memory
from utils.log import LOGGER
from utils.precision import select_dtype
from utils.text import plural

if TYPE_CHECKING:
    from config.schema import Config
    from config.sections import LossWeights, OptimizerArgs


class NonFiniteLossError(InputError, RuntimeError):
    """The loss, or its gradient, is infinite or not a number."""


@dataclass(frozen=True)
class StepResult:
    """What came out of a step.

    Attributes:
        loss: the mean loss over the clips of all processes.
        terms: the terms of the loss, by name, of this process's clips.
        gradient_norm: the gradient's L2 norm, before clipping.
        learning_rate: the learning rate of the step.
        skipped: whether nothing was learnt, because the loss or its gradient is not finite.
        overflow: whether it was skipped because the scaled loss was too large for float16. The scale is halved then:
            this happens now and then, and at the beginning several times.
    """

    loss: float
    terms: Mapping[str, float]
    gradient_norm: float
    learning_rate: float
    skipped: bool
    overflow: bool = False


@dataclass(frozen=True)
class TrainingStep:
    """Forward, backward, optimiser and learning rate.

    Attributes:
        network: the model, or the DistributedDataParallel around it.
        criterion: the loss.
        optimizer: the optimiser of the model's weights.
        scheduler: the optimiser's learning rate.
        device: the model's device.
        max_norm: the L2 norm that gradients are scaled down to; 0 leaves them as they are.
        skip: whether steps whose loss or gradient is not finite are skipped, instead of raising.
        scaler: the scale of the loss, for float16.
    """

    network: nn.Module
    criterion: SLRCriterion
    optimizer: torch.optim.Optimizer
    scheduler: LambdaLR
    device: torch.device
    max_norm: float = 0.0
    skip: bool = False
    scaler: torch.amp.GradScaler = field(default_factory=partial(torch.amp.GradScaler, "cpu", enabled=False))

    def __call__(self, batches: Sequence[Batch]) -> StepResult:
        """Learn from all clips of `batches`, one batch in memory after the other.

        Raises:
            NonFiniteLossError: the loss or its gradient is not finite, and `skip` is off; names the clips.
            InputError: memory ran out; names the clips and what helps.
        """
        # A forward pass changes BatchNorm's running statistics: of a step that is skipped no trace may stay in them.
        statistics = [buffer.clone() for buffer in self.network.buffers()] if self.skip else []
        rate = self.optimizer.param_groups[0]["lr"]
        self.optimizer.zero_grad(set_to_none=True)
        losses = self._backward(batches)
        self.scaler.unscale_(self.optimizer)
        # The one time that a step waits for the GPU, before the weights change. What the log needs is read with it.
        *values, norm = torch.stack([*losses.values(), self._gradient_norm()]).tolist()
        terms = dict(zip(losses, values, strict=True))
        # All processes decide alike: one that stepped alone would have other weights from then on.
        finite = isfinite(terms["total"]) and isfinite(norm)
        loss, wrong = ranks.all_reduce_mean([terms["total"], float(not finite)])
        overflow = bool(wrong) and isfinite(loss) and self.scaler.is_enabled() and self.scaler.get_scale() > 1
        if not wrong:
            with explain_out_of_memory(partial(describe_memory_use, batches)):
                self.scaler.step(self.optimizer)
        elif overflow:
            pass  # `unscale_` has seen it, so that `update` below halves the scale
        elif not self.skip:
            raise NonFiniteLossError(describe_nonfinite_loss(batches, terms, norm))
        else:
            LOGGER.info("a step was skipped: %s", describe_nonfinite_loss(batches, terms, norm))
            for buffer, before in zip(self.network.buffers(), statistics, strict=True):
                buffer.copy_(before)
        self.scaler.update()
        self.scheduler.step()
        return StepResult(loss, terms, norm, rate, bool(wrong), overflow)

    def _backward(self, batches: Sequence[Batch]) -> dict[str, Tensor]:
        """Leave the gradients of the mean over all clips in the weights; returns the terms of the loss, detached."""
        clips = sum(len(batch.ids) for batch in batches)
        terms: dict[str, Tensor] = {}
        for number, batch in enumerate(batches, start=1):
            # Processes exchange their gradients once a step, with the last batch.
            waiting: AbstractContextManager[None] = nullcontext()
            if isinstance(self.network, DistributedDataParallel) and number < len(batches):
                waiting = self.network.no_sync()
            part = len(batch.ids) / clips  # the loss is a mean over a batch, and the last batch may be smaller
            with explain_out_of_memory(partial(describe_memory_use, [batch])), waiting:
                terms_of_batch = self._loss(batch)
                self.scaler.scale(part * terms_of_batch["total"]).backward()
            for name, term in terms_of_batch.items():
                terms[name] = terms.get(name, 0.0) + part * term.detach()
        return terms

    def _loss(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of the loss."""
        batch = batch.to(self.device)
        scales = None if self.criterion.weights["AuxCTC"] else False  # HFAM, computed only where it counts
        output = self.network(batch.video, batch.lengths, scales)
        return self.criterion(output, batch.targets, batch.target_lengths)

    def _gradient_norm(self) -> Tensor:
        """The L2 norm of all gradients, which are then scaled down to `max_norm`."""
        weights = list(self.network.parameters())
        norm = nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None])
        if self.max_norm:
            nn.utils.clip_grads_with_norm_(weights, self.max_norm, norm)
        return norm


def prepare_network(config: Config, model: SLRModel, device: torch.device) -> nn.Module:
    """Set how a network computes in training: memory, number format, compilation, several processes.

    Args:
        config: the run's configuration.
        model: the network, on its device; it is changed.
        device: the device of this process.

    Returns:
        what to call in place of `model` in training.

    Raises:
        InputError: the backbone cannot be compiled with BatchNorm over several processes.
    """
    model.conv2d.recompute.level = config.recompute
    model.autocast = select_dtype(config.precision, device)
    if config.compile:
        if ranks.world_size() > 1 and config.sync_batchnorm and not config.freeze_bn:
            raise InputError("compile with several processes needs sync_batchnorm: false, or freeze_bn: true")
        model.conv2d.compile_for_training()
    return wrap_ddp(model, config.sync_batchnorm)


def build_step(
    network: nn.Module,
    model: SLRModel,
    weights: LossWeights,
    args: OptimizerArgs,
    device: torch.device,
    steps_per_epoch: int,
    skip: bool,
) -> TrainingStep:
    """The training step for a network.

    Args:
        network: what `prepare_network` made of the model.
        model: the model, on its device.
        weights: the configuration's `loss_weights`.
        args: the configuration's `optimizer_args`.
        device: the model's device.
        steps_per_epoch: the optimiser's steps in an epoch.
        skip: whether steps whose loss or gradient is not finite are skipped.
    """
    optimizer = build_optimizer(model, args)
    return TrainingStep(
        network,
        SLRCriterion(asdict(weights), model.mask_padding),
        optimizer,
        build_scheduler(optimizer, args, steps_per_epoch),
        device,
        args.max_gradient_norm,
        skip,
        torch.amp.GradScaler(device.type, enabled=model.autocast == torch.float16),
    )


def group_batches(batches: Iterable[Batch], size: int) -> Iterator[list[Batch]]:
    """The batches of one step after the other: `size` of them, in the last step those that are left."""
    rest = iter(batches)
    while group := list(islice(rest, size)):
        yield group


def describe_nonfinite_loss(batches: Sequence[Batch], terms: Mapping[str, float], norm: float) -> str:
    """What is not finite, and on which clips; to be called by all processes, with what each had in the step.

    The gradient is that of all of them: those whose own loss is not finite are named, or all if only the gradient is.
    """
    named = ", ".join(f"{name} {term:.4g}" for name, term in terms.items())
    own = f"{named} on {', '.join(map(describe_batch, batches))}"
    of_all = ranks.all_gather((isfinite(terms["total"]), own))
    guilty = [said for finite, said in of_all if not finite] or [said for _, said in of_all]
    return (
        f"the loss or its gradient is not finite (gradient {norm:.4g}): {'; '.join(guilty)}. A clip too short for its "
        "label does that, and so does a learning rate that is too high; on_nonfinite=skip leaves such steps out"
    )


def describe_memory_use(batches: Sequence[Batch]) -> str:
    """What memory ran out on, and what to do."""
    frames = max(batch.video.shape[1] for batch in batches)
    return (
        f"on {', '.join(map(describe_batch, batches))}, {frames} frames each with padding; lower batch_size and raise "
        "accumulate by the same factor, lower feeder_args.max_frames, or set recompute=stages"
    )


def describe_batch(batch: Batch) -> str:
    """The clips of a batch with their sizes, for a message."""
    sizes = zip(batch.ids, batch.lengths.tolist(), batch.target_lengths.tolist(), strict=True)
    return ", ".join(
        f"{clip} ({plural(frames, 'frame')}, {plural(glosses, 'gloss', 'glosses')})" for clip, frames, glosses in sizes
    )
