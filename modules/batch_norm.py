"""BatchNorm over frames of which some stand for several equal ones, and what is done to every BatchNorm at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Repeats:
    """How many equal frames each of N distinct ones stands for.

    Attributes:
        places: (K,) those that stand for more than one.
        extra: (K,) for how many more.
        frames: of all, equal ones counted each.
    """

    places: Tensor
    extra: Tensor
    frames: int

    @classmethod
    def of(cls, source: Tensor) -> Repeats:
        """From each frame's place among the distinct ones, (frames,), on the CPU."""
        extra = source.bincount() - 1
        places = extra.nonzero()[:, 0]
        return cls(places, extra[places], len(source))

    def values(self, x: Tensor) -> int:
        """Values of a channel of maps (N, C, H, W), those of equal frames counted each."""
        return self.frames * x.shape[2] * x.shape[3]


class BatchNorm(nn.BatchNorm2d):
    """BatchNorm2d to which a frame can count more than once."""

    def forward(self, x: Tensor, repeats: Repeats | None = None) -> Tensor:
        """(N, C, H, W) -> the same; without `repeats` each frame counts once."""
        if repeats is None or not self.training:
            return super().forward(x)
        out, mean, variance = _Normalise.apply(x, self.weight, self.bias, repeats, self.eps)
        values = repeats.values(x)
        with torch.no_grad():
            self.num_batches_tracked += 1
            share = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean, share)
            self.running_var.lerp_(variance * (values / (values - 1)), share)
        return out


def apply_norm(norm: nn.Module, x: Tensor, repeats: Repeats | None) -> Tensor:
    """What a norm makes of x; only a `BatchNorm` can be given `repeats`."""
    return norm(x) if repeats is None else norm(x, repeats)


@contextmanager
def still(module: nn.Module) -> Iterator[None]:
    """While it is open, no BatchNorm of a module updates its running statistics."""
    found = norms(module)
    before = [(norm.momentum, norm.num_batches_tracked) for norm in found]
    for norm in found:
        norm.momentum, norm.num_batches_tracked = 0.0, norm.num_batches_tracked.clone()
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(found, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count


def norms(module: nn.Module) -> list[nn.Module]:
    """Every BatchNorm in a module."""
    return [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]


class _Normalise(torch.autograd.Function):
    """Statistics and gradients as if every frame were there as often as it counts; PyTorch's own for most of it."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, repeats: Repeats, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """(N, C, H, W) -> normalised ones, and the mean and the variance of all frames, (C,) each."""
        values = repeats.values(x)
        ignored = weight.new_zeros(2, len(weight))  # says what type the statistics have
        own_mean, own_variance = torch.batch_norm_update_stats(x, *ignored, 0.0)  # of the N, (C,)
        off = x[repeats.places] - own_mean[:, None, None]  # (K, C, H, W)
        extra = repeats.extra[:, None, None, None]
        shift = (extra * off).sum((0, 2, 3)) / values
        more = (extra * off.square()).sum((0, 2, 3)) / values
        mean, variance = own_mean + shift, own_variance * (len(x) / repeats.frames) + more - shift.square()
        ctx.save_for_backward(x, weight, mean, torch.rsqrt(variance + eps))
        ctx.repeats, ctx.eps = repeats, eps
        ctx.mark_non_differentiable(mean, variance)
        return F.batch_norm(x, mean, variance, weight, bias, False, 0.0, eps), mean, variance

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        """dx = weight / std * (dy - count * (S + x' * P) / all); x' is normalised, S and P the sums of dy and dy * x'.

        PyTorch computes that with a count of one for each and N for all; what it lacks is added.
        """
        x, weight, mean, inverse = ctx.saved_tensors
        repeats, share = ctx.repeats, len(x) / ctx.repeats.frames
        dx, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, x, weight * share, None, None, mean, inverse, True, ctx.eps, [True, True, True]
        )
        scale, mean, inverse, p, s = (v[:, None, None] for v in (weight * inverse, mean, inverse, of_weight, of_bias))
        dx.addcmul_(gradient, ((1 - share) * scale).to(dx.dtype))
        normalised = (x[repeats.places] - mean) * inverse  # (K, C, H, W)
        less = scale / repeats.values(x) * repeats.extra[:, None, None, None] * (s + normalised * p)
        dx.index_add_(0, repeats.places, less.to(dx.dtype), alpha=-1)
        return dx, of_weight, of_bias, None, None
