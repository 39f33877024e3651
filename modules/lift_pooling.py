"""Pooling by a learned lifting scheme (TLP), which halves a sequence without throwing detail away."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from modules.output import LiftNorms


def masked_instance_norm(x: Tensor, norm: nn.InstanceNorm1d, mask: Tensor | None) -> Tensor:
    """Normalise over time with padding left out of the statistics: (B, C, T) -> the same; `mask` (B, T) or None.

    PyTorch's own refuses a clip of a single step and knows no lengths.
    """
    if mask is None:
        mean = x.mean(2, keepdim=True)  # (B, C, 1)
        variance = (x - mean).square().mean(2, keepdim=True)
    else:
        count = mask.sum(1)[:, None, None]
        mean = (x * mask[:, None]).sum(2, keepdim=True) / count
        variance = ((x - mean).square() * mask[:, None]).sum(2, keepdim=True) / count
    scaled = (x - mean) * torch.rsqrt(variance + norm.eps)
    return scaled * norm.weight[:, None] + norm.bias[:, None]


class SubbandWeight(nn.Module):
    """`z + z * (sigmoid(InstanceNorm(Conv(z))) - 1/2)`: identity at the start, when the convolution is constant."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, 5, padding=2)
        self.insnorm = nn.InstanceNorm1d(channels, affine=True)
        nn.init.zeros_(self.conv.weight)  # the weights alone, as published: biases keep PyTorch's initial values

    def forward(self, z: Tensor, mask: Tensor | None) -> Tensor:
        """(B, C, T) -> the same; `z` is zero where `mask` (B, T) is."""
        return z + z * (torch.sigmoid(masked_instance_norm(self.conv(z), self.insnorm, mask)) - 0.5)


class LiftPooling(nn.Module):
    """(B, C, T) -> (B, C, T // 2): even frames, odd frames predicted from them, both weighted and added."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.predictor = self._operator(channels)
        self.updater = self._operator(channels)
        self.weight1 = SubbandWeight(channels)
        self.weight2 = SubbandWeight(channels)

    @staticmethod
    def _operator(channels: int) -> nn.Sequential:
        pointwise = nn.Conv1d(channels, channels, 1)
        nn.init.zeros_(pointwise.weight)
        depthwise = nn.Conv1d(channels, channels, 3, padding=1, groups=channels)
        return nn.Sequential(depthwise, nn.ReLU(inplace=True), pointwise, nn.Tanh())

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, LiftNorms]:
        """Pool by two.

        Args:
            x: (B, C, T); an odd last step is left out.
            mask: (B, T // 2), zero past each clip's pooled end; None if no clip ends early.

        Returns:
            (B, C, T // 2), and the norms for the loss, of both sub-bands before their weights; what is past a clip's
            end is zero in them.
        """

        # Masked after every step: tanh of a bias and convolutions leave other numbers than zero past a clip's end.
        def inside(z: Tensor) -> Tensor:
            return z if mask is None else z * mask[:, None]

        pairs = x.shape[2] // 2
        even, odd = inside(x[:, :, 0 : 2 * pairs : 2]), inside(x[:, :, 1 : 2 * pairs : 2])  # (B, C, T/2) each
        detail = inside(odd - self.predictor(even))
        approximation = inside(even + self.updater(detail))
        norms = LiftNorms(compute_norm(approximation - odd), compute_norm(detail))
        return self.weight1(approximation, mask) + self.weight2(detail, mask), norms


def compute_norm(x: Tensor) -> Tensor:
    """The 2-norm of a whole tensor, in float32 or better; its gradient at zero is zero."""
    return torch.linalg.vector_norm(x, dtype=torch.promote_types(x.dtype, torch.float32))
