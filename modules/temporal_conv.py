"""The temporal convolutions between the backbone and the BiLSTM."""

from __future__ import annotations

from torch import Tensor, nn

from modules.convolution import time_mask
from modules.lift_pooling import LiftPooling
from utils.temporal import TemporalSpec


class TemporalConv(nn.Module):
    """Unpadded convolutions and lift pooling, by the chain of `conv_type`.

    Args:
        in_channels: the number of features of a frame.
        hidden_size: the number of channels of every layer.
        conv_type: the temporal chain, as in `TemporalSpec`.
        classifier: the convolutional head's own, (..., hidden_size) -> (..., V); None where it shares the sequence
            head's. It is held here because published weights call it `conv1d.fc`.
    """

    def __init__(self, in_channels: int, hidden_size: int, conv_type: int, classifier: nn.Module | None) -> None:
        super().__init__()
        self.spec = TemporalSpec(conv_type)
        self.temporal_conv = nn.ModuleList()
        for kind, size in self.spec.layers:
            if kind == "P":
                self.temporal_conv.append(LiftPooling(hidden_size))
                continue
            self.temporal_conv.append(
                nn.Sequential(
                    nn.Conv1d(in_channels, hidden_size, size), nn.BatchNorm1d(hidden_size), nn.ReLU(inplace=True)
                )
            )
            in_channels = hidden_size
        self.fc = classifier

    def forward(self, x: Tensor, padded_lengths: Tensor | None = None) -> Tensor:
        """Compute the features of the output steps.

        Args:
            x: features of frames, (B, C, T).
            padded_lengths: the length of each clip with its own padding, (B,); None to mask nothing.

        Returns:
            (B, hidden_size, T').
        """
        if padded_lengths is None:
            for layer in self.temporal_conv:
                x = layer(x)
            return x
        before = padded_lengths
        steps = zip(self.spec.layers, self.temporal_conv, self.spec.chain_lengths(padded_lengths), strict=True)
        for (kind, size), layer, after in steps:
            if kind == "K":
                # Zeros past a clip's end on entry to every convolution, not to the first alone: a bias and BatchNorm
                # turn them into other numbers.
                x = layer(x * time_mask(before, x.shape[2], x.device, x.dtype)[:, None])
            else:
                x = layer(x, time_mask(after, x.shape[2] // size, x.device, x.dtype))
            before = after
        return x
