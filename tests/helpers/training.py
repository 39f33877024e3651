"""Trainings that can be foreseen, and trainings that must be the same."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import torch
from torch import nn

from dataset.batch import Batch
from engine.training_step import StepResult, TrainingStep
from utils.checkpoint import load_checkpoint


class Slope(nn.Module):
    """weight * the mean of a clip, with a buffer that counts the forward passes."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.0))
        self.register_buffer("seen", torch.tensor(0.0))

    def forward(self, video, lengths, with_scales):
        self.seen += 1
        out = self.weight * video.flatten(1).mean(1)
        return SimpleNamespace(sequence_logits=out, conv_logits=None, scale_logits=None, lengths=None)


def criterion(output, *_):
    mean = output.sequence_logits.mean()
    return {"SeqCTC": mean, "total": 2 * mean}


criterion.weights = {"AuxCTC": 0.0}


def batch(*values: float) -> Batch:
    """Clips of one pixel with these values."""
    count = len(values)
    video = torch.tensor(values, dtype=torch.float32).view(-1, 1, 1, 1, 1)
    ids = tuple(f"clip{value:g}" for value in values)
    return Batch(ids, video, torch.full((count,), 7), torch.ones(3 * count), torch.full((count,), 3))


@contextmanager
def stop_after(step: int) -> Iterator[list[StepResult]]:
    """A signal asks the training that is run within to stop, during its step of this number; gives what steps gave."""

    def stop_then(self, batches):
        result = original(self, batches)
        done.append(result)
        if len(done) == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return result

    done: list[StepResult] = []
    original = TrainingStep.__call__
    with mock.patch.object(TrainingStep, "__call__", stop_then):
        yield done


def epochs(folder: Path) -> list[dict]:
    """What a run wrote of its epochs, but for how long they took."""
    records = [json.loads(line) for line in (folder / "epochs.jsonl").read_text().splitlines()]
    return [{key: value for key, value in record.items() if key not in {"seconds", "waiting"}} for record in records]


def assert_same_training(folder: Path, expected: Path) -> None:
    """Both run folders end with the same weights and states, bit by bit, and the same numbers."""
    for name in ("last.pt", "best.pt"):
        one, other = load_checkpoint(folder / name), load_checkpoint(expected / name)
        for entry in ("model_state_dict", "raw_state_dict"):
            for key, weight in other.get(entry, {}).items():
                assert torch.equal(one[entry][key], weight), (entry, key)
        assert one.get("averaged_steps") == other.get("averaged_steps")
        for index, state in other["optimizer_state_dict"]["state"].items():
            for key, value in state.items():
                assert torch.equal(one["optimizer_state_dict"]["state"][index][key], value), key
        assert torch.equal(one["random_states"]["torch"], other["random_states"]["torch"])
    assert epochs(folder) == epochs(expected)
    for name in ("dev.txt", "output-hypothesis-dev.ctm", "output-hypothesis-test.ctm"):
        assert (folder / name).read_text() == (expected / name).read_text(), name
