"""Weights and inputs that any implementation of MSTFNet can rebuild bit for bit.

The published model has 80 M parameters: too many to ship. Here every tensor is drawn from
its own generator, seeded with the tensor's name, so two implementations that agree on names
and shapes hold the same weights, and then must give the same outputs (`expected_*.npz`).
"""

import zlib

import numpy as np


def _generator(name: str, seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[zlib.crc32(name.encode()), seed]))


def tensor_values(name: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Values of the state-dict entry `name`, float32 (int64 zeros for `num_batches_tracked`)."""
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, dtype=np.int64)
    rng = _generator(name, seed)
    if name.endswith("running_var"):
        values = rng.uniform(0.5, 1.5, shape)
    elif name.endswith(("running_mean", "bias")) or ".bias_" in name:
        values = rng.normal(0.0, 0.1, shape)
    elif name.endswith("alpha"):
        values = rng.normal(0.0, 0.5, shape)
    elif len(shape) == 1:  # scale of a normalisation layer
        values = rng.uniform(0.5, 1.5, shape)
    else:
        fan_in = int(np.prod(shape[1:]))
        values = rng.normal(0.0, np.sqrt(1.0 / fan_in), shape)
        if name.endswith("down_conv2.weight"):  # the correlation block is cubic in its input: it must not explode
            values *= 0.06
    return values.astype(np.float32)


def fill(state_dict, seed: int = 0) -> dict:
    """New state dict with the names and shapes of `state_dict` and the reference values."""
    import torch

    return {
        name: torch.from_numpy(np.ascontiguousarray(tensor_values(name, tuple(t.shape), seed)))
        for name, t in state_dict.items()
    }


def video(batch: int, frames: int, size: int = 224, seed: int = 0) -> np.ndarray:
    """Input of shape (batch, frames, 3, size, size), float32 in [-1, 1]."""
    rng = _generator("video", seed)
    coarse = rng.uniform(-1.0, 1.0, (batch, frames, 3, size // 8, size // 8)).astype(np.float32)
    return np.repeat(np.repeat(coarse, 8, axis=3), 8, axis=4)
