"""Batch normalisation over the clips of all processes, on any device.

PyTorch's own SyncBatchNorm is for GPUs alone. There it is used; this one makes a training on several CPUs the same as
one on one CPU.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


class SumOverProcesses(torch.autograd.Function):
    """The sum of a tensor over all processes, with its gradient, which `torch.distributed.all_reduce` does not have."""

    @staticmethod
    def forward(_ctx: Any, values: Tensor) -> Tensor:
        """Add up the tensors of all processes; each gets the sum."""
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(_ctx: Any, *gradients: Tensor) -> Tensor:
        """Add up the gradients: a value has part in the sum that every process goes on with."""
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total


class SyncBatchNorm(nn.BatchNorm2d):
    """BatchNorm with the mean and variance of all processes' values; any number of dimensions after (N, C)."""

    # None in a BatchNorm that keeps no running statistics, which no network here has.
    num_batches_tracked: Tensor
    running_mean: Tensor
    running_var: Tensor
    momentum: float

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, ...) -> the same."""
        if not self.training:
            return super().forward(x)
        dtype = x.dtype
        x = x.to(torch.promote_types(dtype, torch.float32))  # sums would lose digits in half precision
        axes = [0, *range(2, x.ndim)]
        shape = [1, -1] + [1] * (x.ndim - 2)
        local = torch.cat([x.sum(axes), x.new_tensor([x.numel() / x.shape[1]])])  # (C + 1,)
        total = SumOverProcesses.apply(local)
        count = total[-1].detach()
        mean = total[:-1] / count  # (C,)
        centred = x - mean.view(shape)
        variance = SumOverProcesses.apply(centred.square().sum(axes)) / count  # (C,)
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale.view(shape) + self.bias.view(shape)).to(dtype)

    def _check_input_dim(self, x: Tensor) -> None:
        """Accept maps over time as well as over space, where `BatchNorm2d` accepts the latter alone."""


def convert_sync_batchnorm(model: nn.Module, device: torch.device) -> nn.Module:
    """Replace every BatchNorm in `model`, in place, by one over all processes; weights and names stay.

    Args:
        model: the network, on its device.
        device: the device of this process.

    Returns:
        `model`.
    """
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    synced: dict[nn.Module, SyncBatchNorm] = {}  # a layer that has two names in the network stays one layer
    for module in list(model.modules()):
        for name, child in module._modules.items():
            if isinstance(child, nn.modules.batchnorm._BatchNorm):
                if child not in synced:
                    layer = SyncBatchNorm(child.num_features, child.eps, child.momentum)
                    synced[child] = layer.to(device, child.weight.dtype)
                    synced[child].load_state_dict(child.state_dict())
                    synced[child].weight, synced[child].bias = child.weight, child.bias  # frozen ones stay frozen
                setattr(module, name, synced[child])
    return model
