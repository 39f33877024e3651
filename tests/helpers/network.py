"""The one small network of tests."""

from __future__ import annotations

from typing import Any

import torch

from slr_network import SLRModel


def tiny_network(num_classes: int = 5, **changes: Any) -> SLRModel:
    """A network with random weights whose forward pass takes milliseconds."""
    return SLRModel(num_classes, **{"backbone": "resnet18", "width": 16, "hidden_size": 16} | changes)


@torch.no_grad()
def enliven(model: SLRModel) -> SLRModel:
    """Let fusion and lift pooling, which start as identities, count, and return the same network."""
    for name, parameter in model.named_parameters():
        if name.endswith("alpha") or any(part in name for part in ("predictor", "updater", "weight1", "weight2")):
            parameter.uniform_(-0.5, 0.5)
    return model
