"""Sums over the maps that compare every position of a frame with every position of the frames beside it.

Such a map is P x P for a frame of P = H*W positions, 2.5 MB for 28x28 in float32: far more than anything else in the
network. The maps exist for a few frames at a time, in memory that is used again, and the gradients compute them again.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

CPU_VALUES = 2**18
"""Values of the maps at a time, where they are of more than one frame: few enough for a processor's cache."""
GPU_VALUES = 2**26
"""The same for other devices, which need many at a time to be busy."""


def correlate(x: Tensor, neighbours: Tensor, weights: Tensor) -> Tensor:
    """Sum the neighbours' features, each weighted by how its position agrees with one of the frame; no gradients.

    f(p) = sum over both neighbours n of their weight times the sum over q of n(q) * (sigmoid(x(p) . n(q)) - 1/2).

    Args:
        x: T frames, (T, P, C).
        neighbours: the features of these frames, and of those before and after them, (T + 2, P, C).
        weights: the weights of the next and of the previous frame, (2,).

    Returns:
        f, (T, P, C).
    """
    f = torch.empty_like(x)
    for part, (maps,) in _split(x, 1):
        for side, weight in enumerate(weights.to(x.dtype)):
            n = _side(neighbours, part, side)  # (T', P, C)
            torch.bmm(x[part], n.transpose(1, 2), out=maps).sigmoid_().sub_(0.5)
            f[part].baddbmm_(maps, n * weight, beta=side)  # the first side overwrites what is there
    return f


def correlate_backward(
    x: Tensor, neighbours: Tensor, weights: Tensor, gate: Tensor, by_result: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Compute the gradients of `gate * correlate(x, neighbours, weights)`.

    Args:
        x: as for `correlate`.
        neighbours: as for `correlate`.
        weights: as for `correlate`.
        gate: (T, P, C).
        by_result: the gradient by the product, (T, P, C).

    Returns:
        the gradients by `x`, `neighbours`, `weights` and `gate`.
    """
    by_x, by_neighbours, by_gate = torch.zeros_like(x), torch.zeros_like(neighbours), torch.zeros_like(gate)
    by_weights = torch.zeros(2, dtype=torch.promote_types(x.dtype, torch.float32), device=x.device)
    by_f = by_result * gate
    for part, (maps, by_maps) in _split(x, 2):
        for side, weight in enumerate(weights.to(x.dtype)):
            n, by_n = _side(neighbours, part, side), _side(by_neighbours, part, side)
            by_sum = by_f[part] * weight  # the gradient by the sum over this side
            torch.bmm(x[part], n.transpose(1, 2), out=maps).sigmoid_()
            torch.bmm(by_sum, n.transpose(1, 2), out=by_maps)
            torch.ops.aten.sigmoid_backward.grad_input(by_maps, maps, grad_input=by_maps)
            maps.sub_(0.5)
            by_x[part].baddbmm_(by_maps, n)
            by_n.baddbmm_(by_maps.transpose(1, 2), x[part]).baddbmm_(maps.transpose(1, 2), by_sum)
            summed = torch.bmm(maps, n)
            by_weights[side] += (by_f[part] * summed).sum(dtype=by_weights.dtype)
            by_gate[part].addcmul_(summed, weight)
    return by_x, by_neighbours, by_weights.to(weights.dtype), by_gate.mul_(by_result)


def _side(neighbours: Tensor, part: slice, side: int) -> Tensor:
    """The next (side 0) or previous (side 1) frames of some frames, among T + 2."""
    offset = 2 - 2 * side
    return neighbours[part.start + offset : part.stop + offset]


def _split(x: Tensor, buffers: int) -> Iterator[tuple[slice, list[Tensor]]]:
    """Cut (T, P, C) into a few frames at a time, each with memory for so many of their maps, (T', P, P)."""
    frames, positions, _ = x.shape
    values = CPU_VALUES if x.device.type == "cpu" else GPU_VALUES
    step = min(frames, max(1, values // positions**2))
    memory = [x.new_empty(step, positions, positions) for _ in range(buffers)]
    for start in range(0, frames, step):
        stop = min(start + step, frames)
        yield slice(start, stop), [buffer[: stop - start] for buffer in memory]
