"""Classifiers of output steps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class NormLinear(nn.Module):
    """`x @ weight`, each class's column scaled to length one: (..., C) -> (..., V); weight (C, V)."""

    def __init__(self, in_features: int, num_classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(in_features, num_classes))
        nn.init.xavier_uniform_(self.weight, gain=nn.init.calculate_gain("relu"))

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., V)."""
        return x @ F.normalize(self.weight, dim=0)


def build_classifier(in_features: int, num_classes: int, weight_norm: bool) -> nn.Module:
    """Build a classifier (..., in_features) -> (..., num_classes), normalised or linear with bias."""
    if weight_norm:
        return NormLinear(in_features, num_classes)
    return nn.Linear(in_features, num_classes)
