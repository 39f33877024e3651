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

    def compute_part(self, around: Tensor, size: Sequence[int], before: int, after: int) -> Tensor: ...

    def compute_gate(self, around: Tensor, size: Sequence[int], before: int, after: int) -> Tensor: ...

    def compute_neighbours(self, around: Tensor, before: int, after: int) -> Tensor: ...


class Window(NamedTuple):
    """Some frames of a clip, by their places among all frames of the batch.

    Attributes:
        start: the first frame.
        stop: the end of the frames.
        before: the number of their neighbours before them, up to `reach`.
        after: the same after them.
    """

    start: int
    stop: int
    before: int
    after: int

    @property
    def own(self) -> slice:
        """The frames alone."""
        return slice(self.start, self.stop)

    @property
    def around(self) -> slice:
        """The frames with their neighbours."""
        return slice(self.start - self.before, self.stop + self.after)

    @property
    def near(self) -> slice:
        """The frames with up to one neighbour on either side."""
        return slice(self.start - min(self.before, 1), self.stop + min(self.after, 1))


def cut_windows(clips: Sequence[tuple[int, int]], reach: int, device: torch.device) -> Iterator[Window]:
    """Cut clips, each from its first frame to its end among all frames of the batch."""
    step = CPU_WINDOW if device.type == "cpu" else GPU_WINDOW
    for first, end in clips:
        for start in range(first, end, step):
            stop = min(start + step, end)
            yield Window(start, stop, min(reach, start - first), min(reach, end - stop))


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
                out[window.own] = block.compute_part(around, size, window.before, window.after)
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
                by_weights = add_gradients(ctx.block, rows, size, window, by_rows, by_x)
                for total, gradient in zip(sums, by_weights, strict=True):
                    total.add_(gradient)
        found = iter(sums)
        of_all = (next(found) if weight.requires_grad else None for weight in weights)
        return None, None, rows_to_frames(by_x, size).to(x.dtype), *of_all


def add_gradients(
    block: Block, rows: Tensor, size: Sequence[int], window: Window, by_rows: Tensor, by_x: Tensor
) -> list[Tensor]:  # fmt: skip
    """Compute the gradients of `block.compute_part` for a window.

    Args:
        block: the block.
        rows: all frames of the batch, (N, P, C).
        size: H and W.
        window: which frames are computed.
        by_rows: the gradient by the result, (N, P, C).
        by_x: where the gradient by the frames is added, (N, P, C).

    Returns:
        the gradients by the weights of the block that are trained.
    """
    # Two leaves, because the gradient by a part of one tensor would be as large as all of it.
    around, near = (rows[part].to(by_x.dtype).detach().requires_grad_() for part in (window.around, window.near))
    with torch.enable_grad():
        gate = block.compute_gate(around, size, window.before, window.after)
        neighbours = block.compute_neighbours(near, min(window.before, 1), min(window.after, 1))
    with torch.no_grad():
        x, by_result = rows[window.own].to(by_x.dtype), by_rows[window.own].to(by_x.dtype)
        by_own, by_neighbours, by_weights2, by_gate = correlate_backward(x, neighbours, block.weights2, gate, by_result)
    by_x[window.own] += by_own
    del by_own
    weights = [weight for weight in block.parameters() if weight.requires_grad]
    by_around, by_near, *by_weights = torch.autograd.grad(
        [gate, neighbours], [around, near, *weights], [by_gate, by_neighbours], allow_unused=True
    )  # neither depends on weights2
    by_x[window.around] += by_around
    by_x[window.near] += by_near
    return [
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
