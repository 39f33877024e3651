"""Copying batches to a GPU while it computes on others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

import torch

from dataset.batch import Batch
from engine.training_step import describe_memory_use
from utils.errors import explain_out_of_memory


def copy_ahead(batches: Iterable[Batch], device: torch.device) -> Iterator[Batch]:
    """Give the batches in their order; for a GPU, each is copied there while it computes on the one before.

    So one batch more than is asked for is taken, and lies on the GPU. An error that comes instead of it comes before
    the batch that was asked for.

    Args:
        batches: batches on the CPU, for a GPU in page-locked memory.
        device: the device; for another one than a GPU the batches stay where they are.

    Raises:
        InputError: memory ran out; names the clips and what helps.
    """
    if device.type != "cuda":
        yield from batches
        return
    copying = torch.cuda.Stream(device)
    ahead: tuple[Batch, torch.cuda.Event] | None = None
    for batch in batches:
        with torch.cuda.stream(copying), explain_out_of_memory(partial(describe_memory_use, [batch])):
            following = batch.to(device), copying.record_event()
        if ahead:
            yield hand_over(*ahead)
        ahead = following
    if ahead:
        yield hand_over(*ahead)


def hand_over(batch: Batch, copied: torch.cuda.Event) -> Batch:
    """Let the GPU compute on a batch as soon as it has been copied, and keep its memory until that is done."""
    computing = torch.cuda.current_stream(batch.video.device)
    computing.wait_event(copied)
    for values in (batch.video, batch.targets):
        values.record_stream(computing)
    return batch
