"""A moving average of a network's weights, which is evaluated in the place of the network that is trained."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from slr_network import SLRModel
from utils.checkpoint import load_weights
from utils.errors import explain_out_of_memory
from utils.ranks import world_size

WEIGHTS, TRAINED, STEPS = "model_state_dict", "raw_state_dict", "averaged_steps"
"""Entries of a checkpoint: the weights that are evaluated; with an average also the trained ones, and its steps."""


class MovingAverage:
    """The exponential moving average of a network's weights and of BatchNorm's statistics over the steps of a training.

    After a step that learnt something each averaged number a becomes d * a + (1 - d) * w, where w is the trained one,
    d = min(decay, (1 + n) / (10 + n)) and n is the number of steps before. So the random weights of the beginning count
    for a tenth after one step and for 1e-5 after ten; a decay of 0.999 is reached after 8,990 steps.
    (The formula is that of TensorFlow's `tf.train.ExponentialMovingAverage` with `num_updates`.)

    It is no `AveragedModel` of PyTorch, which has one decay for all steps, averages counters too, and waits for the GPU
    at each step. In several processes each averages the same numbers.

    Args:
        model: the network that is trained, on its device, before anything is wrapped around its parts.
        decay: the share that the average keeps at each step, the configuration's `ema`.

    Attributes:
        network: the averaged network.
        steps: the number of steps that are in the average.

    Raises:
        InputError: memory ran out.
    """

    def __init__(self, model: SLRModel, decay: float) -> None:
        with explain_out_of_memory(lambda: "while the weights were copied for their moving average; set ema to 0"):
            self.network = copy.deepcopy(model).requires_grad_(False).eval()
            for part in self.network.modules():
                if isinstance(part, nn.LSTM):
                    part.flatten_parameters()  # a copy of each weight lies by itself, which cuDNN would warn of
        self.decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self, model: SLRModel) -> None:
        """Take in the weights of `model` after a step; nothing waits for the device."""
        (averaged, learnt), (copied, kept) = self._pair(model)
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        get_ema_multi_avg_fn(decay)(averaged, learnt, self.steps)
        if copied:
            torch._foreach_copy_(copied, kept)
        self.steps += 1

    def _pair(self, model: SLRModel) -> tuple[tuple[list[Tensor], list[Tensor]], tuple[list[Tensor], list[Tensor]]]:
        """What is averaged, with what it is averaged from, and what is copied, with what it is copied from.

        Frozen weights stand in neither, since they are equal already. Counters are copied, and so are statistics of
        layers whose weights are frozen: an average of equal numbers could still turn -0.0 into 0.0.
        """
        pairs: list[tuple[Tensor, Tensor]] = [
            (own, weight)
            for own, weight in zip(self.network.parameters(), model.parameters(), strict=True)
            if weight.requires_grad
        ]
        copies: list[tuple[Tensor, Tensor]] = []
        # Module by module: BatchNorm over several processes is another class in the network that is trained.
        for mine, module in zip(self.network.modules(), model.modules(), strict=True):
            learns = any(weight.requires_grad for weight in module.parameters(recurse=False))
            buffers = zip(mine.buffers(recurse=False), module.buffers(recurse=False), strict=True)
            for own, buffer in buffers:
                (pairs if learns and buffer.is_floating_point() else copies).append((own, buffer))
        return _unzip(pairs), _unzip(copies)

    def share(self) -> SLRModel:
        """The averaged network, the same in all processes, each of which must call this."""
        if world_size() > 1:  # without sync_batchnorm each process has statistics of its own: the first one's count
            for buffer in self.network.buffers():
                dist.broadcast(buffer, 0)
        return self.network


def _unzip(pairs: list[tuple[Tensor, Tensor]]) -> tuple[list[Tensor], list[Tensor]]:
    return [first for first, _ in pairs], [second for _, second in pairs]


def describe_networks(model: SLRModel, average: MovingAverage | None) -> dict[str, Any]:
    """What a checkpoint holds of a network that is trained, and of its average where it has one."""
    if average is None:
        return {WEIGHTS: model.state_dict()}
    return {WEIGHTS: average.network.state_dict(), TRAINED: model.state_dict(), STEPS: average.steps}


def restore_networks(
    model: SLRModel, average: MovingAverage | None, content: Mapping[str, Any], path: str
) -> None:  # fmt: skip
    """Put the weights of a checkpoint into the network that is trained, and into its average.

    An average that the checkpoint does not have begins with its weights.

    Args:
        model: the network that is trained.
        average: its average, where this training has one.
        content: what the checkpoint holds.
        path: the checkpoint, for an error.

    Raises:
        CheckpointError: the weights are not those of this network.
    """
    if TRAINED in content:
        load_weights(model, content[TRAINED], name=f"{path} ({TRAINED})")
    else:
        load_weights(model, content, name=path)
    if average is not None:
        load_weights(average.network, content, name=path)
        average.steps = content.get(STEPS, 0)
