"""What is done to every BatchNorm at once."""

import copy

import pytest
import torch
from torch import nn

from modules.batch_norm import find_batch_norms, frozen_running_stats


@pytest.mark.parametrize("momentum", [0.1, None])
def test_running_statistics_stay_while_they_are_frozen_and_go_on_afterwards(momentum):
    """They normalise by the batch all the same; without a momentum the mean of all batches is kept."""
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, momentum=momentum), nn.ReLU())
    plain, before = copy.deepcopy(net), copy.deepcopy(net.state_dict())
    x = torch.randn(2, 3, 5, 5)
    with frozen_running_stats([net]):
        frozen = net(x)
        assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items() if "num_b" not in name)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert torch.equal(frozen, plain(x))
    net(x)
    assert all(torch.equal(value, plain.state_dict()[name]) for name, value in net.state_dict().items())


def test_every_kind_of_batch_norm_is_found():
    norms = [nn.BatchNorm1d(2), nn.BatchNorm2d(2), nn.SyncBatchNorm(2)]
    assert find_batch_norms([nn.Sequential(*norms[:2]), nn.ReLU(), norms[2]]) == norms
