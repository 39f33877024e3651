"""Trainings of two processes in which something happens."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest

from dataset.manifest import Manifest
from dataset.order import EpochSampler
from engine.run import run
from engine.skips import TooManySkipsError
from tests.engine.test_resuming import settings
from tests.engine.two_processes import in_two


def clips_of_the_second(prepared: Path) -> list[str]:
    """Ids of the clips that the second of two processes learns from in its first two steps, one of each."""
    clips = Manifest.load(prepared / "train.json").clips
    sampler = EpochSampler(len(clips), shuffle=True, seed=0)
    sampler.epoch = 1
    return [clips[index].id for index in sampler.order()[[2, 6]]]


def skipping_too_much(prepared: Path, folder: Path, rank: int) -> str:
    with pytest.raises(TooManySkipsError) as refusal:
        run(settings(prepared, folder, on_bad_clip="skip", max_skips=1))
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
