"""BatchNorm over frames of which some stand for several equal ones."""

from __future__ import annotations

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


class BatchNorm(nn.BatchNorm2d):
    """BatchNorm2d to which a frame can count more than once."""

    def forward(self, x: Tensor, repeats: Repeats | None = None) -> Tensor:
        """(N, C, H, W) -> the same; without `repeats` each frame counts once."""
        if repeats is None or not self.training:
            return super().forward(x)
        out, mean, variance = _Normalise.apply(x, self.weight, self.bias, repeats, self.eps)
        values = repeats.frames * x.shape[2] * x.shape[3]
        with torch.no_grad():
            self.num_batches_tracked += 1
            share = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean, share)
            self.running_var.lerp_(variance * (values / (values - 1)), share)
        return out


def normalise(norm: nn.Module, x: Tensor, repeats: Repeats | None) -> Tensor:
    """What a norm makes of x; only a `BatchNorm` can be given `repeats`."""
    return norm(x) if repeats is None else norm(x, repeats)


class _Normalise(torch.autograd.Function):
    """Statistics and gradients as if every frame were there as often as it counts; PyTorch's own for most of it."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, repeats: Repeats, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """(N, C, H, W) -> normalised ones, and the mean and the variance of all frames, (C,) each."""
        here, pixels = x.shape[0], x.shape[2] * x.shape[3]
        ignored = weight.new_zeros(2, len(weight))  # says what type the statistics have
        own_mean, own_variance = torch.batch_norm_update_stats(x, *ignored, 0.0)  # of the N, (C,)
        off = x[repeats.places] - own_mean[:, None, None]  # (K, C, H, W)
        extra = repeats.extra.to(off.dtype)[:, None, None, None]
        shift = (extra * off).sum((0, 2, 3)) / (repeats.frames * pixels)
        more = (extra * off.square()).sum((0, 2, 3)) / (repeats.frames * pixels)
        mean, variance = own_mean + shift, own_variance * (here / repeats.frames) + more - shift.square()
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
        repeats, share = ctx.repeats, x.shape[0] / ctx.repeats.frames
        values = repeats.frames * x.shape[2] * x.shape[3]
        dx, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, x, weight * share, None, None, mean, inverse, True, ctx.eps, [True, True, True]
        )
        scale, of_bias_, of_weight_, mean_, inverse_ = (
            part[:, None, None] for part in (weight * inverse, of_bias, of_weight, mean, inverse)
        )
        dx.addcmul_(gradient, ((1 - share) * scale).to(dx.dtype))
        normalised = (x[repeats.places] - mean_) * inverse_  # (K, C, H, W)
        extra = repeats.extra.to(normalised.dtype)[:, None, None, None]
        less = extra / values * scale * (of_bias_ + normalised * of_weight_)
        dx.index_add_(0, repeats.places, less.to(dx.dtype), alpha=-1)
        return dx, of_weight, of_bias, None, None
