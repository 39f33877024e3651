"""Section 4: training on rendered clips in each number format, an overflow, and memory that runs out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import mean

import torch

from benchmarks.gpu.measure import free_memory, measure_peak_mib
from benchmarks.gpu.recipe import OptimizerArgs, Recipe
from benchmarks.gpu.section import Finding, Task, attempt, check, check_below, number, skip
from benchmarks.gpu.subjects import build_network, build_training_step, draw_batch, render_batches
from dataset.batch import Batch
from engine.training_step import TrainingStep
from utils.errors import InputError
from utils.precision import use_precision

FALL = 0.7
"""The share of its beginning to which the loss must fall at least."""
APART = 0.25
"""How far the losses at the end may lie apart, as a share of the first format's."""
TOO_LARGE = 2.0**100
"""A scale of the loss at which every gradient overflows, even that of float32 maps."""
LEFT_MIB = (32, 512, 2048)
"""Memory that is left where it shall run out, less than a step needs: at the video, at the first maps, and later."""


@dataclass(frozen=True)
class Size:
    """How much is trained.

    Attributes:
        batches: batches of two clips.
        interval: of so many frames of a clip one is taken.
        side: the side of a frame in pixels.
        width: the network's width.
        hidden: its hidden size.
        steps: the steps of a training.
        formats: the number formats to train in; the first is what the others are compared with.
    """

    batches: int
    interval: int
    side: int
    width: int
    hidden: int
    steps: int
    formats: tuple[str, ...]


FULL = Size(4, 1, 112, 64, 512, 40, ("tf32", "bf16", "fp16"))
SMALL = Size(1, 2, 64, 16, 32, 12, ("tf32", "bf16"))


def run(task: Task) -> Iterator[Finding]:
    """Train in each format, then provoke an overflow and a lack of memory."""
    size = SMALL if task.small else FULL
    batches = render_batches(size.batches, size.side, size.interval)
    ends: dict[str, float] = {}
    for precision in size.formats:
        losses = train(precision, size, batches, task.device)
        start, end = mean(losses[: size.batches]), mean(losses[-size.batches :])
        note = f"loss {start:.1f} -> {end:.1f} in {len(losses)} steps"
        yield check_below(f"{precision}, share of the loss that is left", end / start, FALL, note=note)
        ends[precision] = end
        free_memory(task.device)
    first = size.formats[0]
    for precision in size.formats[1:]:
        apart = abs(ends[precision] - ends[first]) / ends[first]
        yield check_below(f"{precision}, distance of the last loss from {first}'s", apart, APART)
    yield from attempt("overflow in fp16", partial(provoke_overflow, task.device))
    yield from attempt("memory that runs out", partial(provoke_lack_of_memory, task.device))


def build_step(precision: str, size: Size, device: torch.device, steps: int) -> TrainingStep:
    """Build a training step that learns a few sentences quickly."""
    model = build_network(width=size.width, hidden_size=size.hidden)
    optimizer = OptimizerArgs(base_lr=1e-3, step=(), max_gradient_norm=50.0)
    recipe = Recipe(precision=use_precision(precision, device), optimizer_args=optimizer)
    return build_training_step(model, device, recipe, steps)


def train(precision: str, size: Size, batches: Sequence[Batch], device: torch.device) -> list[float]:
    """Train on the batches in turn, always from the same weights, and return the loss of each step that was learnt."""
    step = build_step(precision, size, device, size.steps)
    torch.manual_seed(0)
    results = [step([batches[number % len(batches)]]) for number in range(size.steps)]
    return [result.loss for result in results if not result.skipped]


def provoke_overflow(device: torch.device) -> Iterator[Finding]:
    """Scale the loss in fp16 so much that its gradient overflows: nothing may be learnt, and the scale must fall."""
    step = build_step("fp16", SMALL, device, 1)
    scaler = torch.amp.GradScaler(device.type, init_scale=TOO_LARGE)
    step = replace(step, scaler=scaler)
    before = [weight.detach().clone() for weight in step.network.parameters()]
    result = step([draw_batch((20, 12))])
    same = all(torch.equal(weight, old) for weight, old in zip(step.network.parameters(), before, strict=True))
    yield check("overflow in fp16 is told and skipped", result.overflow and result.skipped)
    yield check("overflow in fp16 changes no weight", same)
    yield check(
        "overflow in fp16 halves the scale", scaler.get_scale() == TOO_LARGE / 2, scaler.get_scale() / TOO_LARGE
    )


def provoke_lack_of_memory(device: torch.device) -> Iterator[Finding]:
    """Take steps with too little memory: the error must be the project's, and a step with enough must work then."""
    name = "memory that runs out"
    if device.type != "cuda":
        yield skip(name)
        return
    step = build_step("default", FULL, device, 1)
    fitting = draw_batch((20, 12), 112)
    step([fitting])
    total = torch.cuda.get_device_properties(device).total_memory
    for left in LEFT_MIB:
        free_memory(device)
        allowed = torch.cuda.memory_reserved(device) + left * 2**20
        torch.cuda.set_per_process_memory_fraction(min(1.0, allowed / total), device)
        try:
            step([draw_batch((156, 156), 224)])
            yield check(f"{name}, {left} MiB left", False, note="a step of 2 x 156 frames passed")
        except InputError as error:
            # "Probably", where cuDNN found no room for its own needs.
            told = str(error).startswith(("memory ran out", "memory probably ran out"))
            yield check(f"{name}, {left} MiB left", told, note=" ".join(str(error).split()))
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, device)
    peak = measure_peak_mib(lambda: step([fitting]), device)
    yield number("a step after it, memory for 2 x 20 frames of 112 pixels", peak, "MiB", f"width {FULL.width}")
