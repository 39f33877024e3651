"""Maps that are computed again give what kept ones give."""

import copy

import pytest
import torch
from torch import nn

from modules.recompute import Recompute


def input_maps() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, 4, 4, dtype=torch.float64, generator=generator).requires_grad_()


@pytest.mark.parametrize("training", [True, False])
def test_layers_computed_again_keep_only_what_comes_in(training):
    """In training the layers run again in the backward pass, but their statistics are counted once."""
    torch.manual_seed(0)
    part = nn.Sequential(nn.BatchNorm2d(3), nn.Sigmoid(), nn.Conv2d(3, 3, 1)).double().train(training)
    plain = copy.deepcopy(part)
    x, same = input_maps(), input_maps()
    calls = []
    for index in (1, 2):
        part[index].register_forward_hook(lambda *_, index=index: calls.append(index))
    Recompute("blocks").layers(x, *part).square().sum().backward()
    assert calls == ([1, 2, 1] if training else [1, 2])  # the convolution at the end is not computed twice
    plain(same).square().sum().backward()
    assert torch.allclose(x.grad, same.grad)
    for name, value in plain.state_dict().items():
        assert torch.equal(part.state_dict()[name], value), name
    for weight, expected in zip(part.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(weight.grad, expected.grad)


@pytest.mark.parametrize(("level", "cheap", "stage"), [("none", 1, 1), ("blocks", 2, 1), ("stages", 2, 2)])
def test_each_level_says_what_is_computed_again(level, cheap, stage):
    recompute, part, calls = Recompute(level), nn.BatchNorm2d(3).double(), []
    part.register_forward_hook(lambda *_: calls.append(1))
    recompute.call(lambda x, norm: norm(x).sigmoid(), input_maps(), part).sum().backward()
    assert len(calls) == cheap
    calls.clear()
    recompute.stage(nn.Sequential(part, nn.Sigmoid()), input_maps()).sum().backward()
    assert len(calls) == stage
    assert part.num_batches_tracked == 2
