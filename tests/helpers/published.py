"""Weights as the family's systems publish them: names and shapes of `tests/data/parity`, with random values."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tests.helpers.paths import PARITY

CLASSES = 40
"""V of these weights; the files say 1296."""

FILES = {
    "vac": "vac_resnet18",
    "smkd": "vac_resnet18",  # VAC's names, with normalised classifiers that are one
    "tlp": "tlp_resnet18",
    "corrnet": "corrnet_resnet18",
    "corrnet-CSL-Daily": "corrnet_resnet18",
    "mstfnet": "resnet34",
    "mstfnet-resnet18": "resnet18",
}
"""Each published network -> the file in which its names and shapes are."""

_VAC = {"fusion": "none", "pooling": "max", "hfam": False, "weight_norm": False, "share_classifier": False}
_SMKD = _VAC | {"weight_norm": True, "share_classifier": True}
_CORRNET = _SMKD | {"fusion": "correlation", "fusion_after": (2, 3, 4)}
_MSTFNET = _CORRNET | {"fusion": "stf", "pooling": "lift", "hfam": True, "share_heads": False}
SWITCHES: dict[str, dict[str, Any]] = {
    "vac": _VAC,
    "smkd": _SMKD,
    "tlp": _VAC | {"pooling": "lift"},
    "corrnet": _CORRNET,
    "corrnet-CSL-Daily": _CORRNET | {"fusion_after": (3, 4)},
    "mstfnet": _MSTFNET,
    "mstfnet-resnet18": _MSTFNET,
}
"""Each published network -> what makes it that one, by the papers, beside the size of its backbone."""


@lru_cache(maxsize=1)  # one is 130 MB
def published_weights(network: str) -> dict[str, Tensor]:
    """The state dict of a key of `FILES`."""
    shapes = json.loads((PARITY / f"published_state_dict_{FILES[network]}.json").read_text())
    if network == "smkd":
        del shapes["classifier.bias"], shapes["conv1d.fc.bias"]
        shapes |= {"classifier.weight": [1024, 1296], "conv1d.fc.weight": [1024, 1296]}
    if network == "corrnet-CSL-Daily":
        shapes = {name: shape for name, shape in shapes.items() if ".corr1." not in name} | {"conv2d.alpha": [2]}
    generator = torch.Generator().manual_seed(1)
    weights = {
        name: torch.rand([CLASSES if size == 1296 else size for size in shape], generator=generator)
        if not name.endswith("num_batches_tracked")
        else torch.tensor(7)
        for name, shape in shapes.items()
    }
    if "classifier.bias" not in weights:
        weights["conv1d.fc.weight"] = weights["classifier.weight"]
    return weights


def narrow_kernels(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights with every kernel that is one frame long without that axis: (C', C, 1, k, k) -> (C', C, k, k)."""
    return {name: w.squeeze(2) if w.ndim == 5 else w for name, w in weights.items()}


def widen_kernels(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights with every kernel over space as one over a frame: (C', C, k, k) -> (C', C, 1, k, k)."""
    return {name: w.unsqueeze(2) if w.ndim == 4 else w for name, w in weights.items()}


def publish(model: nn.Module, path: Path) -> None:
    """Save a network's weights as VAC and those after it do: no configuration, kernels over pictures, `module`."""
    weights = narrow_kernels(model.state_dict())
    if "classifier.bias" not in weights:
        weights.setdefault("conv1d.fc.weight", weights["classifier.weight"])
    content = {f"module.{name}": w for name, w in weights.items()}
    torch.save({"epoch": 39, "model_state_dict": content, "rng_state": {"torch": torch.get_rng_state()}}, path)
