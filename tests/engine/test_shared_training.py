"""Trainings of two processes in which something happens."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from dataset.manifest import Manifest
from dataset.order import EpochSampler
from engine.run import run
from engine.training_step import TrainingStep
from tests.helpers.config import tiny_config
from tests.helpers.processes import in_two
from tests.helpers.training import assert_same_training
from utils.checkpoint import load_checkpoint
from utils.errors import InputError
from utils.interruption import Interrupted


def clips_of_the_second(prepared: Path) -> list[str]:
    """Ids of the clips that the second of two processes learns from in its first two steps, one of each."""
    clips = Manifest.load(prepared / "train.json").clips
    sampler = EpochSampler(len(clips), shuffle=True, seed=0)
    sampler.epoch = 1
    return [clips[index].id for index in sampler.draw_order()[[2, 6]]]


def skipping_too_much(prepared: Path, folder: Path, rank: int) -> str:
    with pytest.raises(InputError) as refusal:
        run(tiny_config(prepared, folder, on_bad_clip="skip", max_skips=1))
    return str(refusal.value)


def test_unreadable_clips_of_any_process_are_logged_and_counted_by_all(prepared, tmp_path):
    broken = tmp_path / "prepared"
    shutil.copytree(prepared, broken)
    lost = clips_of_the_second(broken)
    for clip in lost:
        shutil.rmtree(broken / "frames/train" / clip)
    said = in_two(partial(skipping_too_much, broken, tmp_path / "run"), tmp_path)
    assert said == ["2 steps and clips were skipped, more than max_skips 1: the log names them"] * 2
    log = (tmp_path / "run/log.txt").read_text()
    for clip in lost:
        assert f"another clip stands in for an unreadable one: clip {clip}: no folder" in log


def stopped_and_resumed(prepared: Path, folder: Path, rank: int) -> dict:
    """A training with an average, and the same stopped after its third step, in the middle of the second epoch."""

    def stop_then(self, batches):
        result = original(self, batches)
        ids.append([clip for batch in batches for clip in batch.ids])
        if len(ids) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return result

    original = TrainingStep.__call__
    run(tiny_config(prepared, folder / "whole", ema=0.5))
    ids: list[list[str]] = []
    TrainingStep.__call__ = stop_then
    with pytest.raises(Interrupted) as stop:
        run(tiny_config(prepared, folder / "stopped", ema=0.5))
    state = load_checkpoint(folder / "stopped/last.pt")["train_state"]
    run(tiny_config(prepared, folder / "stopped", ema=0.5, resume=True))
    return {"ids": ids, "status": stop.value.status, "steps": (state["step"], state["progress"]["steps"])}


def test_two_processes_that_are_stopped_and_resumed_end_as_if_left_alone(prepared, tmp_path):
    uneven = tmp_path / "prepared"
    shutil.copytree(prepared, uneven)
    manifest = Manifest.load(uneven / "train.json")
    clips = manifest.clips[:7]  # a step takes four: three are left for the second step of an epoch
    replace(manifest, clips=clips).save(uneven / "train.json")
    results = in_two(partial(stopped_and_resumed, uneven, tmp_path), tmp_path)
    assert_same_training(tmp_path / "stopped", tmp_path / "whole")
    first, other = (load_checkpoint(tmp_path / name / "last.pt") for name in ("stopped", "whole"))
    assert first["train_state"]["step"] == first["averaged_steps"] == 4
    for one, its in zip(first["random_states_of_others"], other["random_states_of_others"], strict=True):
        assert torch.equal(one["torch"], its["torch"])
    for result in results:
        assert (result["status"], result["steps"]) == (143, (3, 1))
        assert [len(ids) for ids in result["ids"]] == [2, 2, 2, 2]
    for epoch in (slice(0, 2), slice(2, 4)):
        seen = [clip for result in results for ids in result["ids"][epoch] for clip in ids]
        assert set(seen) == {clip.id for clip in clips}  # one of seven comes twice
