"""The temporal convolutions between the backbone and the BiLSTM."""

from __future__ import annotations

from collections.abc import Iterator

import torch.nn.functional as F
from torch import Tensor, nn

from modules.convolution import time_mask
from modules.lift_pooling import LiftPooling
from modules.output import LiftNorms
from utils.temporal import TemporalSpec

POOLINGS = ("lift", "max")


class MaxPooling(nn.Module):
    """`nn.MaxPool1d`, computed as of images of height one, because `torch.export` fixes the length of a clip for that.

    Args:
        size: how many steps become one.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C, T // size)."""
        return F.max_pool2d(x.unsqueeze(2), (1, self.size)).squeeze(2)


class TemporalConv(nn.Module):
    """Unpadded convolutions and poolings, by the chain of `conv_type`.

    Args:
        in_channels: the number of features of a frame.
        hidden_size: the number of channels of every layer.
        conv_type: the temporal chain, as in `TemporalSpec`.
        classifier: the convolutional head's own, (..., hidden_size) -> (..., V); None where it shares the sequence
            head's. It is held here because published weights call it `conv1d.fc`.
        pooling: "lift" (TLP, MSTFNet) or "max" (VAC, SMKD, CorrNet).
    """

    def __init__(
        self, in_channels: int, hidden_size: int, conv_type: int, classifier: nn.Module | None, pooling: str = "lift"
    ) -> None:  # fmt: skip
        super().__init__()
        if pooling not in POOLINGS:
            raise ValueError(f"pooling is {pooling!r}; choose one of {list(POOLINGS)}")
        self.spec = TemporalSpec(conv_type)
        chain: list[nn.Sequential | LiftPooling] = []
        for kind, size in self.spec.layers:
            if kind == "P":
                chain.append(LiftPooling(hidden_size) if pooling == "lift" else nn.Sequential(MaxPooling(size)))
                continue
            chain.append(
                nn.Sequential(
                    nn.Conv1d(in_channels, hidden_size, size), nn.BatchNorm1d(hidden_size), nn.ReLU(inplace=True)
                )
            )
            in_channels = hidden_size
        # Published weights count the layers of the chain with lift pooling, and every layer inside them without it.
        flat = (part for layer in chain for part in layer.children())
        self.temporal_conv = nn.ModuleList(chain) if pooling == "lift" else nn.Sequential(*flat)
        self.pooling = pooling
        self.fc = classifier

    def forward(self, x: Tensor, padded_lengths: Tensor | None = None) -> tuple[Tensor, LiftNorms | None]:
        """Compute the features of the output steps.

        Args:
            x: features of frames, (B, C, T).
            padded_lengths: the length of each clip with its own padding, (B,); None to mask nothing.

        Returns:
            the features (B, hidden_size, T'), and the norms of lift pooling, None where there is none.
        """
        norms = None
        before = padded_lengths
        lengths = self.spec.chain_lengths(padded_lengths) if padded_lengths is not None else iter(())
        for (kind, size), layer in zip(self.spec.layers, self._layers(), strict=True):
            after = next(lengths, None)
            if kind == "K":
                # Zeros past a clip's end on entry to every convolution, not to the first alone: a bias and BatchNorm
                # turn them into other numbers.
                mask = None if before is None else time_mask(before, x.shape[2], x.device, x.dtype)
                x = layer(x if mask is None else x * mask[:, None])
            elif self.pooling == "max":
                x = layer(x)  # what lies past a clip's end stays there
            else:
                mask = None if after is None else time_mask(after, x.shape[2] // size, x.device, x.dtype)
                x, of_layer = layer(x, mask)
                norms = of_layer if norms is None else norms.add(of_layer)
            before = after
        return x, norms

    def _layers(self) -> Iterator[nn.Module]:
        """The layers of the chain, one for each of the spec's."""
        start = 0
        for kind, _ in self.spec.layers:
            if self.pooling == "lift":
                yield self.temporal_conv[start]
                start += 1
            else:
                stop = start + (3 if kind == "K" else 1)  # a convolution, its norm and ReLU
                yield self.temporal_conv[start:stop]
                start = stop
