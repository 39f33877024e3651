"""How many frames a second the training loader reads on this machine, for the table."""

from __future__ import annotations

import importlib
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.gpu.section import Finding, Task, number, skip
from utils.workers import available_cores

CLIPS = 4  # that are rendered; they are read again and again


def measure_loaders(task: Task) -> Iterator[Finding]:
    """Measure the training loader on rendered clips of 256x256 pixels, with a worker for each core."""
    workers = 0 if task.small else available_cores()
    try:
        # Late, since it reads configurations and packs: the other rows need neither pydantic nor lmdb.
        loader = importlib.import_module("benchmarks.loader")
    except ModuleNotFoundError as error:
        yield skip("loader", f"{error.name} is not installed")
        return
    with tempfile.TemporaryDirectory() as folder:
        for suffix, manifest in loader.write_corpora(1 if task.small else CLIPS, Path(folder)).items():
            repeated = repeat_clips(manifest, 4 if task.small else 4 * workers)
            batches = loader.build_training_loader(loader.configure(num_worker=workers), repeated)
            rate = measure_rate(loader.read_batches(batches, epoch=1), warm=max(1, workers))
            note = f"training loader, {workers} workers, files in the page cache; {len(batches)} batches of 2 clips"
            yield number(f"loader, {suffix.upper()}", rate, "frames/s", note)


def repeat_clips(manifest: Any, times: int) -> Any:
    """Give a manifest in which every clip stands several times, under other names."""
    clips = (replace(clip, id=f"{clip.id}-{turn}") for turn in range(times) for clip in manifest.clips)
    return replace(manifest, clips=tuple(clips))


def measure_rate(batches: Iterable[tuple[object, Sequence[int]]], warm: int) -> float:
    """Measure the frames a second of batches (video, lengths) after the first ones, for which workers had to start."""
    rest = iter(batches)
    for _ in islice(rest, warm):
        pass
    start = time.perf_counter()
    frames = sum(sum(lengths) for _, lengths in rest)
    return frames / (time.perf_counter() - start)
