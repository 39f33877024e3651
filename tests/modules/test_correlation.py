"""CorrNet's correlation block against its equations, written down plainly for whole clips."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from modules.convolution import time_mask
from modules.correlation import CorrelationFusion
from modules.correlation_windows import CPU_WINDOW

B, C, T, H, W = 2, 32, 7, 5, 6
LENGTHS = torch.tensor([T, 4])


def make_block(dtype: torch.dtype = torch.float64) -> CorrelationFusion:
    """A block of which every weight counts; at the start those of a kind are equal."""
    torch.manual_seed(0)
    block = CorrelationFusion(C)
    nn.init.uniform_(block.weights, 0.2, 0.6)
    nn.init.uniform_(block.weights2, 0.3, 0.9)
    return block.to(dtype)


def make_clips(frames: int = T) -> torch.Tensor:
    """(B, C, T, H, W)."""
    return torch.randn(B, C, frames, H, W, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def as_frames(x: torch.Tensor) -> torch.Tensor:
    """(B, C, T, H, W) -> (B*T, C, H, W), channels-last."""
    return x.transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)


def as_clips(x: torch.Tensor, batch: int = B) -> torch.Tensor:
    """(B*T, C, H, W) -> (B, C, T, H, W)."""
    return x.unflatten(0, (batch, -1)).transpose(1, 2)


def run(block: CorrelationFusion, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """The block on (B, C, T, H, W)."""
    return as_clips(block(as_frames(x), len(x), mask), len(x))


def compute_plainly(block: CorrelationFusion, x: torch.Tensor) -> torch.Tensor:
    """The equations for whole clips, none of which ends early: (B, C, T, H, W) -> the same."""
    k = F.conv3d(x, block.down_conv2.weight)
    following = torch.cat([k[:, :, 1:], k[:, :, -1:]], 2).flatten(3)  # (B, C, T, P)
    previous = torch.cat([k[:, :, :1], k[:, :, :-1]], 2).flatten(3)
    f = 0
    for weight, n in zip(block.weights2, (following, previous), strict=True):
        agreement = torch.einsum("bctp,bctq->btpq", x.flatten(3), n)
        f = f + weight * torch.einsum("bctq,btpq->bctp", n, torch.sigmoid(agreement) - 0.5)
    reduced, g = F.conv3d(x, block.down_conv.weight), 0
    for i, weight in enumerate(block.weights, start=1):
        conv = getattr(block, f"spatial_aggregation{i}")
        g = g + weight * F.conv3d(
            reduced, conv.weight, conv.bias, padding=(4, i, i), dilation=(1, i, i), groups=len(conv.weight)
        )
    g = F.conv3d(g, block.conv_back.weight)
    return f.unflatten(3, x.shape[3:]) * (torch.sigmoid(g) - 0.5)


def compute_plainly_with_mask(block: CorrelationFusion, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Every clip alone, and zeros past its end."""
    alone = [compute_plainly(block, clip[None, :, :n])[0] for clip, n in zip(x, lengths.tolist(), strict=True)]
    return torch.stack([F.pad(m, (0, 0, 0, 0, 0, x.shape[2] - m.shape[1])) for m in alone])


def largest_difference(one: torch.Tensor, other: torch.Tensor) -> float:
    """As a share of the largest value."""
    assert one.shape == other.shape
    return float((one - other).detach().abs().max() / other.detach().abs().max())


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("frames", [1, 2, T, 2 * CPU_WINDOW + 3])
def test_the_block_by_its_equations(frames, masked, dtype, tolerance):
    """Results and gradients, of clips shorter and longer than what is computed at a time."""
    block, plain = make_block(dtype), make_block()
    x, lengths = make_clips(frames), torch.tensor([frames, max(1, frames - 3)])
    inputs = [x.clone().to(dtype).requires_grad_(), x.clone().requires_grad_()]
    mask = time_mask(lengths, frames, x.device, dtype) if masked else None
    got = run(block, inputs[0], mask)
    expected = (
        compute_plainly_with_mask(plain, inputs[1], lengths) if masked else compute_plainly(plain, inputs[1])
    )  # fmt: skip
    assert got.dtype == dtype
    assert largest_difference(got.double(), expected) < tolerance
    towards = torch.randn(x.shape, generator=torch.Generator().manual_seed(2), dtype=x.dtype)
    (got * towards.to(dtype)).sum().backward()
    (expected * towards).sum().backward()
    assert largest_difference(inputs[0].grad.double(), inputs[1].grad) < tolerance
    for (name, weight), reference in zip(block.named_parameters(), plain.parameters(), strict=True):
        assert largest_difference(weight.grad.double(), reference.grad) < tolerance, name


@pytest.mark.parametrize("name", ["down_conv2", "conv_back"])
def test_nothing_is_added_where_a_factor_is_zero(name):
    block = make_block()
    nn.init.zeros_(getattr(block, name).weight)
    if name == "conv_back":
        assert run(make_block(), make_clips()).any()
    assert not run(block, make_clips()).any()
