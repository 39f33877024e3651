"""Several networks as one, or one network that also sees each clip mirrored: each view of a clip is computed alone.

What each gives stands side by side, and `evaluation.decode.decode_members` makes one hypothesis of it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from modules.output import SLROutput
from slr_network import SLRModel
from utils.temporal import TemporalSpec

FLIP = "flip"
"""The augmentation that mirrors a clip."""


@dataclass(frozen=True)
class View:
    """What one of several networks sees of the frames that all are given.

    Attributes:
        network: the number of the network, from 0.
        corner: the first row and the first column that it sees.
        side: the rows and columns that it sees.
        mirrored: whether left and right change places, as training's `flip` does it: after the crop.
    """

    network: int
    corner: int
    side: int
    mirrored: bool = False

    def apply(self, video: Tensor) -> Tensor:
        """Frames (..., S, S) -> (..., side, side); features (B, T, C) of frames stay as they are."""
        if video.ndim < 4:
            return video
        part = slice(self.corner, self.corner + self.side)
        seen = video[..., part, part]  # (..., side, side)
        return seen.flip(-1) if self.mirrored else seen


def list_views(
    sides: Sequence[int], whole: int, size: int, augmentations: Collection[str] = ()
) -> tuple[View, ...]:  # fmt: skip
    """The views of networks that were trained on crops of several sizes from the middle of frames of one size.

    All are given one crop, in which each finds its own, pixel by pixel.

    Args:
        sides: the side of each network's crop.
        whole: the side of the crop that all are given, no smaller than any of them.
        size: the side of the frames before any crop.
        augmentations: `FLIP` lets each network see the mirrored clip too.

    Returns:
        one view or two for each network, in their order; the first one is not mirrored.
    """
    corners = [(size - side) // 2 - (size - whole) // 2 for side in sides]
    return tuple(
        View(number, corner, side, mirrored)
        for number, (corner, side) in enumerate(zip(corners, sides, strict=True))
        for mirrored in ((False, True) if FLIP in augmentations else (False,))
    )


@dataclass(frozen=True)
class Ensemble:
    """Networks of one vocabulary and one temporal chain, called as one network is; no gradients go through it.

    Attributes:
        networks: the networks, on one device, which compute one after the other.
        views: what each of them sees; a network may have several. The first one is the first network's own.
    """

    networks: tuple[SLRModel, ...]
    views: tuple[View, ...]

    def __call__(self, video: Tensor, lengths: Tensor) -> SLROutput:
        """Recognise a batch, as `SLRModel.forward` does, but the logits of both heads are (M, T', B, V), of M views.

        Args:
            video: (B, T_pad, 3, S, S), S the side of the crop that all are given; or features (B, T_pad, C).
            lengths: the number of real frames of each clip, (B,).
        """
        outputs = [self.networks[view.network](view.apply(video), lengths) for view in self.views]
        return replace(
            outputs[0],
            sequence_logits=torch.stack([output.sequence_logits.float() for output in outputs]),  # (M, T', B, V)
            conv_logits=torch.stack([output.conv_logits.float() for output in outputs]),  # (M, T', B, V)
        )

    def convert(self, change: Callable[[SLRModel], SLRModel]) -> Ensemble:
        """The same with each network as `change` makes it."""
        return replace(self, networks=tuple(change(network) for network in self.networks))

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return self.networks[0].device

    @property
    def spec(self) -> TemporalSpec:
        """The temporal chain of all networks."""
        return self.networks[0].spec


def describe_weights(names: Sequence[object], augmentations: Collection[str] = ()) -> str:
    """What is evaluated, in words: the name of a file, or of several, and whose hypotheses are combined.

    Args:
        names: the files of the networks.
        augmentations: as for `list_views`.
    """
    listed = ", ".join(map(str, names))
    mirrored = ", of each clip as it is and mirrored" if FLIP in augmentations else ""
    return f"{listed} (hypotheses combined{mirrored})" if mirrored or len(names) > 1 else listed
