"""Waiting for batches: workers that die, sleep or have no room, and what is said then."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import threading
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from dataset import batch_loader, shared_memory
from dataset.batch import Batch, Collate, Sample, allocate_batch
from dataset.batch_loader import BatchLoader
from dataset.loader import share_batch
from dataset.shared_memory import check_shared_memory, measure_batches
from tests.helpers.commands import wait_until
from tests.helpers.config import tiny_config
from tests.helpers.loading import build_loader, load_manifest, load_vocabulary
from utils.errors import InputError
from utils.temporal import TemporalSpec
from utils.workers import begin_loader_worker, make_loader_context


class Troubled(Dataset):
    """Clips `good0`, `bad`, `good2`; reading `bad` does something to the process that reads it, or nothing ("")."""

    def __init__(self, trouble: str) -> None:
        self.trouble = trouble
        self.manifest = SimpleNamespace(clips=[SimpleNamespace(id=name) for name in ("good0", "bad", "good2")])

    def __len__(self) -> int:
        return 3

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        if key[1] == 1:
            do(self.trouble)
        return Batch((f"clip{key[1]}",), torch.zeros(1, 2), *(torch.ones(1) for _ in range(3)))


def do(trouble: str) -> None:
    if trouble.startswith("SIG"):
        os.kill(os.getpid(), getattr(signal, trouble))
    elif trouble == "exit":
        os._exit(3)
    elif trouble == "memory":
        np.empty(2**50)
    elif trouble == "sleep":
        time.sleep(60)
    elif trouble.startswith("until "):
        wait_until(Path(trouble.removeprefix("until ")).exists)
    elif trouble:
        raise RuntimeError(trouble)


def take_first(samples: Sequence[Batch]) -> Batch:
    return samples[0]


def load(trouble: str, patience: float = 0, **options: Any) -> BatchLoader:
    return BatchLoader(
        **options,
        patience=patience,
        note="",
        dataset=Troubled(trouble),
        batch_sampler=[[(1, 0)], [(1, 1)], [(1, 2)]],
        num_workers=1,
        collate_fn=take_first,
        worker_init_fn=begin_loader_worker,
        multiprocessing_context=make_loader_context("dataset.loader"),
    )


@pytest.fixture
def said(monkeypatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(batch_loader.LOGGER, "info", lines.append)
    monkeypatch.setattr(batch_loader, "GLANCE", 0.2)
    return lines


NO_ROOM = "unable to allocate shared memory(shm) for file </torch_1>: No space left on device (28)"
TROUBLES = {
    "SIGKILL": r"was killed \(SIGKILL\)\. .*memory ran out: lower num_worker, batch_size",
    "SIGBUS": r"/dev/shm ran full, .*--shm-size=8g.*num_worker to 0",
    "exit": "ended with status 3; with num_worker 0",
    "memory": "memory ran out in a process that reads frames: lower num_worker",
    NO_ROOM: "/dev/shm ran full, .*--shm-size=8g",
    "Too many open files": "ulimit -n",
}


@pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
@pytest.mark.parametrize("trouble", TROUBLES)
def test_what_ended_a_worker_is_said_with_the_remedy_and_the_others_end(said, trouble):
    with pytest.raises(InputError, match=TROUBLES[trouble]):
        list(load(trouble))
    wait_until(lambda: not multiprocessing.active_children())


BUS_ERROR = "DataLoader worker (pid 46794) is killed by signal: Bus error. "
FULL, FILES = "/dev/shm ran full, ", "too many files are open: "


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (BUS_ERROR, FULL),  # pytorch#5040
        (
            BUS_ERROR + "It is possible that dataloader's workers are out of shared memory. Please try to raise your",
            FULL,
        ),
        ("unable to write to file </torch_31911_952036340_6686>: No space left on device (28)", FULL),
        ("unable to resize file </torch_22438_3818345986> to the right size", FULL),  # pytorch#20409
        ("unable to open shared memory object </torch_1_2_3> in read-write mode: Too many open files (24)", FILES),
        ("unable to open shared memory object </torch_2276740_2849291446> in read-write mode", FILES),  # pytorch#14768
        ("received 0 items of ancdata", FILES),  # pytorch#973
        (
            "unable to mmap 280 bytes from file </torch_59534_1>: Cannot allocate memory (12)",
            "memory ran out in a process",
        ),
        ("CUDA error: an illegal memory access was encountered", ""),
        ("unable to write to file out.mp4", ""),
    ],
)
def test_what_pytorch_says_of_workers_is_understood(message, said):
    explained = batch_loader._explain(RuntimeError(message), [])
    assert explained.startswith(said) if said else explained == ""


def test_an_error_of_the_program_stays_what_it_is(said):
    with pytest.raises(RuntimeError, match="a mistake"):
        list(load("a mistake"))


@pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
def test_a_worker_that_is_killed_between_two_epochs_is_replaced(said):
    loader = load("", persistent_workers=True)
    assert len(list(loader)) == 3
    (worker,) = multiprocessing.active_children()
    worker.kill()
    worker.join()
    assert said == []
    assert [batch.ids for batch in loader] == [("clip0",), ("clip1",), ("clip2",)]
    assert said == ["1 worker ended with nothing to do, status -9: new ones start"]


@pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
def test_a_worker_that_takes_its_time_to_wake_up_between_two_epochs_is_waited_for(said):
    loader = load("", persistent_workers=True)  # with a glance every 0.2 seconds
    assert len(list(loader)) == 3
    (worker,) = multiprocessing.active_children()
    os.kill(worker.pid, signal.SIGSTOP)
    waking = threading.Timer(1.0, os.kill, (worker.pid, signal.SIGCONT))
    waking.start()
    assert len(list(loader)) == 3
    waking.join()


@pytest.fixture
def a_clock(monkeypatch) -> None:
    """One that goes on 0.3 seconds when it is looked at, as after each glance, however busy the machine is."""
    now = count()
    monkeypatch.setattr(batch_loader, "time", SimpleNamespace(monotonic=lambda: 0.3 * next(now)))


def test_a_batch_that_does_not_come_is_said_once_and_ends_the_run_after_loader_timeout(said, a_clock, monkeypatch):
    loader = load("sleep")
    batches = iter(loader)
    next(batches)
    assert said == []
    loader.patience = 1.2
    monkeypatch.setattr(batch_loader, "SILENCE", 0.5)
    with pytest.raises(InputError, match=r"no batch came for 0\.0 minutes, .*waited for bad\. .*loader_timeout"):
        next(batches)
    assert len(said) == 1
    assert re.fullmatch(r"no batch for 1 s: all 1 processes .* live, .* is bad; after 0\.02 minutes .*", said[0])
    wait_until(lambda: not multiprocessing.active_children())


def test_a_batch_that_comes_late_is_taken_whatever_was_said(said, a_clock, monkeypatch, tmp_path):
    def hear(line: str) -> None:
        said.append(line)
        if "is bad" in line:
            (tmp_path / "said").touch()  # now the worker goes on

    monkeypatch.setattr(batch_loader.LOGGER, "info", hear)
    monkeypatch.setattr(batch_loader, "SILENCE", 0.5)
    assert [batch.ids for batch in load(f"until {tmp_path / 'said'}")] == [("clip0",), ("clip1",), ("clip2",)]
    (line,) = [line for line in said if "is bad" in line]
    assert line.endswith("; waiting on")


def test_batches_of_workers_lie_in_shared_memory_before_they_are_handed_over(monkeypatch):
    batch = Batch(("a",), torch.zeros(2, 3), torch.ones(1), torch.empty(0), torch.ones(1))
    assert not share_batch([batch], take_first).video.is_shared()
    monkeypatch.setattr("dataset.loader.get_worker_info", object)
    shared = share_batch([batch], take_first)
    for tensor in (shared.video, shared.lengths, shared.targets, shared.target_lengths):
        assert tensor.is_shared()


@pytest.mark.parametrize(("shape", "dtype"), [((2, 3, 3, 4, 5), torch.uint8), ((2, 7, 6), torch.float32)])
def test_a_batch_is_allocated_in_shared_memory_in_workers_alone(monkeypatch, shape, dtype):
    assert not allocate_batch(shape, dtype).is_shared()
    monkeypatch.setattr("dataset.batch.get_worker_info", object)
    video = allocate_batch(shape, dtype)
    assert (video.is_shared(), video.shape, video.dtype, video.is_contiguous()) == (True, shape, dtype, True)
    video.numpy()[...] = 3  # NumPy writes into the same memory
    assert (video == 3).all()
    assert video.untyped_storage().nbytes() == video.nbytes


def test_frames_are_not_copied_once_more_when_a_batch_is_handed_over(monkeypatch):
    monkeypatch.setattr("dataset.batch.get_worker_info", object)
    monkeypatch.setattr("dataset.loader.get_worker_info", object)
    collate = Collate(TemporalSpec())
    clips = [Sample(name, np.full((frames, 3, 4, 4), frames, np.uint8), (1,)) for name, frames in (("a", 8), ("b", 12))]
    places = []
    monkeypatch.setattr(Batch, "share_memory", lambda batch: places.append(batch.video.is_shared()) or batch)
    batch = share_batch(clips, collate)
    assert places == [True]
    assert batch.video[0].unique().tolist() == [8]
    assert batch.video[1].unique().tolist() == [12]


def test_no_room_for_a_batch_is_said_in_the_words_that_are_explained(monkeypatch):
    monkeypatch.setattr("dataset.batch.get_worker_info", object)
    with pytest.raises(RuntimeError) as error:
        allocate_batch((2**50,), torch.uint8)
    assert re.search("/dev/shm ran full", batch_loader._explain(error.value, []))


def test_room_is_compared_with_the_batches_before_the_first_one(monkeypatch):
    mebi = 2**20
    usage = SimpleNamespace(free=64 * mebi)
    monkeypatch.setattr(shared_memory.sys, "platform", "linux")
    monkeypatch.setattr(shared_memory.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(InputError, match=r"64.0 MiB free, .*alone needs 65.0 MiB: .*--shm-size=8g.*num_worker to 0"):
        check_shared_memory([mebi, 65 * mebi], [mebi, 90 * mebi], 1)
    assert check_shared_memory([65 * mebi], [65 * mebi], 0) == ""  # one process needs none
    # Two workers read four batches ahead while one is learnt from: of the five largest there is just room for.
    sizes = [4 * mebi, 12 * mebi, 12 * mebi, 12 * mebi, 12 * mebi, 16 * mebi]
    assert check_shared_memory(sizes, sizes, 2) == ""
    usage.free -= 1
    assert "64.0 MiB free, and 2 workers may need 64.0 MiB" in check_shared_memory(sizes, sizes, 2)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")  # two processes share the room
    assert "may need 68.0 MiB" in check_shared_memory(sizes, sizes, 2)


def test_a_missing_dev_shm_is_an_error_with_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setattr(shared_memory.sys, "platform", "linux")
    monkeypatch.setattr(shared_memory, "SHARED", tmp_path / "none")
    with pytest.raises(InputError, match=r"cannot be used: No such file or directory; .*num_worker to 0"):
        check_shared_memory([1], [1], 1)


@pytest.mark.parametrize(("training", "pad_to"), [(True, 0), (True, 7), (False, 0)])
def test_batches_take_what_was_measured(prepared, training, pad_to):
    changes = {"test_batch_size": 2, "feeder_args.max_frames": 60, "feeder_args.pad_to": pad_to}
    config = tiny_config(prepared, **changes)
    manifest = load_manifest(config, "train")
    loader = build_loader(config, manifest, load_vocabulary(config), training)
    least, most = measure_batches(loader.dataset, loader.sampler, TemporalSpec(config.model_args.conv_type), pad_to)
    sizes = [batch.video.numel() for batch in loader]
    assert len(least) == len(sizes) == len(most) == 4
    for low, size, high in zip(least, sizes, most, strict=True):
        assert low <= size <= high
        assert (low == high) != training
        if pad_to:
            assert low % (pad_to * loader.dataset.frame_bytes) == high % (pad_to * loader.dataset.frame_bytes) == 0


def test_a_full_dev_shm_stops_a_run_before_it_starts(prepared, monkeypatch):
    monkeypatch.setattr(shared_memory.sys, "platform", "linux")
    monkeypatch.setattr(shared_memory.shutil, "disk_usage", lambda path: SimpleNamespace(free=100_000))
    config = tiny_config(prepared, num_worker=1)
    with pytest.raises(InputError, match="largest batch alone needs"):
        build_loader(config, load_manifest(config, "train"), load_vocabulary(config), True)
