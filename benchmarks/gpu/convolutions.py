"""The depthwise and grouped convolutions of the network, and the forms in which they can be computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.alignment import FeatureAlignment
from modules.convolution import SpatialConv, TimeConv, frames_to_clips
from slr_network import SLRModel


@dataclass(frozen=True)
class GroupedConvolution:
    """A convolution in groups of channels, with "same" zero padding, as the network computes it in two dimensions.

    Attributes:
        name: the module's name in the network; the first one's, where several compute the same.
        maps: the shape of its input, (N, C, H, W); over time (B, C, T, pixels).
        weight: the shape of its kernel, (O, C/groups, height, width).
        groups: the number of groups of channels; C of them make it depthwise.
        times: how often it is computed in one forward pass.
    """

    name: str
    maps: tuple[int, ...]
    weight: tuple[int, ...]
    groups: int
    times: int = 1

    @property
    def can_be_shifted(self) -> bool:
        """Whether it is depthwise over one dimension, so that a few shifted products of the maps give the same."""
        return self.weight[0] == self.groups == self.maps[1] and self.weight[3] == 1

    @property
    def outputs(self) -> tuple[int, ...]:
        """The shape of its output."""
        return (self.maps[0], self.weight[0], *self.maps[2:])

    def count_bytes(self, size: int) -> tuple[int, int]:
        """Count the bytes that must be moved forward and backward at the least, each tensor once.

        Args:
            size: the bytes of a number.
        """
        x, y, kernel = prod(self.maps), prod(self.outputs), prod(self.weight)
        return size * (x + kernel + y), size * (x + kernel + y + x + kernel)  # backward: gradients of x and the kernel


def find_grouped_convolutions(network: Mapping[str, Any], size: int, frames: int) -> list[GroupedConvolution]:
    """Find all convolutions of the backbone and of HFAM that have groups, with the shapes that a batch gives them.

    Nothing is computed: PyTorch's device "meta" knows shapes alone.

    Args:
        network: arguments of `SLRModel` beside the classes.
        size: the side of a frame, in pixels.
        frames: the frames of two clips together, padding included.
    """
    found: dict[tuple[object, ...], list[str]] = {}

    def note(name: str, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if isinstance(module, (SpatialConv, TimeConv)) and module.groups > 1:
            weight = module.weight.squeeze(2 if isinstance(module, SpatialConv) else 4)
            found.setdefault((tuple(inputs[0].shape), tuple(weight.shape), module.groups), []).append(name)

    with torch.device("meta"), torch.no_grad():
        model = SLRModel(2, **network).eval()
        for name, module in model.named_modules():
            module.register_forward_pre_hook(partial(note, name))
        images = torch.empty(frames, 3, size, size).contiguous(memory_format=torch.channels_last)
        _, levels = model.conv2d(images, 2)
        hfam = cast(FeatureAlignment, model.HFEAM)
        maps = hfam.con2(levels[0]), hfam.con3(levels[1]), levels[2]
        for level, head in zip(maps, (hfam.stse1, hfam.stse2, hfam.stse3), strict=True):
            head(frames_to_clips(level, 2), None)  # what comes after has no groups
    return [
        GroupedConvolution(names[0], maps, weight, groups, len(names))  # type: ignore[arg-type]  # of the key
        for (maps, weight, groups), names in found.items()
    ]


def convolve(x: Tensor, weight: Tensor, groups: int) -> Tensor:
    """Convolve maps (N, C, H, W) with a kernel (O, C/groups, height, width) by PyTorch -> (N, O, H, W)."""
    return F.conv2d(x, weight, None, 1, (weight.shape[2] // 2, weight.shape[3] // 2), 1, groups)


def shift_and_multiply(x: Tensor, weight: Tensor, groups: int) -> Tensor:  # noqa: ARG001  depthwise: as many as C
    """Convolve maps (B, C, T, P) with a depthwise kernel (C, 1, k, 1) by k products of the shifted maps -> the same."""
    size, steps = weight.shape[2], x.shape[2]
    padded = F.pad(x, (0, 0, size // 2, size // 2))  # (B, C, T + k - 1, P)
    out = padded[:, :, :steps] * weight[:, 0, 0, :, None]
    for k in range(1, size):
        out = torch.addcmul(out, padded[:, :, k : k + steps], weight[:, 0, k, :, None])
    return out


FORMS: dict[str, tuple[Callable[[Tensor, Tensor, int], Tensor], torch.memory_format]] = {
    "channels-last": (convolve, torch.channels_last),
    "contiguous": (convolve, torch.contiguous_format),
    "shifted": (shift_and_multiply, torch.channels_last),
}
"""Each form: what computes it, and how its maps lie in memory. The first one is what the network does."""


def make_tensors(case: GroupedConvolution, form: str, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Draw the maps, the kernel and a gradient of the output for a form; the first two ask for gradients."""
    generator = torch.Generator(device).manual_seed(0)
    layout = FORMS[form][1]

    def draw(shape: tuple[int, ...], layout: torch.memory_format) -> Tensor:
        values = torch.randn(shape, generator=generator, device=device, dtype=dtype)
        return values.contiguous(memory_format=layout)

    x = draw(case.maps, layout).requires_grad_()
    weight = draw(case.weight, torch.contiguous_format).requires_grad_()
    return x, weight, draw(case.outputs, layout)
