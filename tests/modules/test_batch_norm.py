"""Frames that count more than once give what as many equal frames give."""

import copy

import pytest
import torch
from torch import nn

from modules.batch_norm import BatchNorm, Repeats

SOURCE = torch.tensor([0, 0, 0, 1, 2, 2, 3])


def example(dtype: torch.dtype = torch.float64) -> tuple[BatchNorm, torch.Tensor, torch.Tensor]:
    """A norm, four distinct frames (4, 3, 5, 6) and a gradient for seven."""
    torch.manual_seed(0)
    norm = BatchNorm(3).double()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = (torch.randn(4, 3, 5, 6, dtype=torch.float64) * 2 + 3).contiguous(memory_format=torch.channels_last)
    return norm, x.to(dtype).requires_grad_(), torch.randn(7, 3, 5, 6, dtype=torch.float64).to(dtype)


def test_repeats_of_a_source():
    repeats = Repeats.of(SOURCE)
    assert (repeats.places.tolist(), repeats.extra.tolist(), repeats.frames) == ([0, 2], [2, 1], 7)


@pytest.mark.parametrize("momentum", [0.1, 0.0, None])
def test_counted_frames_give_what_all_of_them_give(momentum):
    """Output, gradients and running statistics, those of PyTorch's BatchNorm of the frames themselves."""
    norm, x, gradient = example()
    norm.momentum = momentum
    plain = nn.BatchNorm2d(3, momentum=momentum).double()
    plain.load_state_dict(norm.state_dict())
    every = x.detach().clone().requires_grad_()
    for _ in range(2):
        norm(x, Repeats.of(SOURCE))[SOURCE].backward(gradient)
        plain(every[SOURCE]).backward(gradient)
    pairs = {"x": (x.grad, every.grad), "weight": (norm.weight.grad, plain.weight.grad)}
    pairs |= {
        "bias": (norm.bias.grad, plain.bias.grad),
        "output": (norm(x, Repeats.of(SOURCE))[SOURCE], plain(x[SOURCE])),
    }
    pairs |= {name: (value, plain.state_dict()[name]) for name, value in norm.state_dict().items()}
    for name, (found, expected) in pairs.items():
        assert torch.allclose(found, expected, rtol=1e-10, atol=1e-10), name


def test_gradients_are_those_of_finite_differences():
    norm, x, _ = example()
    repeats = Repeats.of(SOURCE)
    assert torch.autograd.gradcheck(lambda *_: norm(x, repeats), (x, norm.weight, norm.bias))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_maps_in_half_precision_have_statistics_in_full(dtype):
    norm, x, gradient = example(dtype)
    norm, plain = norm.float(), nn.BatchNorm2d(3)
    plain.load_state_dict(norm.state_dict())
    every = x.detach().double().requires_grad_()
    out = norm(x, Repeats.of(SOURCE))
    out[SOURCE].backward(gradient)
    plain.double()(every[SOURCE]).backward(gradient.double())
    assert out.dtype == x.grad.dtype == dtype
    assert torch.allclose(norm.running_mean.double(), plain.running_mean, rtol=1e-6)
    assert torch.allclose(norm.running_var.double(), plain.running_var, rtol=1e-6)
    assert (x.grad.double() - every.grad).norm() < 0.01 * every.grad.norm()


def test_in_evaluation_nothing_is_counted():
    norm, x, _ = example()
    before = copy.deepcopy(norm.state_dict())
    norm.eval()
    assert torch.equal(norm(x, Repeats.of(SOURCE)), norm(x))
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())
