"""Batches that are copied ahead, with streams that write down what is asked of them."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from unittest.mock import MagicMock

import pytest
import torch

from dataset.batch import Batch
from engine.copy_ahead import copy_ahead
from tests.helpers.simulated_cuda import CUDA, CudaTensor, SimulatedCuda
from utils.errors import InputError


def batch(number: int) -> Batch:
    return Batch((f"clip{number}",), torch.full((1, 2), number), *(torch.ones(1) for _ in range(3)))


def test_batches_for_the_cpu_come_as_they_are():
    batches = [batch(number) for number in range(3)]
    asked = copy_ahead(iter(batches), torch.device("cpu"))
    assert next(asked) is batches[0]
    assert list(asked) == batches[1:]


@pytest.mark.parametrize("count", [0, 1, 4])
def test_each_batch_is_copied_before_the_one_before_it_is_given_and_waited_for_by_the_gpu_alone(monkeypatch, count):
    done: list[str] = []
    inside: list[str] = []

    class Stream:
        def __init__(self, name):
            self.name = name

        def record_event(self):
            return f"event after {done[-1]}"

        def wait_event(self, event):
            done.append(f"{self.name} waits for {event}")

    @contextmanager
    def enter(stream):
        inside.append(stream.name)
        yield
        inside.pop()

    def copy(self, device):
        done.append(f"{self.ids[0]} copied on {inside[-1]}")
        return to(self, device)

    to = Batch.to
    monkeypatch.setattr(Batch, "to", copy)
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: Stream("copying"))
    monkeypatch.setattr(torch.cuda, "stream", enter)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream("computing"))
    monkeypatch.setattr(CudaTensor, "record_stream", lambda self, stream: done.append(f"kept for {stream.name}"))
    with SimulatedCuda():
        for number, given in enumerate(copy_ahead(map(batch, range(count)), CUDA)):
            assert given.ids == (f"clip{number}",)
            assert given.video.device == CUDA
            done.append(f"{given.ids[0]} given")
    copied = [f"clip{number} copied on copying" for number in range(count)]
    expected = copied[:1]
    for number in range(count):
        expected += copied[number + 1 : number + 2]
        expected += [f"computing waits for event after {copied[number]}", "kept for computing", "kept for computing"]
        expected.append(f"clip{number} given")
    assert done == expected


def test_memory_that_runs_out_while_a_batch_is_copied_is_told_with_its_clips(monkeypatch):
    def copy(self, device):
        if self.ids == ("clip1",):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 50.00 MiB.")
        return self

    monkeypatch.setattr(Batch, "to", copy)
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: MagicMock())
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    with pytest.raises(InputError, match=r"^memory ran out on clip1 .*lower batch_size"):
        list(copy_ahead(map(batch, range(3)), CUDA))
