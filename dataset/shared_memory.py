"""Room for batches in the memory that a loader's worker processes share with the main one: /dev/shm on Linux.

Docker gives a container 64 MB of it, less than one batch of long clips may need.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from config.load import ConfigError
from dataset.order import DistributedEpochSampler
from utils.temporal import TemporalSpec, round_up
from utils.text import plural
from utils.workers import local_world_size

SHARED = Path("/dev/shm")
REMEDY = (
    "give the container more (docker run --shm-size=8g, or --ipc=host), set num_worker to 0, which needs none, or "
    "lower num_worker, batch_size, test_batch_size or feeder_args.max_frames"
)
PREFETCH = 2  # batches that each worker reads ahead, PyTorch's default


def check_shared_memory(least: Sequence[int], most: Sequence[int], workers: int) -> str:
    """Compare what a loader's batches take with what is free.

    Args:
        least: the bytes that each batch takes at least.
        most: the bytes that each batch takes at most.
        workers: the number of worker processes.

    Returns:
        a warning; empty if there is room for as many batches as there can be at a time.

    Raises:
        ConfigError: not even the largest batch alone has room.
    """
    if not workers or not sys.platform.startswith("linux"):
        return ""
    try:
        free = shutil.disk_usage(SHARED).free
    except OSError as error:
        reason = f"{SHARED}, through which worker processes hand over batches, cannot be used: {error.strerror}"
        raise ConfigError(f"{reason}; {REMEDY}") from error
    needed = max(least, default=0)
    if needed > free:
        raise ConfigError(
            f"{SHARED}, through which worker processes hand over batches, has {_format_size(free)} free, and the "
            f"largest batch alone needs {_format_size(needed)}: {REMEDY}"
        )
    needed = _add_up(most, workers)
    if needed <= free:
        return ""
    return (
        f"warning: {SHARED} has {_format_size(free)} free, and {workers} workers may need {_format_size(needed)} for "
        f"the batches that they read ahead; if it runs full, the run ends: {REMEDY}"
    )


def fit_workers(most: Sequence[int], workers: int) -> tuple[int, str]:
    """Take only as many workers as can hand over their batches at a time, but one at least.

    Args:
        most: the bytes that each batch takes at most.
        workers: the number of workers that there are cores for.

    Returns:
        the number of workers, and a line for the log if they are fewer.
    """
    if not sys.platform.startswith("linux"):
        return workers, ""
    try:
        free = shutil.disk_usage(SHARED).free
    except OSError:  # which `check_shared_memory` says
        return workers, ""
    fitting = next((number for number in range(workers, 1, -1) if _add_up(most, number) <= free), min(workers, 1))
    if fitting == workers:
        return workers, ""
    return fitting, (
        f"frames are read by {plural(fitting, 'worker')}, and not by {workers}: {SHARED} has {_format_size(free)} free "
        "for the batches that they read ahead; docker run --shm-size=8g gives a container more"
    )


def _add_up(most: Sequence[int], workers: int) -> int:
    """The bytes that all batches take which are there at a time.

    Those are all that is read ahead, and the one that is learnt from, in each of the processes that train on this
    machine.
    """
    together = (PREFETCH * workers + 1) * local_world_size()
    return sum(sorted(most)[-together:])


def measure_batches(
    dataset: Any, sampler: DistributedEpochSampler, spec: TemporalSpec, pad_to: int = 0
) -> tuple[list[int], list[int]]:  # fmt: skip
    """The bytes that each batch of an epoch takes at least, and at most.

    Args:
        dataset: a `ClipDataset`, or a `FeatureDataset`.
        sampler: its order.
        spec: the network's temporal chain.
        pad_to: as for `dataset.batch.Collate`.
    """
    indices = [index for _, index in sampler]
    batches = [indices[first : first + sampler.batch_size] for first in range(0, len(indices), sampler.batch_size)]
    ranges = [dataset.length_range(clip.num_frames) for clip in dataset.manifest.clips]

    def measure(batch: Sequence[int], bound: int) -> int:
        padded = spec.padded_length(max(ranges[index][bound] for index in batch))
        return len(batch) * round_up(padded, pad_to) * dataset.frame_bytes

    least, most = ([measure(batch, bound) for batch in batches] for bound in (0, 1))
    return least, most


def _format_size(number: int) -> str:
    return f"{number / 2**20:.1f} MiB"
