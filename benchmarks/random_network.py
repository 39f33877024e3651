"""Networks with random weights that stand for trained ones; needs neither configurations nor files."""

from __future__ import annotations

import torch

from slr_network import SLRModel

CALIBRATION = 24  # frames
PATCHES = 8  # on each side of a frame
IDENTITIES = ("predictor", "updater", "weight1", "weight2")
"""Parts of the names of weights that start as zeros, beside the fusions' `alpha`."""


@torch.no_grad()
def enliven(model: SLRModel, size: int) -> SLRModel:
    """Make every part of a fresh network count, as in a trained one.

    Fusion and lift pooling start as identities, so their weights are drawn. Without statistics of a clip in BatchNorm,
    activations would grow from block to block.

    Args:
        model: the network, on the CPU; it is changed, and left in training mode.
        size: the side of the frames, in pixels.

    Returns:
        `model`.
    """
    draw_identities(model, 0.1)
    for layer in model.modules():
        if isinstance(layer, (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)):
            layer.momentum = None  # the mean of what was seen, here once
    video = draw_patches(CALIBRATION, size)[model.spec.pad(CALIBRATION)]  # (T_pad, 3, S, S)
    model.train()(video[None], torch.tensor([CALIBRATION]), with_scales=False)
    return model


@torch.no_grad()
def draw_identities(model: SLRModel, limit: float) -> None:
    """Draw the weights that start as zeros, by which fusion and lift pooling change nothing, from -limit to limit."""
    for name, parameter in model.named_parameters():
        if name.endswith("alpha") or any(part in name for part in IDENTITIES):
            parameter.uniform_(-limit, limit)


def draw_patches(frames: int, size: int) -> torch.Tensor:
    """Draw a clip of coloured patches that change with every frame, (T, 3, S, S) uint8; always the same."""
    generator = torch.Generator().manual_seed(frames)
    patches = torch.randint(0, 256, (frames, 3, PATCHES, PATCHES), dtype=torch.uint8, generator=generator)
    place = torch.arange(size) * PATCHES // size
    return patches[:, :, place][:, :, :, place]
