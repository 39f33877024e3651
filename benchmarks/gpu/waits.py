"""Section 3: how often a training step and an evaluation wait for the GPU, and where."""

from __future__ import annotations

import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch

from benchmarks.gpu.recipe import Recipe
from benchmarks.gpu.section import Finding, Task, skip
from benchmarks.gpu.subjects import GLOSSES, build_network, build_training_step, draw_batch
from dataset.batch import Batch
from dataset.vocabulary import Vocabulary
from evaluation.decode import BeamDecoder
from evaluation.recognise import recognise_clips
from slr_network import for_recognition
from utils.environment import ROOT

A_STEP, A_BATCH = 2, 1
"""How often a training step, and an evaluation for each batch, may wait."""
BATCHES = 4


def run(task: Task) -> Iterator[Finding]:
    """Count the waits of steps with unequal and with equal clips, and of an evaluation."""
    if task.device.type != "cuda":
        # What is to be counted is computed all the same, so that it is known to work.
        train(task.device, (12, 8))
        evaluate(task.device)
        yield skip("waits of a step, unequal clips")
        yield skip("waits of a step, equal clips")
        yield skip("waits of an evaluation")
        return
    for name, lengths in (("unequal clips", (20, 12)), ("equal clips", (16, 16))):
        yield judge(f"waits of a step, {name}", train(task.device, lengths), 1, A_STEP)
    yield judge("waits of an evaluation", evaluate(task.device), BATCHES, A_BATCH)


def judge(name: str, work: Callable[[], object], parts: int, most: int) -> Finding:
    """Run some work, which has been run before, and say how often each of its parts has waited, and where.

    Args:
        name: the name of the finding.
        work: the work.
        parts: the number of steps or batches in it.
        most: how often each of them may wait.
    """
    with counted_waits() as places:
        work()
    each = sum(places.values()) / parts
    note = f"at most {most}; " + ", ".join(f"{count} at {place}" for place, count in places.most_common(4))
    return Finding(name, "pass" if each <= most else "fail", each, "each", note, {"places": dict(places)})


@contextmanager
def counted_waits() -> Iterator[Counter[str]]:
    """Count, while this is entered, the operations that wait for the GPU, by the line of the project that asks.

    PyTorch warns of them (`torch.cuda.set_sync_debug_mode`), of all but those of `torch.distributed` and of events.
    """
    places: Counter[str] = Counter()

    def note(message: Warning | str, *_: Any, **__: Any) -> None:
        if "synchronizing CUDA operation" in str(message):
            places[find_place()] += 1

    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        cast(Any, warnings).showwarning = note
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield places
        finally:
            torch.cuda.set_sync_debug_mode(before)


def find_place() -> str:
    """Find the innermost line of the project that is being run, this file left out."""
    for frame in reversed(traceback.extract_stack()):
        path = Path(frame.filename)
        if path != Path(__file__) and path.is_relative_to(ROOT) and ".venv" not in path.parts:
            return f"{path.relative_to(ROOT)}:{frame.lineno}"
    return "a thread of PyTorch"


def train(device: torch.device, lengths: tuple[int, ...]) -> Callable[[], object]:
    """Prepare a training step, and take two of them."""
    step = build_training_step(build_network(), device, Recipe(), steps_per_epoch=1)
    batch = pin(draw_batch(lengths), device)
    for _ in range(2):
        step([batch])
    return lambda: step([batch])


def evaluate(device: torch.device) -> Callable[[], object]:
    """Prepare the recognition of some batches with a beam search, and do it once."""
    network = for_recognition(build_network().to(device).eval(), "default")
    vocabulary = Vocabulary([f"GLOSS{number}" for number in range(GLOSSES)])
    loader = cast(Any, [pin(draw_batch((20, 12), seed=seed), device) for seed in range(BATCHES)])

    def work() -> object:
        return recognise_clips(network, loader, BeamDecoder(5), vocabulary, 0.04)

    work()
    return work


def pin(batch: Batch, device: torch.device) -> Batch:
    """Put a batch where the loader would put it: into page-locked memory, if it is to go to a GPU."""
    return batch.pin_memory() if device.type == "cuda" else batch
