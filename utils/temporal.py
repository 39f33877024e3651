"""Lengths and padding along time: the one place that knows how many frames become how many output steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:  # the arithmetic itself needs no PyTorch
    from torch import Tensor

Length = TypeVar("Length", int, "Tensor")

CHAINS: dict[int, tuple[tuple[str, int], ...]] = {
    0: (("K", 3),),
    1: (("K", 5), ("P", 2)),
    2: (("K", 5), ("P", 2), ("K", 5), ("P", 2)),
}
"""`conv_type` -> layers: ("K", k) is an unpadded convolution of width k, ("P", p) a pooling by p."""


@dataclass(frozen=True)
class TemporalSpec:
    """The temporal chain of the network as arithmetic on clip lengths.

    Convolutions are unpadded, so that a clip needs `edge` more frames at either end, and what they see there is frames,
    not zeros.

    Args:
        conv_type: 0 is K3, 1 is K5 P2, 2 is K5 P2 K5 P2 (the published network).

    Raises:
        ValueError: `conv_type` is none of these.
    """

    conv_type: int = 2

    def __post_init__(self) -> None:
        if self.conv_type not in CHAINS:
            raise ValueError(f"conv_type is {self.conv_type!r}; choose one of {sorted(CHAINS)}")

    @property
    def layers(self) -> tuple[tuple[str, int], ...]:
        """The layers in order, as in `CHAINS`."""
        return CHAINS[self.conv_type]

    @property
    def stride(self) -> int:
        """The number of frames for one output step."""
        stride = 1
        for kind, size in self.layers:
            if kind == "P":
                stride *= size
        return stride

    @property
    def edge(self) -> int:
        """The number of frames that the unpadded convolutions consume at either end of a clip."""
        edge, scale = 0, 1  # a step of a layer after poolings by `scale` stands for as many frames
        for kind, size in self.layers:
            if kind == "K":
                edge += (size - 1) // 2 * scale
            else:
                scale *= size
        return edge

    def output_length(self, frames: int) -> int:
        """The number of output steps of a clip of `frames` real frames."""
        if frames < 1:
            raise ValueError(f"a clip needs at least one frame, this one has {frames}")
        return -(-frames // self.stride)

    def padded_length(self, frames: int) -> int:
        """The number of frames of a clip of `frames` real ones once it is padded, edges included."""
        return self.output_length(frames) * self.stride + 2 * self.edge

    def pad(self, frames: int, total: int | None = None) -> list[int]:
        """List the indices into a clip that pad it: the first frame `edge` times more, then the last.

        Args:
            frames: the number of real frames of the clip.
            total: the length asked for (the longest padded length of a batch); by default the clip's own.

        Raises:
            ValueError: `total` is less than the clip itself needs.
        """
        own = self.padded_length(frames)
        total = own if total is None else total
        if total < own:
            raise ValueError(f"{frames} frames need {own} frames with padding, only {total} were given")
        return [min(max(i - self.edge, 0), frames - 1) for i in range(total)]

    def chain_lengths(self, padded: Length) -> Iterator[Length]:
        """Yield the valid length after each layer for an input of `padded` frames, a number or a tensor of them."""
        for kind, size in self.layers:
            padded = padded - (size - 1) if kind == "K" else padded // size
            yield padded

    def steps_needed(self, labels: Sequence[int] | Sequence[str]) -> int:
        """The number of output steps that CTC needs for `labels`: one each, and a blank between equal neighbours."""
        return len(labels) + sum(a == b for a, b in pairwise(labels))


def round_up(length: int, multiple: int) -> int:
    """The smallest multiple that is no less than a length; the length itself where `multiple` is 0."""
    return -(-length // multiple) * multiple if multiple else length
