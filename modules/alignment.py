"""HFAM, the hierarchical feature alignment of MSTFNet: three more CTC heads on the backbone, for training."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from modules.convolution import SpatialConv, TimeConv, frames_to_clips, time_mask
from utils.temporal import TemporalSpec

FEATURES = 1000  # outputs of the linear layer before the temporal convolutions, in the published network


class AlignmentAttention(nn.Module):
    """HA: attention over channels and over time, added.

    Args:
        channels: C, divisible by 128 (32 groups of a quarter of them).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(channels, channels // 16, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(channels // 16, channels, bias=False),
            nn.Sigmoid(),
        )
        self.temporal_att = nn.Sequential(
            TimeConv(channels, channels // 4, 3, groups=32, bias=True),
            nn.BatchNorm2d(channels // 4),
            nn.ReLU(inplace=True),
            TimeConv(channels // 4, channels, 3, groups=32, bias=True),
            nn.Sigmoid(),
        )

    def forward(self, y: Tensor, mask: Tensor | None) -> Tensor:
        """Weigh the maps (B, C, T, P) by their attention; `mask` (B, T) is zero past each clip's end, or None."""
        if mask is None:
            average, maximum = y.mean((2, 3)), y.amax((2, 3))  # (B, C)
            temporal = self.temporal_att(y)
        else:
            inside = mask[:, None, :, None].to(y.dtype)  # (B, 1, T, 1)
            average = (y * inside).sum((2, 3)) / (mask.sum(1)[:, None] * y.shape[3])
            maximum = y.masked_fill(inside == 0, -torch.inf).amax((2, 3))
            squeeze, norm, relu, excite, sigmoid = self.temporal_att
            # Before each convolution over time: the norm turns the zeros past a clip's end into other numbers.
            temporal = sigmoid(excite(relu(norm(squeeze(y * inside))) * inside))  # (B, C, T, P)
        # `fc` ends in a sigmoid, so that the sum of the two lies between 0 and 2; so it is in the published network.
        channel = (self.fc(average) + self.fc(maximum))[:, :, None, None]  # (B, C, 1, 1)
        return y * torch.sigmoid(channel + temporal)


class FeatureAlignment(nn.Module):
    """HFAM: backbone levels -> projections -> HA -> one shared temporal convolution -> the sequence classifier.

    Args:
        width: channels of the backbone's first stage (64 in the published network).
        hidden_size: channels of the temporal convolutions and of the classifier's input.
        conv_type: the temporal chain, as in `TemporalSpec`.
        share_heads: whether one HA serves the three levels, or each has its own.
        dropout: the rate of dropout after the first temporal convolution.
    """

    def __init__(
        self, width: int, hidden_size: int, conv_type: int, share_heads: bool, dropout: float = 0.3
    ) -> None:  # fmt: skip
        super().__init__()
        channels = 8 * width
        self.stse1 = AlignmentAttention(channels)
        if not share_heads:
            self.stse2 = AlignmentAttention(channels)
            self.stse3 = AlignmentAttention(channels)
        self.con2 = self._projection(2 * width, channels, 4)
        self.con3 = self._projection(4 * width, channels, 2)
        self.spec = TemporalSpec(conv_type)
        self.tcn_layers = self._temporal_convolution(hidden_size, self.spec, dropout)
        self.fc = nn.Linear(channels, FEATURES)
        self.share_heads = share_heads

    @staticmethod
    def _projection(in_channels: int, channels: int, scale: int) -> nn.Sequential:
        return nn.Sequential(
            SpatialConv(in_channels, channels, scale, stride=scale, bias=True),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        )

    @staticmethod
    def _temporal_convolution(hidden_size: int, spec: TemporalSpec, dropout: float) -> nn.Sequential:
        layers: list[nn.Module] = []
        for kind, size in spec.layers:
            if kind == "P":
                layers.append(nn.MaxPool1d(size))
                continue
            first = not layers
            layers += [nn.Conv1d(FEATURES if first else hidden_size, hidden_size, size), nn.BatchNorm1d(hidden_size)]
            layers.append(nn.ReLU(inplace=True))
            if first:
                layers.append(nn.Dropout(dropout))
        return nn.Sequential(*layers)

    def forward(
        self, levels: Sequence[Tensor], classifier: nn.Module, batch: int, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the logits of the three levels.

        Args:
            levels: outputs of layers 2, 3 and 4 before their fusion, (B*T, C, H, W) each.
            classifier: the sequence head's, (..., hidden_size) -> (..., V).
            batch: B.
            mask: (B, T), zero past each clip's end; None if no clip ends early.

        Returns:
            (T', B, V) for each level.
        """
        second, third, fourth = levels
        maps = (self.con2(second), self.con3(third), fourth)  # (B*T, 8*width, h, w) each
        heads = (self.stse1,) * 3 if self.share_heads else (self.stse1, self.stse2, self.stse3)
        entries = self._mask_entries(mask)
        logits = []
        for level, head in zip(maps, heads, strict=True):
            features = head(frames_to_clips(level, batch), mask).mean(3)  # (B, C, T)
            # Autocast is for the maps of frames: what reads them stays float32, like the network's temporal layers.
            with torch.autocast(features.device.type, enabled=False):
                logits.append(self._classify(features.to(self.fc.weight.dtype), entries, classifier))
        return logits[0], logits[1], logits[2]

    def _mask_entries(self, mask: Tensor | None) -> list[Tensor]:
        """Masks (B, 1, T) of what enters each convolution over time, zero past each clip's end as in `TemporalConv`.

        There are none where no clip ends early.
        """
        if mask is None:
            return []
        masks, total, valid = [], mask.shape[1], mask.sum(1)
        after = zip(self.spec.layers, self.spec.chain_lengths(total), self.spec.chain_lengths(valid), strict=True)
        for (kind, _), next_total, next_valid in after:
            if kind == "K":
                masks.append(time_mask(valid, total, mask.device, mask.dtype)[:, None])
            total, valid = next_total, next_valid
        return masks

    def _classify(self, features: Tensor, entries: Sequence[Tensor], classifier: nn.Module) -> Tensor:
        """Features of a level's frames (B, C, T) -> logits (T', B, V)."""
        x = self.fc(features.transpose(1, 2)).transpose(1, 2)  # (B, FEATURES, T)
        masks = iter(entries)
        for layer in self.tcn_layers:
            if entries and isinstance(layer, nn.Conv1d):
                x = x * next(masks)
            x = layer(x)
        return classifier(x.permute(2, 0, 1))  # x (B, hidden_size, T')
