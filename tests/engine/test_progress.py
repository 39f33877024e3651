"""What the log says of an epoch, and how long its steps waited for data."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from dataset.batch_loader import BatchLoader
from engine import progress as progress_module
from engine import trainer as trainer_module
from engine.curves import Curves
from engine.progress import describe_epoch
from engine.train_state import EpochProgress, TrainState
from engine.trainer import Trainer
from engine.training_step import StepResult, TrainingStep
from evaluation.reporting.history import EpochRecord
from tests.helpers.config import tiny_config

RECORD = EpochRecord(3, 2.5, 1e-4, 100.0, gradient_norm=1.25, waiting=0.12)
LINE = "epoch 3  loss 2.500  gradient 1.2  learning rate 1.00e-04  100 s  data 12 %"


def test_the_line_of_an_epoch():
    assert describe_epoch(RECORD, 4) == [LINE]
    assert describe_epoch(replace(RECORD, skipped=2), 4) == [f"{LINE}  2 steps skipped"]


@pytest.mark.parametrize(
    ("waiting", "seconds", "warned"),
    [(0.2, 1000.0, False), (0.21, 1000.0, True), (0.5, 9.9, False), (0.5, 10.0, True)],
)
def test_a_fifth_of_the_time_is_too_much_and_a_few_seconds_are_no_matter(waiting, seconds, warned):
    assert len(describe_epoch(replace(RECORD, waiting=waiting, seconds=seconds), 4)) == 1 + warned


@pytest.mark.parametrize(
    ("workers", "begins"),
    [
        (4, "which 4 workers read: raise num_worker (4 now, for 8 cores), or prepare frames that are read faster"),
        (0, "which this process itself read: raise num_worker (0 now, for 8 cores), or prepare frames"),
        (8, "which 8 workers read: prepare frames that are read faster (preprocess.prepare with --image-format jpg"),
    ],
)
def test_the_warning_names_what_helps(monkeypatch, workers, begins):
    monkeypatch.setattr(progress_module, "available_cores", lambda: 8)
    _, warning = describe_epoch(replace(RECORD, waiting=0.35), workers)
    assert warning.startswith(f"warning: in 35 % of this epoch's time steps waited for data, {begins}")


def test_steps_that_wait_for_a_slow_loader(prepared, tmp_path, monkeypatch):
    """Batches come after 3 s, and a step takes 7 s: 30 % of the time."""
    clock = SimpleNamespace(now=0.0)
    read, learn = BatchLoader.__iter__, TrainingStep.__call__

    def read_slowly(loader):
        for batch in read(loader):
            clock.now += 3
            yield batch

    def learn_slowly(step, batches):
        clock.now += 7
        return learn(step, batches)

    monkeypatch.setattr(trainer_module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(BatchLoader, "__iter__", read_slowly)
    monkeypatch.setattr(TrainingStep, "__call__", learn_slowly)
    said: list[str] = []
    monkeypatch.setattr(
        trainer_module.LOGGER, "info", lambda text, *values: said.append(text % values if values else text)
    )
    state = Trainer(tiny_config(prepared, tmp_path / "run"), torch.device("cpu")).train()
    assert [record.waiting for record in state.history] == pytest.approx([0.3, 0.3])
    assert [record.seconds for record in state.history] == [40.0, 40.0]  # four steps each
    records = [json.loads(line) for line in (tmp_path / "run/epochs.jsonl").read_text().splitlines()]
    assert [record["waiting"] for record in records] == pytest.approx([0.3, 0.3])
    assert sum(line.endswith("  40 s  data 30 %") for line in said) == 2
    assert sum(line.startswith("warning: in 30 % of this epoch's time") for line in said) == 2  # once an epoch


def test_points_of_the_share_are_means_since_the_last_point(tmp_path):
    points = []
    result = StepResult(1.0, {"total": torch.tensor(1.0)}, 1.0, 1e-3, skipped=False)
    curves = Curves(tmp_path, 0, 2, torch.device("cpu"))
    curves.writer = SimpleNamespace(add_scalar=lambda name, value, step: points.append((name, value, step)))
    for step, waited in enumerate((1.0, 2.0, 0.0, 4.0), start=1):
        curves.add_step(step, result, 2, 4.0, waited)
    shares = [(value, step) for name, value, step in points if name == "speed/waiting_for_data"]
    assert shares == [(3 / 8, 2), (4 / 8, 4)]


def test_a_state_from_before_the_share_was_measured():
    old = {"epoch": 1, "progress": {"batches": 2, "seconds": 8.0}, "history": [{
        "epoch": 1, "loss": 2.0, "learning_rate": 1e-3, "seconds": 60.0,
    }]}  # fmt: skip
    state = TrainState.from_dict(old)
    assert state.progress == EpochProgress(batches=2, seconds=8.0)
    assert state.history[0].waiting is None
    assert describe_epoch(replace(state.history[0], gradient_norm=1.0), 4)[0].endswith("data 0 %")
