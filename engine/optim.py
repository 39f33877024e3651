"""Which weights a training changes, and the optimiser that changes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from slr_network import SLRModel

if TYPE_CHECKING:
    from config.sections import LossWeights, OptimizerArgs


def freeze_unused(model: SLRModel, weights: LossWeights, on_features: bool, freeze_bn: bool) -> None:
    """Freeze the weights that this training is not to change, because they are to stay or because no loss uses them.

    Args:
        model: the network to be trained.
        weights: the weights of the loss terms; a term of weight zero trains nothing.
        on_features: whether the network reads stored features, so that its backbone sees no frames.
        freeze_bn: whether the backbone's BatchNorm is to stay as it was loaded.
    """
    if on_features:
        model.conv2d.requires_grad_(False)
    if freeze_bn:
        model.conv2d.freeze_norms()
    if model.HFEAM is not None and not weights.AuxCTC:
        model.HFEAM.requires_grad_(False)
    if not weights.SeqCTC:
        model.temporal_model.requires_grad_(False)
    # With a classifier of its own for the convolutional head (conv1d.fc), each of the two learns from other terms.
    if model.conv1d.fc is not None:
        model.conv1d.fc.requires_grad_(bool(weights.ConvCTC or weights.Dist))
        model.classifier.requires_grad_(bool(weights.SeqCTC or weights.AuxCTC))


def build_optimizer(model: nn.Module, args: OptimizerArgs) -> torch.optim.Optimizer:
    """Adam or SGD over those of the network's weights that are not frozen."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    if args.optimizer == "SGD":
        return torch.optim.SGD(
            weights, args.base_lr, args.momentum, weight_decay=args.weight_decay, nesterov=args.nesterov
        )
    return torch.optim.Adam(weights, args.base_lr, weight_decay=args.weight_decay, fused=True)
