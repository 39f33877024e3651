"""A correlation block over a batch, a few frames of a clip at a time, with its gradients computed in the same way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from modules.correlation_maps import correlate_backward

CPU_WINDOW = 16
"""Frames at a time: few in memory, and so many that computing their neighbours again costs little."""
GPU_WINDOW = 64
"""The same for other devices, which need many at a time to be busy."""


class Block(Protocol):
    """What is needed of `modules.correlation.CorrelationFusion`, where all of it is described."""

    weights2: nn.Parameter

    @property
    def reach(self) -> int: ...

    def parameters(self) -> Iterator[nn.Parameter]: ...

    def compute_part(self, around: Tensor, size: Sequence[int], before: int, frames: int) -> Tensor: ...

    def compute_gate(self, around: Tensor, size: Sequence[int], before: int, frames: int) -> Tensor: ...

    def compute_neighbours(self, around: Tensor, before: int, frames: int) -> Tensor: ...


class Window(NamedTuple):
    """Some frames of a clip, and those around them.

    Attributes:
        around: the frames with up to `reach` neighbours on either side, among all frames of the batch.
        before: the number of neighbours before the frames.
        frames: the number of frames.
    """

    around: slice
    before: int
    frames: int

    @property
    def own(self) -> slice:
        """The frames alone, among all frames of the batch."""
        start = self.around.start + self.before
        return slice(start, start + self.frames)


def cut_windows(clips: Sequence[tuple[int, int]], reach: int, device: torch.device) -> Iterator[Window]:
    """Cut clips, each from its first frame to its end among all frames of the batch."""
    step = CPU_WINDOW if device.type == "cpu" else GPU_WINDOW
    for first, end in clips:
        for start in range(first, end, step):
            stop = min(start + step, end)
            before = min(reach, start - first)
            yield Window(slice(start - before, min(stop + reach, end)), before, stop - start)


class InWindows(torch.autograd.Function):
    """`CorrelationFusion` of a batch, a few frames at a time in both directions; only the input is kept."""

    @staticmethod
    def forward(
        ctx: Any, block: Block, clips: Sequence[tuple[int, int]], x: Tensor, *weights: Tensor
    ) -> Tensor:  # fmt: skip
        """`CorrelationFusion.forward`, for `clips` as in `cut_windows`; `weights` are all of the block's."""
        ctx.block, ctx.clips, ctx.dtype = block, clips, choose_dtype(x)
        ctx.save_for_backward(x, *weights)
        rows, size = frames_to_rows(x), x.shape[2:]
        out = torch.zeros_like(rows, dtype=ctx.dtype)
        with torch.autocast(x.device.type, enabled=False):
            for window in cut_windows(clips, block.reach, x.device):
                around = rows[window.around].to(ctx.dtype)
                out[window.own] = block.compute_part(around, size, window.before, window.frames)
        return rows_to_frames(out, size)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_result: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients by x and by the weights."""
        x = ctx.saved_tensors[0]
        rows, by_rows, size = frames_to_rows(x), frames_to_rows(by_result), x.shape[2:]
        by_x = torch.zeros_like(rows, dtype=ctx.dtype)
        weights = list(ctx.block.parameters())
        sums = [torch.zeros_like(weight) for weight in weights if weight.requires_grad]
        with torch.autocast(x.device.type, enabled=False):
            for window in cut_windows(ctx.clips, ctx.block.reach, x.device):
                around = rows[window.around].to(ctx.dtype)
                by_around, by_weights = compute_gradients(ctx.block, around, size, window, by_rows[window.own])
                by_x[window.around] += by_around
                sums = [total + gradient for total, gradient in zip(sums, by_weights, strict=True)]
        found = iter(sums)
        of_all = (next(found) if weight.requires_grad else None for weight in weights)
        return None, None, rows_to_frames(by_x, size).to(x.dtype), *of_all


def compute_gradients(
    block: Block, around: Tensor, size: Sequence[int], window: Window, by_result: Tensor
) -> tuple[Tensor, list[Tensor]]:
    """Compute the gradients of `block.compute_part`.

    Args:
        block: the block.
        around: the frames of the window with their neighbours, (before + T + after, P, C).
        size: H and W.
        window: which frames these are.
        by_result: the gradient by the result, (T, P, C).

    Returns:
        the gradients by `around`, and by each weight of the block that is trained.
    """
    around = around.detach().requires_grad_()
    with torch.enable_grad():
        gate = block.compute_gate(around, size, window.before, window.frames)
        neighbours = block.compute_neighbours(around, window.before, window.frames)
    own = slice(window.before, window.before + window.frames)
    with torch.no_grad():
        by_own, by_neighbours, by_weights2, by_gate = correlate_backward(
            around[own], neighbours, block.weights2, gate, by_result.to(around.dtype)
        )
    weights = [weight for weight in block.parameters() if weight.requires_grad]
    by_around, *by_weights = torch.autograd.grad(
        [gate, neighbours], [around, *weights], [by_gate, by_neighbours], allow_unused=True
    )  # neither depends on weights2
    by_around[own] += by_own
    return by_around, [
        by_weights2 if weight is block.weights2 else by_weight
        for weight, by_weight in zip(weights, by_weights, strict=True)
    ]


def choose_dtype(x: Tensor) -> torch.dtype:
    """The number format to compute in: that of the backbone, but float32 instead of float16, which would overflow."""
    autocast = torch.is_autocast_enabled(x.device.type) and x.dtype != torch.float64
    dtype = torch.get_autocast_dtype(x.device.type) if autocast else x.dtype
    return torch.float32 if dtype == torch.float16 else dtype


def frames_to_rows(x: Tensor) -> Tensor:
    """(N, C, H, W), channels-last -> (N, H*W, C): a view."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def rows_to_frames(rows: Tensor, size: Sequence[int]) -> Tensor:
    """(N, H*W, C) -> (N, C, H, W), channels-last: a view."""
    return rows.unflatten(1, tuple(size)).permute(0, 3, 1, 2)
