"""Stopping anywhere and going on: the same weights, bit by bit, and the same numbers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import main
from dataset.clip_dataset import ClipDataset
from dataset.frames import FrameError
from dataset.manifest import Manifest
from engine.checkpoints import Checkpoints
from engine.provenance import add_start
from engine.resume import check_changes, load_resumable
from engine.run import run
from tests.helpers.commands import run_python, start_python, wait_until
from tests.helpers.config import tiny_config, tiny_words
from tests.helpers.training import assert_same_training, epochs, stop_after
from utils.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from utils.interruption import Interrupted, Interruption

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def whole(prepared, once) -> Path:
    """Run folder of two epochs of four steps, by the command line, never interrupted."""
    return once("whole", lambda folder: run_python("main.py", *tiny_words(prepared, folder)))


@pytest.mark.parametrize("step", [1, 3, 4, 6])
def test_a_stop_after_any_step_changes_nothing(whole, prepared, tmp_path, step):
    with stop_after(step) as done, pytest.raises(Interrupted) as stop:
        run(tiny_config(prepared, tmp_path / "run"))
    assert stop.value.status == 143
    assert len(done) == step  # the step under way was the last
    state = load_checkpoint(tmp_path / "run/last.pt")["train_state"]
    assert (state["step"], state["progress"]["steps"]) == (step, (step - 1) % 4 + 1)
    run(tiny_config(prepared, tmp_path / "run", resume=True))
    assert_same_training(tmp_path / "run", whole)


def test_no_point_of_a_curve_comes_twice(prepared, tmp_path):
    folder = tmp_path / "run"
    run(tiny_config(prepared, folder, save_interval=1, log_interval=1))
    run(tiny_config(prepared, folder, load_checkpoints=str(folder / "epoch_1.pt"), log_interval=1))
    events = EventAccumulator(str(folder)).Reload()
    assert [event.step for event in events.Scalars("loss/total")] == list(range(1, 9))
    assert [event.step for event in events.Scalars("WER/dev-sequence")] == [4, 8]
    assert [picture.step for picture in events.Images("alignment/dev")] == [4, 8]


def test_the_scale_of_the_loss_is_resumed(prepared, tmp_path, monkeypatch):
    """In float32, where a scale must be that large to overflow; float16 takes minutes on a CPU."""
    scaler = torch.amp.GradScaler
    monkeypatch.setattr(torch.amp, "GradScaler", lambda device, enabled: scaler(device, init_scale=2.0**123))
    folder = tmp_path / "run"
    run(tiny_config(prepared, folder, save_interval=1))
    shutil.copyfile(folder / "last.pt", tmp_path / "whole.pt")
    run(tiny_config(prepared, folder, load_checkpoints=str(folder / "epoch_1.pt"), save_interval=1))
    resumed, whole = load_checkpoint(folder / "last.pt"), load_checkpoint(tmp_path / "whole.pt")
    halved = 123 - np.log2(whole["scaler_state_dict"]["scale"])
    assert halved == sum(record["skipped"] for record in whole["train_state"]["history"]) > 0
    assert whole["train_state"]["skipped"] == 0  # max_skips does not count them
    assert resumed["scaler_state_dict"] == whole["scaler_state_dict"]
    for key, weight in whole["model_state_dict"].items():
        assert torch.equal(resumed["model_state_dict"][key], weight), key


def test_a_stop_during_the_evaluation_loses_nothing(whole, prepared, tmp_path, monkeypatch):
    def stop(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)

    monkeypatch.setattr("engine.trainer.evaluate", stop)
    with pytest.raises(Interrupted) as stopped:
        run(tiny_config(prepared, tmp_path / "run"))
    assert stopped.value.status == 130
    monkeypatch.undo()
    assert load_checkpoint(tmp_path / "run/last.pt")["train_state"]["step"] == 4
    run(tiny_config(prepared, tmp_path / "run", resume=True))
    assert_same_training(tmp_path / "run", whole)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_kill_at_any_moment_changes_nothing(whole, prepared, tmp_path, seed):
    rng = np.random.default_rng(seed)
    folder = tmp_path / "run"
    words = ["main.py", *tiny_words(prepared, folder, num_worker=1), "--save-every-steps", "1", "--resume"]
    program = start_python(*words)
    wait_until((folder / "last.pt").exists)
    time.sleep(rng.uniform(0, 1))
    program.kill()
    assert program.wait() == -signal.SIGKILL
    main.main(main.parse_args(words[1:]))
    assert_same_training(folder, whole)
    assert not list(folder.glob(".*.pt"))


def test_the_command_says_how_it_was_stopped(prepared, tmp_path):
    folder = tmp_path / "run"
    words = ["main.py", *tiny_words(prepared, folder, num_epoch=50)]
    program = start_python(*words, stderr=subprocess.PIPE)
    wait_until((folder / "last.pt").exists)
    program.terminate()
    said = program.communicate(timeout=120)[1]
    assert program.returncode == 143
    assert "interrupted by SIGTERM; everything is saved, and the same command with --resume goes on" in said
    assert load_checkpoint(folder / "last.pt")["train_state"]["step"] > 0


def test_resuming_without_a_checkpoint_starts_and_afterwards_only_evaluates(prepared, tmp_path):
    arguments = tiny_config(prepared, tmp_path / "run", resume=True, num_epoch=1)
    first = run(arguments)
    weights = load_checkpoint(tmp_path / "run/last.pt")["model_state_dict"]
    again = run(arguments)
    assert [of.results for of in first] == [of.results for of in again]
    assert "1 epoch done, which is all; raise num_epoch" in (tmp_path / "run/log.txt").read_text()
    after = load_checkpoint(tmp_path / "run/last.pt")["model_state_dict"]
    assert all(torch.equal(weight, after[name]) for name, weight in weights.items())


def test_changed_settings_are_taken_only_if_allowed_and_then_said(whole, prepared, tmp_path):
    changed = {"load_checkpoints": str(whole / "last.pt"), "num_epoch": 3, "optimizer_args.base_lr": 5e-4}
    with pytest.raises(CheckpointError, match=r"optimizer_args.base_lr: 0.001 -> 0.0005.*--allow-changes"):
        run(tiny_config(prepared, tmp_path / "run", **changed))
    run(tiny_config(prepared, tmp_path / "run", allow_changes=True, **changed))
    log = (tmp_path / "run/log.txt").read_text()
    assert "warning: changed since then, as --allow-changes allows: optimizer_args.base_lr: 0.001 -> 0.0005" in log
    last = epochs(tmp_path / "run")[-1]
    assert (last["epoch"], last["learning_rate"]) == (3, pytest.approx(5e-4 * 0.2))  # two epochs are past `step`
    before = load_checkpoint(whole / "last.pt")["optimizer_state_dict"]["state"][0]["step"]
    after = load_checkpoint(tmp_path / "run/last.pt")["optimizer_state_dict"]["state"][0]["step"]
    assert after == before + 4  # Adam's averages went on
    others = changed | {"optimizer_args.optimizer": "SGD", "batch_size": 4}
    run(tiny_config(prepared, tmp_path / "other", allow_changes=True, **others))
    assert load_checkpoint(tmp_path / "other/last.pt")["train_state"]["step"] == 2 * 2 + 2  # of four clips each


def without_switches(config: dict) -> dict:
    """A configuration as a version wrote it that knew MSTFNet alone."""
    new = {"model_args": {"fusion", "fusion_after", "pooling", "hfam"}, "loss_weights": {"Cu", "Cp"}}
    old = {key: value for key, value in config.items() if key != "system"}
    return old | {name: {key: value for key, value in old[name].items() if key not in new[name]} for name in new}


def test_a_checkpoint_from_before_there_were_systems_is_resumed_as_mstfnets(whole, prepared, tmp_path):
    content = load_checkpoint(whole / "last.pt")
    content = content | {"config": without_switches(content["config"])}
    clips = Manifest.load(prepared / "train.json")
    assert check_changes(content, "old.pt", tiny_config(prepared, tmp_path, system="mstfnet"), clips, 1, CPU) == []
    changes = {
        "model_args.fusion": ("none", "stf -> none"),
        "model_args.fusion_after": ([2], "[2, 3, 4] -> [2]"),
        "model_args.pooling": ("max", "lift -> max"),
        "loss_weights.Cu": (0.5, "0.0 -> 0.5"),
        "loss_weights.Cp": (0.5, "0.0 -> 0.5"),
    }
    for key, (value, said) in changes.items():
        with pytest.raises(CheckpointError) as refusal:
            check_changes(content, "old.pt", tiny_config(prepared, tmp_path, **{key: value}), clips, 1, CPU)
        assert f"another experiment: {key}: {said}. " in str(refusal.value)
    other = tiny_config(prepared, tmp_path, **{"model_args.hfam": False, "loss_weights.AuxCTC": 0})
    with pytest.raises(CheckpointError, match=r"model_args\.hfam: True -> False"):
        check_changes(content, "old.pt", other, clips, 1, CPU)


def test_the_name_of_a_system_decides_nothing(whole, prepared, tmp_path):
    """What its keys say does."""
    content, clips = load_checkpoint(whole / "last.pt"), Manifest.load(prepared / "train.json")
    config = tiny_config(prepared, tmp_path)
    assert check_changes(content, "last.pt", replace(config, system="corrnet"), clips, 1, CPU) == []
    with pytest.raises(CheckpointError, match=r"model_args\.pooling: lift -> max"):
        check_changes(content, "last.pt", tiny_config(prepared, tmp_path, system="smkd"), clips, 1, CPU)


def test_every_start_is_written_down_and_no_configuration_is_lost(whole, prepared, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    run(tiny_config(prepared, folder, resume=True))
    assert not (folder / "config-1.yaml").exists()  # nothing but how it was started is new
    for number, seed in enumerate((1, 2), start=1):
        before = (folder / "config.yaml").read_text()
        run(tiny_config(prepared, folder, resume=True, allow_changes=True, random_seed=seed))
        assert (folder / f"config-{number}.yaml").read_text() == before
        assert f"random_seed: {seed}\n" in (folder / "config.yaml").read_text()
    starts = json.loads((folder / "run.json").read_text())["starts"]
    assert len(starts) == 4
    assert starts[0] == json.loads((whole / "run.json").read_text())["starts"][0]
    assert starts[0]["command"] != starts[1]["command"]  # of the first process, and of this one


def test_records_of_starts_that_another_version_left_or_nobody_can_read(tmp_path):
    path = tmp_path / "run.json"
    path.write_text('{"command": ["main.py"]}')
    add_start(path, {"command": ["again"]})
    assert json.loads(path.read_text()) == {"starts": [{"command": ["main.py"]}, {"command": ["again"]}]}
    for number, text in enumerate(("half a fi", "[" * 100_000, "[1]", '{"starts": 3}'), start=1):
        path.write_text(text)
        add_start(path, {"command": ["third"]})
        assert json.loads(path.read_text()) == {"starts": [{"command": ["third"]}]}
        assert (tmp_path / f"run-{number}.json").read_text() == text


def test_other_clips_are_noticed(whole, prepared, tmp_path):
    resumed = {"load_checkpoints": str(whole / "last.pt"), "num_epoch": 3}
    shutil.copytree(prepared, tmp_path / "prepared")
    manifest = Manifest.load(prepared / "train.json")
    first, *others = manifest.clips
    longer, relabelled = replace(first, num_frames=first.num_frames + 1), replace(first, glosses=others[0].glosses)
    moved = replace(first, folder=f"./{first.folder}", signer="another")
    for clips, now in ([first, *others[:-1]], 7), ([longer, *others], 8), ([relabelled, *others], 8):
        replace(manifest, clips=tuple(clips)).save(tmp_path / "prepared/train.json")
        with pytest.raises(CheckpointError, match=rf"8 clips then, {now} now\. Resume .*--allow-changes"):
            run(tiny_config(tmp_path / "prepared", tmp_path / "run", **resumed))
    replace(manifest, frame_size=96).save(tmp_path / "prepared/train.json")
    with pytest.raises(CheckpointError, match=r"experiment: the prepared frames' size: 72 -> 96\. Resume"):
        run(tiny_config(tmp_path / "prepared", tmp_path / "run", **resumed))
    content, config = load_checkpoint(whole / "last.pt"), tiny_config(prepared, tmp_path / "run")
    fewer, same = replace(manifest, clips=tuple(others)), replace(manifest, clips=(moved, *others))
    assert check_changes(content, "last.pt", config, same, processes=1, device=CPU) == []
    (change,) = check_changes(content, "last.pt", replace(config, allow_changes=True), fewer, processes=1, device=CPU)
    assert change.endswith("8 clips then, 7 now")
    del content["trained_on"]  # as an older version saved it
    assert check_changes(content, "last.pt", config, fewer, processes=1, device=CPU) == []


def test_only_the_newest_extra_checkpoints_are_kept(prepared, tmp_path):
    run(tiny_config(prepared, tmp_path / "run", num_epoch=4, save_interval=1, keep=2, eval_interval=4))
    names = sorted(path.name for path in (tmp_path / "run").glob("*.pt"))
    assert names == ["best.pt", "epoch_3.pt", "epoch_4.pt", "last.pt"]


def test_a_damaged_checkpoint_is_told_from_a_good_one_and_others_are_named(whole, tmp_path):
    content = (whole / "last.pt").read_bytes()
    glosses = tuple(load_checkpoint(whole / "last.pt")["glosses"])
    save_checkpoint(tmp_path / "epoch_1.pt", {"train_state": {}})
    damaged = tmp_path / "last.pt"
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    for broken in (content[: len(content) // 2], content[:-1], bytes(flipped), b""):
        damaged.write_bytes(broken)
        with pytest.raises(CheckpointError, match=r"(truncated|damaged).*Others are there: .*epoch_1\.pt"):
            load_resumable(damaged, glosses)


def test_a_state_that_no_training_can_have_is_refused(whole, prepared, tmp_path):
    content = load_checkpoint(whole / "last.pt")
    optimizer, state = content["optimizer_state_dict"], content["train_state"]
    odd = {
        "its optimiser has no averages after": {"optimizer_state_dict": optimizer | {"state": {}}},
        "1000 steps of an epoch of": {"train_state": state | {"progress": state["progress"] | {"steps": 1000}}},
    }
    for words, change in odd.items():
        save_checkpoint(tmp_path / "odd.pt", content | change)
        with pytest.raises(CheckpointError, match=rf"odd\.pt cannot be resumed.*{words}"):
            run(tiny_config(prepared, tmp_path / "run", load_checkpoints=str(tmp_path / "odd.pt")))


def test_a_full_disk_leaves_every_checkpoint_whole(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save({"a": 1}, ["best.pt", "last.pt"])

    def full(*_):
        raise OSError(28, "No space left on device")

    for place in ("torch.save", "shutil.copyfile"):
        monkeypatch.setattr(place, full)
        with pytest.raises(CheckpointError, match="No space left"):
            checkpoints.save({"a": 2}, ["best.pt", "last.pt"])
        assert load_checkpoint(tmp_path / "last.pt") == {"a": 1}
        monkeypatch.undo()
    assert load_checkpoint(tmp_path / "best.pt")["a"] in {1, 2}
    (tmp_path / ".last.abc.pt").write_bytes(b"half")
    checkpoints.sweep()
    assert not (tmp_path / ".last.abc.pt").exists()


def test_signals_outside_the_block_and_a_second_one():
    before = signal.getsignal(signal.SIGINT)
    with Interruption() as interruption:
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.requested == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Interrupted), interruption.at_once():
            pytest.fail("entered although a signal had come")
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_a_batch_is_waited_for_saves_and_ends_at_once(whole, prepared, tmp_path, monkeypatch, number):
    def read_slowly(self, index, *plan_and_place):
        read.append(index)
        if len(read) == 6:  # the second clip of the third batch of the first epoch
            os.kill(os.getpid(), number)
            time.sleep(60)
        return original(self, index, *plan_and_place)

    read, original = [], ClipDataset._read
    monkeypatch.setattr(ClipDataset, "_read", read_slowly)
    with pytest.raises(Interrupted) as stop:
        run(tiny_config(prepared, tmp_path / "run"))
    assert stop.value.status == 128 + number
    monkeypatch.undo()
    assert load_checkpoint(tmp_path / "run/last.pt")["train_state"]["step"] == 2
    run(tiny_config(prepared, tmp_path / "run", resume=True))
    assert_same_training(tmp_path / "run", whole)


def test_a_clip_that_cannot_be_read_costs_no_step_that_was_done(prepared, tmp_path, monkeypatch):
    def fail(self, index, *plan_and_place):
        read.append(index)
        if len(read) == 6:
            raise FrameError("gone")
        return original(self, index, *plan_and_place)

    read, original = [], ClipDataset._read
    monkeypatch.setattr(ClipDataset, "_read", fail)
    with pytest.raises(FrameError, match="gone"):
        run(tiny_config(prepared, tmp_path / "run"))
    assert load_checkpoint(tmp_path / "run/last.pt")["train_state"]["step"] == 2
