"""Section 6: the compiled network against the plain one, in training and evaluation, for clips of several lengths."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import torch
from torch._dynamo.utils import counters

from benchmarks.gpu.machine import NO_COMPILER, has_compiler
from benchmarks.gpu.measure import free_memory, median_seconds, synchronise
from benchmarks.gpu.recipe import Recipe
from benchmarks.gpu.section import Finding, Task, attempt, check_below, number, skip
from benchmarks.gpu.subjects import build_network, build_training_step, draw_batch
from dataset.batch import Batch
from slr_network import SLRModel, for_recognition
from utils.precision import use_precision

LENGTHS = (64, 80, 96, 112, 128)
SHORT_LENGTHS = (8, 16, 24)
AGREEMENT = 2e-2
"""How far compiled and plain may lie apart, as a share of the largest value: orders of sums differ, and TF32 rounds."""
FULL: dict[str, Any] = {"width": 64, "hidden_size": 512}


def run(task: Task) -> Iterator[Finding]:
    """Compile recognition, then training, and compare with the plain network."""
    if task.device.type == "cuda" and not has_compiler():
        yield skip("recognition", NO_COMPILER)
        yield skip("training", NO_COMPILER)
        return
    lengths, size = (SHORT_LENGTHS, 64) if task.small else (LENGTHS, 112)
    batches = [draw_batch((length, length), size) for length in lengths]
    precision = use_precision("default", task.device)
    with chosen_backend(task.small):
        yield from attempt("recognition", partial(compare_recognition, batches, precision, task))
        free_memory(task.device)
        yield from attempt("training", partial(compare_training, batches, precision, task))


@contextmanager
def chosen_backend(small: bool) -> Iterator[None]:
    """In the small form let the compiler follow the computation but write no code, which would need a C++ compiler."""
    before = torch.compile
    if small:
        cast(Any, torch).compile = partial(torch.compile, backend="eager")
    try:
        yield
    finally:
        cast(Any, torch).compile = before


def build(task: Task) -> SLRModel:
    """Build the network without dropout, since compiled code draws other random numbers."""
    return build_network(dropout=0.0, **({} if task.small else FULL))


def compare_recognition(batches: Sequence[Batch], precision: str, task: Task) -> Iterator[Finding]:
    """Compare logits for all lengths, and say how long the first clip takes and the others."""
    networks = {
        name: for_recognition(build(task).to(task.device).eval(), precision, compiled=name == "compiled")
        for name in ("plain", "compiled")
    }

    def recognise(name: str, batch: Batch) -> torch.Tensor:
        with torch.inference_mode():
            return networks[name](batch.video.to(task.device), batch.lengths).sequence_logits

    counters.clear()
    seconds = time_first(partial(recognise, "compiled", batches[0]), task)
    differences = [
        float((recognise("compiled", batch) - (plain := recognise("plain", batch))).abs().max() / plain.abs().max())
        for batch in batches
    ]
    yield from describe("recognition", max(differences), seconds, len(batches))
    yield number("recognition, compiled against plain", compare_times(recognise, batches[-1], task), "of its time")


def compare_training(batches: Sequence[Batch], precision: str, task: Task) -> Iterator[Finding]:
    """Compare the losses of a step for each length, and say how long the first step takes and the others."""
    steps = {
        name: build_training_step(
            build(task), task.device, Recipe(precision=precision, compile=name == "compiled"), len(batches)
        )
        for name in ("plain", "compiled")
    }

    def train(name: str, batch: Batch) -> float:
        return steps[name]([batch]).loss

    counters.clear()
    losses = {name: [0.0] * len(batches) for name in steps}
    losses["plain"][0] = train("plain", batches[0])

    def first() -> None:
        losses["compiled"][0] = train("compiled", batches[0])

    seconds = time_first(first, task)
    for index, batch in enumerate(batches[1:], start=1):
        for name in steps:
            losses[name][index] = train(name, batch)
    differences = [abs(a - b) / abs(b) for a, b in zip(losses["compiled"], losses["plain"], strict=True)]
    yield from describe("training", max(differences), seconds, len(batches))
    yield number("training, compiled against plain", compare_times(train, batches[-1], task), "of its time")


def time_first(work: Callable[[], object], task: Task) -> float:
    """Measure the seconds of a call that compiles."""
    synchronise(task.device)
    started = time.perf_counter()
    work()
    synchronise(task.device)
    return time.perf_counter() - started


def describe(kind: str, difference: float, seconds: float, lengths: int) -> Iterator[Finding]:
    """Say how far compiled and plain lie apart, how long the first call took, and how many graphs there are now."""
    yield check_below(f"{kind}, difference of compiled from plain", difference, AGREEMENT, note=f"{lengths} lengths")
    yield number(f"{kind}, time to the first result", seconds, "s")
    graphs = counters["stats"]["unique_graphs"]
    reasons = dict(counters["graph_break"])
    yield number(
        f"{kind}, graphs", graphs, note=f"for {lengths} lengths, {len(reasons)} reasons to break", breaks=reasons
    )


def compare_times(work: Callable[[str, Batch], object], batch: Batch, task: Task) -> float:
    """Measure the time of the compiled form of some work, as a share of the plain one's."""
    repeats = 2 if task.small else 10
    seconds = {
        name: median_seconds(partial(work, name, batch), task.device, repeats, 1) for name in ("plain", "compiled")
    }
    return seconds["compiled"] / seconds["plain"]
