"""Maps that are computed again give what kept ones give."""

import copy

import pytest
import torch
from torch import nn

from modules.recompute import recomputed


@pytest.mark.parametrize("training", [True, False])
def test_recomputed_parts_keep_only_what_comes_in(training):
    """In training the part runs again in the backward pass, but its statistics are counted once."""
    torch.manual_seed(0)
    part = nn.Sequential(nn.BatchNorm2d(3), nn.Sigmoid(), nn.Conv2d(3, 3, 1)).double().train(training)
    plain = copy.deepcopy(part)
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    same = x.detach().clone().requires_grad_()
    calls = []
    for index in (1, 2):
        part[index].register_forward_hook(lambda *_, index=index: calls.append(index))
    recomputed(part, part, x).square().sum().backward()
    assert calls == ([1, 2, 1] if training else [1, 2])  # the convolution at the end is not computed twice
    plain(same).square().sum().backward()
    assert torch.allclose(x.grad, same.grad)
    for name, value in plain.state_dict().items():
        assert torch.equal(part.state_dict()[name], value), name
    for weight, expected in zip(part.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(weight.grad, expected.grad)
