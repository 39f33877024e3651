"""Speed and memory of a training step and of recognition in all ways, and of the loader and decoder beside them."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch

from benchmarks.gpu.machine import NO_COMPILER, has_compiler
from benchmarks.gpu.measure import choose_precisions, free_memory, median_seconds
from benchmarks.gpu.memory_limit import find_largest, fits_in_memory
from benchmarks.gpu.processor import measure_processor
from benchmarks.gpu.roofline import Bound, find_bound, measure_peaks
from benchmarks.gpu.section import Finding, Task, number, skip
from benchmarks.gpu.timing import benchmark_mode
from benchmarks.gpu.ways import COMPILED, FIRST, MAIN, STAGES, WAYS, Way, Workload
from benchmarks.network import build_network, draw_clips, parse_args
from benchmarks.work import Work
from utils.precision import use_precision
from utils.temporal import TemporalSpec

FRAMES = 156  # of a clip, near the mean of PHOENIX2014
CLIPS = {"training": 2, "recognition": 1}
SMALL = ("--size=64", "--width=16", "--backbone=resnet18", "--hidden_size=32")
FEWEST = 8  # frames of a clip; a step on these shows what launches cost
GUESS = 1000  # frames of a clip that are tried first
MOST_VALUES = 2**31 - 1
"""Of one map. On larger ones some of PyTorch's kernels count wrong, and write where they must not: those of pooling
(pytorch#52822, #68418, #167322), depthwise convolutions (#152816) and large pictures (#117736)."""
COMPILING = 120.0  # seconds that compiling and measuring may take, of each kind of work
"""Compiling what trains takes about a minute on a fast processor, and what recognises less."""


@dataclass(frozen=True)
class Cost:
    """What a computation takes.

    Attributes:
        seconds: of one call.
        frames: real frames of all its clips.
        padded: the same with padding.
        peak_mib: what PyTorch held at most, weights and clips included; None where that is not known.
    """

    seconds: float
    frames: int
    padded: int
    peak_mib: float | None


def run(task: Task) -> Iterator[Finding]:
    """Measure all ways, the loader, the longest batch, and at the end what has to be compiled."""
    end = time.monotonic() + task.seconds
    args = parse_args([f"--device={task.device}", *(SMALL if task.small else ())])
    workload = Workload(build_network(argparse.Namespace(**vars(args) | {"device": "cpu"})), args)
    first: dict[tuple[str, str], float] = {}  # seconds a frame of the published form, by kind and precision
    for precision in choose_precisions(task.device):
        use_precision(precision, task.device)
        peaks = measure_peaks(task, precision)
        for kind, ways in WAYS.items():
            bound = None if task.small else find_bound(kind, precision, peaks)
            for way in ways:
                cost = measure_way(workload, kind, way, precision, task)
                if cost is None:
                    yield skip(f"{kind}, {precision}, {way.name}", "out of memory even with few frames")
                    continue
                if way == FIRST:
                    first[kind, precision] = cost.seconds / cost.frames
                yield describe_cost(kind, way, precision, cost, first.get((kind, precision)), bound)
    precision = choose_precisions(task.device)[0]
    use_precision(precision, task.device)
    yield measure_launches(workload, precision, task)
    yield from measure_processor(task)
    yield from measure_longest(workload, precision, task)
    for kind in WAYS:
        yield from measure_compiled(workload, kind, precision, task, first.get((kind, precision)), end)


def measure_way(workload: Workload, kind: str, way: Way, precision: str, task: Task) -> Cost | None:
    """Measure a way to compute, on fewer frames where there is no memory for all; None if there is none for few."""
    frames, clips = (FEWEST if task.small else FRAMES), CLIPS[kind]
    while frames >= FEWEST:
        found: list[Cost] = []
        build = partial(build_work, workload, kind, way, precision, frames, clips)
        with benchmark_mode(way.benchmark):
            if fits_in_memory(partial(measure_into, found, build, frames * clips, task), task.device):
                return found[0]
        frames //= 2
    return None


def build_work(workload: Workload, kind: str, way: Way, precision: str, frames: int, clips: int) -> tuple[Work, int]:
    """Prepare a computation on random clips; gives the number of padded frames, too."""
    video, lengths = draw_clips(workload.args, frames, clips)
    return workload.build(kind, way, precision, video, lengths), clips * video.shape[1]


def measure_into(found: list[Cost], build: Callable[[], tuple[Work, int]], frames: int, task: Task) -> None:
    """Build and measure a computation on so many real frames, and append what it costs."""
    work, padded = build()
    cuda = task.device.type == "cuda"
    work()  # what libraries keep for ever, and the search of the benchmark mode, are not what a step needs
    if cuda:
        torch.cuda.reset_peak_memory_stats(task.device)
    work()
    peak = torch.cuda.max_memory_allocated(task.device) / 2**20 if cuda else None
    repeats, warmups = (1, 0) if task.small else (5, 1)
    found.append(Cost(median_seconds(work, task.device, repeats, warmups), frames, padded, peak))


def describe_cost(
    kind: str, way: Way, precision: str, cost: Cost, first: float | None, bound: Bound | None
) -> Finding:  # fmt: skip
    """Report the milliseconds a real frame.

    Args:
        kind: "training" or "recognition".
        way: how it was computed.
        precision: the number format.
        cost: what it took.
        first: the seconds a real frame of the published form; None if it was not measured.
        bound: the least seconds for a padded frame; None of a network whose needs are not known.
    """
    each = cost.seconds / cost.frames
    ratio = each / first if first else None
    share = bound.total * cost.padded / cost.seconds if bound and way.network == MAIN.network else None
    notes = [] if ratio is None else [f"{ratio:.2f} of the published form"]
    notes += [] if cost.peak_mib is None else [f"peak {cost.peak_mib:.0f} MiB"]
    notes += [] if share is None else [f"{100 * share:.0f} % of the roofline"]
    clips = CLIPS[kind]
    notes.append(f"{clips} x {cost.frames // clips} frames in {1e3 * cost.seconds:.1f} ms")
    details = {
        "kind": kind, "precision": precision, "way": way.name, "frames": cost.frames, "padded": cost.padded,
        "seconds": cost.seconds, "ratio": ratio, "peak_mib": cost.peak_mib, "share": share,
        "memory_seconds": bound.memory if bound else None, "arithmetic_seconds": bound.arithmetic if bound else None,
    }  # fmt: skip
    return number(f"{kind}, {precision}, {way.name}", 1e3 * each, "ms a frame", ", ".join(notes), **details)


def measure_launches(workload: Workload, precision: str, task: Task) -> Finding:
    """Measure a training step on hardly any frames, which takes about as long as its launches."""
    work, padded = build_work(workload, "training", MAIN, precision, FEWEST, 2)
    seconds = median_seconds(work, task.device, 1 if task.small else 10)
    free_memory(task.device)
    note = f"{precision}, 2 x {FEWEST} frames, {padded} with padding: what the launches of a step take, about"
    return number("a step on few frames", 1e3 * seconds, "ms", note)


def measure_longest(workload: Workload, precision: str, task: Task) -> Iterator[Finding]:
    """Find the longest two clips that a training step has memory for."""
    for way in (MAIN, STAGES):
        name = f"longest batch, {precision}, recompute {way.recompute}"
        if task.device.type != "cuda":
            yield skip(name)
            continue
        train = partial(train_once, workload, way, precision)
        fits = partial(fits_with, train, task.device)
        note = "frames of each of two clips in a training step without the optimiser, found to within 4 %"
        try:
            most = find_most_frames(workload.args.size, workload.args.width)
            found = find_largest(fits, min(GUESS, most), most)
            at_most = "; longer clips are not tried, whose maps PyTorch may miscount" if found == most else ""
            yield number(name, found, "frames", note + at_most)
        except RuntimeError as error:  # a size that some kernel cannot count
            yield Finding(name, "fail", note=f"not memory but another error ends longer clips: {error}")


def find_most_frames(size: int, width: int) -> int:
    """The most frames of each of two clips with which the largest map, after the first convolution, can be counted.

    Args:
        size: the side of a frame in pixels.
        width: the channels of the first convolution.
    """
    spec = TemporalSpec()
    frames = MOST_VALUES // (2 * width * (size // 2) ** 2) - 2 * spec.edge
    return frames - frames % spec.stride


def fits_with(train: Callable[[int], object], device: torch.device, frames: int) -> bool:
    """Whether there is memory to train on so many frames."""
    return fits_in_memory(partial(train, frames), device)


def train_once(workload: Workload, way: Way, precision: str, frames: int) -> None:
    """Compute one training step on two clips of so many frames, all of them black."""
    size, total = workload.args.size, TemporalSpec().padded_length(frames)
    video = torch.zeros(2, total, 3, size, size, dtype=torch.uint8, device=workload.args.device)
    workload.build("training", way, precision, video, torch.full((2,), frames))()


def measure_compiled(
    workload: Workload, kind: str, precision: str, task: Task, first: float | None, end: float
) -> Iterator[Finding]:  # fmt: skip
    """Measure the compiled network, if there is time to compile it until `end`."""
    name = f"{kind}, {precision}, {COMPILED.name}"
    left = end - time.monotonic()
    if task.device.type != "cuda":
        yield skip(name)
    elif not has_compiler():
        yield skip(name, NO_COMPILER)
    elif left < COMPILING:
        yield skip(name, f"{left:.0f} s are left, and compiling may take {COMPILING:.0f}; give a longer --limit")
    elif (cost := measure_way(workload, kind, COMPILED, precision, task)) is None:
        yield skip(name, "out of memory even with few frames")
    else:
        bound = find_bound(kind, precision, measure_peaks(task, precision))
        yield describe_cost(kind, COMPILED, precision, cost, first, bound)
