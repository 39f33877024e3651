"""Random states: set, saved and restored together."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and torch (every device)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # numpy takes no larger seed
    torch.manual_seed(seed)


def get_random_states(device: torch.device) -> dict[str, Any]:
    """The states of all random generators in use, as tensors and plain numbers, which load without unpickling code."""
    of_numpy = np.random.get_state(legacy=False)
    keys, position = of_numpy["state"]["key"].tolist(), of_numpy["state"]["pos"]
    states: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": (of_numpy["bit_generator"], keys, position, of_numpy["has_gauss"], of_numpy["gauss"]),
        "torch": torch.get_rng_state(),
    }
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    if device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def restore_random_states(states: dict[str, Any], device: torch.device) -> None:
    """Put the generators back to the states of `get_random_states`.

    The state of another kind of device is left out: a training may go on elsewhere than it began.
    """
    version, keys, gauss = states["python"]
    random.setstate((version, tuple(keys), gauss))  # Python insists on a tuple
    name, keys, position, has_gauss, cached = states["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), position, has_gauss, cached))
    torch.set_rng_state(states["torch"])
    if "cuda" in states and device.type == "cuda":
        held = states["cuda"]
        # The first version kept a list with the state of every GPU.
        torch.cuda.set_rng_state(held[device.index or 0] if isinstance(held, (list, tuple)) else held, device)
    if "mps" in states and device.type == "mps":
        torch.mps.set_rng_state(states["mps"])
