"""Batch normalisation over the clips of all processes, on any device.

A layer makes the processes exchange one vector in the forward pass and one in the backward pass. PyTorch's own
SyncBatchNorm is for GPUs alone, and there each layer waits for the GPU, to leave out processes without values. Nothing
here waits, and every process has values.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from modules.batch_norm import RememberingNorm, Statistics
from utils.ranks import world_size


class SyncBatchNorm(RememberingNorm):
    """BatchNorm with the mean and variance of all processes' values; any number of dimensions after (N, C).

    Processes may have different numbers of values. Maps in half precision have statistics in float32.
    """

    # None in a BatchNorm that keeps no running statistics, which no network here has.
    num_batches_tracked: Tensor
    running_mean: Tensor
    running_var: Tensor
    momentum: float

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, ...) -> the same."""
        if not self.training or world_size() == 1:
            return super().forward(x)
        statistics = self.remember(lambda: self._find_statistics(x))
        return NormaliseTogether.apply(x, self.weight, self.bias, *statistics, self.eps)

    @torch.no_grad()
    def _find_statistics(self, x: Tensor) -> Statistics:
        """The mean, the variance and the number of the values of all processes, (C,), (C,) and (1,).

        The running statistics take note of them.
        """
        own_mean, own_variance = measure(x)
        # Sums of squares cancel where a mean is large beside the deviation: float64 keeps what float32 would lose of
        # these few numbers. Within a process nothing cancels, since there deviations are squared.
        mean, variance = own_mean.double(), own_variance.double()
        count = mean.new_full((1,), x.numel() // x.shape[1])
        sums = torch.cat([count * mean, count * (mean.square() + variance), count])  # (2 * C + 1,)
        dist.all_reduce(sums)
        count = sums[-1:]
        mean, squares = (sums[:-1] / count).chunk(2)  # (C,) each
        variance = (squares - mean.square()).clamp(min=0)
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_((variance * count / (count - 1)).to(self.running_var.dtype), self.momentum)
        return tuple(found.to(own_mean.dtype) for found in (mean, variance, count))

    def _check_input_dim(self, x: Tensor) -> None:
        """Accept maps over time as well as over space."""


def measure(x: Tensor) -> tuple[Tensor, Tensor]:
    """The mean and the variance of each channel of (N, C, ...), (C,) each, at least in float32."""
    if x.is_cuda:
        return torch.batch_norm_update_stats(x, None, None, 0.0)  # by which PyTorch's own BatchNorm measures
    # On the CPU that one rounds to half precision, and adds up all values of a channel one by one.
    x = x.to(torch.promote_types(x.dtype, torch.float32))
    axes = [0, *range(2, x.ndim)]
    mean = x.mean(axes, keepdim=True)
    return mean.flatten(), (x - mean).square_().mean(axes)


class NormaliseTogether(torch.autograd.Function):
    """Normalise by statistics of all processes, which were found before; the gradient is that through them, too."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, count: Tensor, eps: float
    ) -> Tensor:  # fmt: skip
        """(N, C, ...) -> the same, in the number format of `x`.

        Args:
            ctx: keeps what the gradient needs.
            x: this process's values.
            weight: (C,).
            bias: (C,).
            mean: of the values of all processes, (C,).
            variance: of these, (C,).
            count: their number, (1,).
            eps: what is added to the variance.
        """
        ctx.save_for_backward(x, weight, mean, variance, count)
        ctx.eps = eps
        return F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of values, weight and bias; the latter of this process's values, since DDP adds them up.

        With z the normalised values and dy the incoming gradient, the values' gradient is
        weight / deviation * (dy - mean(dy) - z * mean(dy * z)), with means over all processes (Ioffe & Szegedy 2015).
        """
        x, weight, mean, variance, count = ctx.saved_tensors
        (dy,) = gradients
        scale = torch.rsqrt(variance + ctx.eps)
        # As in evaluation, where the statistics are constants: sum(dy * z) and sum(dy), (C,) each.
        _, weight_gradient, bias_gradient = torch.ops.aten.native_batch_norm_backward(
            dy, x, weight, mean, variance, mean, scale, False, ctx.eps, [False, True, True]
        )
        x_gradient = None
        if ctx.needs_input_grad[0]:
            scale = scale * weight
            sums = torch.stack([weight_gradient, bias_gradient])
            dist.all_reduce(sums)
            slope, shift = -scale * sums / count  # (C,) each
            # slope * z + shift, by the same kernel as in the forward pass
            x_gradient = F.batch_norm(x, mean, variance, slope, shift, training=False, eps=ctx.eps)
            x_gradient.addcmul_(dy, scale.view(-1, *[1] * (x.ndim - 2)))
        return x_gradient, weight_gradient, bias_gradient, None, None, None, None


def convert_sync_batchnorm(model: nn.Module) -> nn.Module:
    """Replace every BatchNorm in `model`, in place, by one over all processes; weights and names stay.

    Returns:
        `model`.
    """
    synced: dict[nn.Module, SyncBatchNorm] = {}  # a layer that has two names in the network stays one layer
    for module in list(model.modules()):
        for name, child in module._modules.items():
            if isinstance(child, _BatchNorm):
                if child not in synced:
                    layer = SyncBatchNorm(child.num_features, child.eps, child.momentum)
                    layer.to(child.weight.device, child.weight.dtype).load_state_dict(child.state_dict())
                    layer.weight, layer.bias = child.weight, child.bias  # frozen ones stay frozen
                    synced[child] = layer.train(child.training)
                setattr(module, name, synced[child])
    return model
