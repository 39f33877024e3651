"""What the page says of the network that it reads with."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from evaluation.ensemble import View
from evaluation.inference.combine import CombinedNetwork
from evaluation.inference.torch_network import TorchNetwork
from page.model import list_devices

FIRST, SECOND = (TorchNetwork(SimpleNamespace(device=torch.device("cuda", index))) for index in (0, 1))


def test_the_devices_are_those_of_all_networks():
    def exported(video):
        return video

    assert list_devices(FIRST) == ["cuda:0"]
    assert list_devices(exported) == ["cpu"]
    views = (View(0, 0, 64), View(0, 0, 64, mirrored=True))
    assert list_devices(CombinedNetwork((SECOND,), views)) == ["cuda:1"]
    assert list_devices(CombinedNetwork((FIRST, FIRST, exported, SECOND), views)) == ["cuda:0", "cpu", "cuda:1"]
