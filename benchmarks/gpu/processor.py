"""What the processor does beside the device: it reads the frames of the next batches, and decodes the last one."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu.section import Finding, Task, number, skip
from evaluation.decode import BeamDecoder
from utils.workers import available_cores

CLIPS = 4  # that are rendered; they are read again and again
STEPS, CLASSES = 39, 1296  # output steps of a clip of 156 frames, and PHOENIX2014's classes


def measure_processor(task: Task) -> Iterator[Finding]:
    """Measure the decoder and the loader, where what they need is installed."""
    for name, measure in (("decoding", measure_decoding), ("loader", measure_loaders)):
        try:
            yield from measure(task)
        except ModuleNotFoundError as error:
            yield skip(name, f"{error.name} is not installed")


def measure_loaders(task: Task) -> Iterator[Finding]:
    """Measure the training loader on rendered clips of 256x256 pixels, with a worker for each core."""
    from benchmarks import loader  # noqa: PLC0415  it reads configurations and packs, which the table does without

    workers = 0 if task.small else available_cores()
    with tempfile.TemporaryDirectory() as folder:
        for suffix, manifest in loader.write_corpora(1 if task.small else CLIPS, Path(folder)).items():
            repeated = repeat_clips(manifest, 4 if task.small else 4 * workers)
            batches = loader.build_training_loader(loader.configure(num_worker=workers), repeated)
            rate = measure_rate(loader.read_batches(batches, epoch=1), warm=max(1, workers))
            note = f"training loader, {workers} workers, files in the page cache; {len(batches)} batches of 2 clips"
            yield number(f"loader, {suffix.upper()}", rate, "frames/s", note)


def measure_decoding(task: Task) -> Iterator[Finding]:
    """Measure the beam search of a clip, which evaluation does in a thread while the device has the next batch."""
    from benchmarks.decode import measure_median_ms, sample_posteriors  # noqa: PLC0415  as above

    posteriors = sample_posteriors("unsure", STEPS, CLASSES, seed=0)  # (1, T', V)
    work = partial(BeamDecoder(), posteriors, np.array([STEPS]))
    work()  # compiles the search, or loads what was compiled before
    note = f"beam search of {STEPS} steps and {CLASSES} classes, on one core"
    yield number("decoding", measure_median_ms(work, 1 if task.small else 20), "ms a clip", note)


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
