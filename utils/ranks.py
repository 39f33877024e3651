"""The processes that train together, if there are several: which one this is, and what they tell each other."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist


def rank() -> int:
    """The number of this process among those that train together; number 0 writes the files."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """The number of processes that train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def local_rank() -> int | None:
    """The number of this process on its machine; None if torchrun did not start it."""
    number = os.environ.get("LOCAL_RANK")
    return None if number is None else int(number)


def all_gather(value: Any) -> list[Any]:
    """The values that all processes give, in the order of their ranks; each process gets all of them.

    It is also a barrier: no process goes on before all have called it.

    Args:
        value: a plain value, a container of such, or a tensor on the CPU.
    """
    if world_size() == 1:
        return [value]
    out: list[Any] = [None] * world_size()
    dist.all_gather_object(out, value)
    return out


def all_reduce_mean(values: Sequence[float]) -> list[float]:
    """The mean over the processes of each of these numbers, computed on the CPU: no GPU is waited for.

    Args:
        values: the numbers of this process; as many in each process.
    """
    if world_size() == 1:
        return list(values)
    total = torch.tensor(values, dtype=torch.float32)
    dist.all_reduce(total)
    return (total / world_size()).tolist()
