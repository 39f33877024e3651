"""Section 5: the same training twice, resumed within an epoch, and moved between the CPU and the device."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.recipe import OptimizerArgs, Recipe
from benchmarks.gpu.section import Finding, Task, attempt, check, check_below, number, skip
from benchmarks.gpu.subjects import build_network, build_training_step, draw_batch
from dataset.batch import Batch
from engine.optimizer_state import restore_optimizer_state
from engine.training_step import TrainingStep
from slr_network import SLRModel
from utils.checkpoint import load_weights, save_checkpoint
from utils.checkpoint_file import read_checkpoint_file
from utils.precision import without_tf32
from utils.seed import get_random_states, restore_random_states, seed_everything

STEPS, BREAK = 4, 2
"""The steps of a training, and after how many of them it is interrupted."""
SPREAD = "two trainings as usual differ by"
MOVED = 1e-4
"""How far the logits of one checkpoint may lie apart on the CPU and on the device, as a share of the largest."""


def run(task: Task) -> Iterator[Finding]:
    """Train twice, resume, and move a checkpoint; with dropout, and without what the device does in any order."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it when it is first used
    batches = [draw_batch((12, 8), seed=seed) for seed in range(STEPS)]
    if task.device.type == "cuda":
        yield measure_spread(batches, task.device)
    else:
        yield skip(SPREAD)
    torch.use_deterministic_algorithms(True)
    yield from attempt("deterministic trainings", partial(repeat, batches, task.device))
    torch.use_deterministic_algorithms(False)
    yield from attempt("a checkpoint that is moved", partial(move, task.device))


def repeat(batches: Sequence[Batch], device: torch.device) -> Iterator[Finding]:
    """Train twice in one go, then in two parts."""
    one, other = (train(batches, device) for _ in range(2))
    yield check("two deterministic trainings are equal", equal(one, other))
    resumed = train_in_two_parts(batches, device)
    yield check("a training resumed within an epoch equals one in one go", equal(one, resumed), note="dropout 0.3")


def measure_spread(batches: Sequence[Batch], device: torch.device) -> Finding:
    """Measure how far two trainings lie apart that are not told to be deterministic."""
    one, other = (torch.cat([weight.flatten().double() for weight in train(batches, device)]) for _ in range(2))
    difference = float((one - other).norm() / one.norm())
    return number(SPREAD, difference, note=f"of the weights, after {STEPS} steps")


def start(device: torch.device) -> TrainingStep:
    """Begin a training, always the same one."""
    seed_everything(0)
    recipe = Recipe(optimizer_args=OptimizerArgs(base_lr=1e-3))
    return build_training_step(build_network(dropout=0.3), device, recipe, STEPS)


def train(batches: Sequence[Batch], device: torch.device) -> list[torch.Tensor]:
    """Train in one go, and return copies of weights and statistics."""
    step = start(device)
    for batch in batches:
        step([batch])
    return list_state(step)


def list_state(step: TrainingStep) -> list[torch.Tensor]:
    """Copies of weights and statistics on the CPU, in their order."""
    return [value.detach().cpu().clone() for value in step.network.state_dict().values()]


def train_in_two_parts(batches: Sequence[Batch], device: torch.device) -> list[torch.Tensor]:
    """Train as `train` does, but write a checkpoint on the way and go on from it with everything built anew."""
    step = start(device)
    for batch in batches[:BREAK]:
        step([batch])
    content = {
        "model_state_dict": step.network.state_dict(),
        "optimizer_state_dict": step.optimizer.state_dict(),
        "random_states": get_random_states(device),
    }
    held = write_and_read(content)
    step = start(device)
    step([batches[0]])  # what this leaves behind must not count
    load_weights(step.network, held)
    restore_optimizer_state(step.optimizer, step.scheduler, held["optimizer_state_dict"], BREAK, "the checkpoint")
    restore_random_states(held["random_states"], device)
    for batch in batches[BREAK:]:
        step([batch])
    return list_state(step)


def write_and_read(content: Mapping[str, Any]) -> Any:
    """Write a checkpoint, and read it onto the CPU; `load_checkpoint` would check its entries with pydantic as well."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "last.pt"
        save_checkpoint(path, content)
        return read_checkpoint_file(path)


def equal(one: Sequence[torch.Tensor], other: Sequence[torch.Tensor]) -> bool:
    """Whether two states are the same, bit by bit."""
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def move(device: torch.device) -> Iterator[Finding]:
    """Read on the CPU what the device has trained, and the other way round, and compare what both recognise."""
    cpu = torch.device("cpu")
    for name, trained_on, read_on in (("device on the CPU", device, cpu), ("CPU on the device", cpu, device)):
        step = start(trained_on)
        step([draw_batch((12, 8))])
        held = write_and_read({"model_state_dict": step.network.state_dict()})
        moved = load_weights(build_network(), held).to(read_on)
        yield compare(f"a checkpoint of the {name}", moved, step.network)


def compare(name: str, one: Any, other: Any) -> Finding:
    """Compare what two networks, wherever they are, recognise in a batch."""
    found = [recognise(network) for network in (one, other)]
    return check_below(name, float((found[0] - found[1]).abs().max() / found[1].abs().max()), MOVED)


def recognise(model: SLRModel) -> torch.Tensor:
    """The logits (T', B, V) of a batch, on the CPU."""
    batch = draw_batch((12, 8), seed=99)
    with torch.inference_mode(), without_tf32(model.device):
        return model.eval()(batch.video.to(model.device), batch.lengths).sequence_logits.cpu()
