"""The precision that a run used: where it is written, and what may resume it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from config.load import read_stored_config, to_dict
from dataset.manifest import Manifest
from engine.provenance import describe_settings, record_settings
from engine.resume import check_changes
from engine.resumed_precision import compare_precisions, find_trained_precision
from engine.run import run
from tests.helpers.config import tiny_config
from utils.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from utils.text import plural

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
CALLS_FP32 = "precision: what last.pt calls fp32 was tf32 on CUDA, and goes on "


@pytest.fixture(scope="module")
def trained(prepared, once) -> Path:
    """Run folder of an epoch."""
    return once("precise", lambda folder: run(tiny_config(prepared, folder, num_epoch=1)))


def saved(asked: str, used: str | None) -> dict:
    """A checkpoint of a run that was asked for one precision and used another; None: of an earlier version."""
    config = to_dict(tiny_config()) | {"precision": asked}
    return {"config": config} | ({"precision": used} if used else {})


def test_what_was_used_is_written_everywhere(trained):
    content = load_checkpoint(trained / "last.pt")
    assert (content["precision"], content["config"]["precision"]) == ("fp32", "default")
    assert load_checkpoint(trained / "best.pt")["precision"] == "fp32"
    assert json.loads((trained / "run.json").read_text())["starts"][0]["precision"] == "fp32"
    assert json.loads((trained / "report.json").read_text())["config"]["precision"] == "fp32"
    threads = plural(torch.get_num_threads(), "thread")
    assert f"(cpu, {threads}, fp32), writing to" in (trained / "log.txt").read_text()
    assert "precision: default\n" in (trained / "config.yaml").read_text()  # to be used on any device


def test_what_would_be_written_of_a_run_on_cuda():
    for asked, used in (("default", "tf32"), ("tf32", "tf32"), ("fp32", "fp32"), ("bf16", "bf16")):
        config = tiny_config(precision=asked)
        held = describe_settings(config, CUDA)
        assert (held["precision"], held["config"]["precision"]) == (used, asked)
        assert record_settings(config, CUDA)["precision"] == used


def test_a_precision_that_no_run_can_have_used_is_refused(trained, tmp_path):
    for wrong in ("default", "auto", "fp64", 32):
        save_checkpoint(tmp_path / "odd.pt", load_checkpoint(trained / "last.pt") | {"precision": wrong})
        with pytest.raises(CheckpointError, match="precision is"):
            load_checkpoint(tmp_path / "odd.pt")


@pytest.mark.parametrize(
    ("asked", "used", "now", "device", "expected", "said"),
    [
        ("default", "tf32", "default", CUDA, ("tf32", "tf32"), ""),
        ("default", "tf32", "tf32", CUDA, ("tf32", "tf32"), ""),
        ("default", "tf32", "fp32", CUDA, ("tf32", "fp32"), ""),
        ("fp32", "fp32", "tf32", CUDA, ("fp32", "tf32"), ""),
        ("fp32", "fp32", "fp32", CUDA, ("fp32", "fp32"), ""),
        ("auto", "bf16", "bf16", CUDA, ("bf16", "bf16"), ""),
        ("default", "tf32", "default", CPU, ("fp32", "fp32"), ""),  # the CPU has no TF32
        ("default", "fp32", "tf32", CPU, ("fp32", "fp32"), ""),
        ("fp32", None, "default", CUDA, ("tf32", "tf32"), "as tf32"),
        ("fp32", None, "tf32", CUDA, ("tf32", "tf32"), "as tf32"),
        ("fp32", None, "fp32", CUDA, ("fp32", "fp32"), "without TF32"),
        ("fp32", None, "bf16", CUDA, ("tf32", "bf16"), ""),
        ("bf16", None, "bf16", CUDA, ("bf16", "bf16"), ""),
        ("bf16", None, "default", CUDA, ("bf16", "tf32"), ""),
        ("fp32", None, "default", CPU, ("fp32", "fp32"), ""),
        ("fp32", None, "fp32", CPU, ("fp32", "fp32"), ""),
    ],
)
def test_what_is_compared(asked, used, now, device, expected, said):
    content = saved(asked, used)
    then, current, lines = compare_precisions(content, "last.pt", tiny_config(precision=now), device)
    assert (then, current) == expected
    assert lines == ([CALLS_FP32 + said] if said else [])


def test_a_checkpoint_from_before_there_was_a_choice_of_precisions():
    content = saved("fp32", None)
    del content["config"]["precision"]
    assert find_trained_precision(content, "last.pt", CUDA) == "tf32"
    assert compare_precisions(content, "last.pt", tiny_config(), CUDA)[2] == [CALLS_FP32 + "as tf32"]


def test_auto_in_an_older_checkpoint_is_what_it_is_on_this_device(monkeypatch):
    for able, expected in ((True, "bf16"), (False, "tf32")):
        monkeypatch.setattr("utils.precision.computes_bfloat16", lambda _, able=able: able)
        found = compare_precisions(saved("auto", None), "last.pt", tiny_config(precision="auto"), CUDA)
        assert found == (expected, expected, [])


def test_only_another_precision_stops(trained, prepared, tmp_path):
    content, clips = load_checkpoint(trained / "last.pt"), Manifest.load(prepared / "train.json")
    of_gpu = content | {"precision": "tf32"}
    config = tiny_config(prepared, tmp_path)
    assert check_changes(of_gpu, "last.pt", config, clips, 1, CUDA) == []
    assert check_changes(of_gpu, "last.pt", config, clips, 1, CPU) == []
    with pytest.raises(CheckpointError, match=r"another experiment: precision: tf32 -> fp32\. "):
        check_changes(of_gpu, "last.pt", replace(config, precision="fp32"), clips, 1, CUDA)
    older = {key: value for key, value in content.items() if key != "precision"}
    older |= {"config": content["config"] | {"precision": "fp32"}}
    for name in ("default", "tf32", "fp32"):
        assert check_changes(older, "last.pt", replace(config, precision=name), clips, 1, CUDA) == []
    with pytest.raises(CheckpointError, match=r"another experiment: precision: tf32 -> bf16\. "):
        check_changes(older, "last.pt", replace(config, precision="bf16"), clips, 1, CUDA)


def test_a_checkpoint_of_an_earlier_version_goes_on_on_the_cpu_without_a_word(trained, prepared, tmp_path):
    content = load_checkpoint(trained / "last.pt")
    del content["precision"]
    save_checkpoint(tmp_path / "old.pt", content | {"config": content["config"] | {"precision": "fp32"}})
    run(tiny_config(prepared, tmp_path / "run", load_checkpoints=str(tmp_path / "old.pt")))
    log = (tmp_path / "run/log.txt").read_text()
    assert "resuming" in log
    assert "precision" not in log
    assert load_checkpoint(tmp_path / "run/last.pt")["precision"] == "fp32"


def test_the_line_about_the_older_name_is_in_the_log(trained, prepared, tmp_path, monkeypatch):
    content = load_checkpoint(trained / "last.pt")
    del content["precision"]
    save_checkpoint(tmp_path / "old.pt", content | {"config": content["config"] | {"precision": "fp32"}})
    # As on CUDA, but for the device that computes.
    monkeypatch.setattr(
        "engine.resumed_precision.resolve_precision", lambda name, _: {"default": "tf32"}.get(name, name)
    )
    run(tiny_config(prepared, tmp_path / "run", load_checkpoints=str(tmp_path / "old.pt")))
    line = f"precision: what {tmp_path / 'old.pt'} calls fp32 was tf32 on CUDA, and goes on as tf32\n"
    assert (tmp_path / "run/log.txt").read_text().count(line) == 1


def test_what_other_phases_read_of_an_earlier_version_is_the_default():
    assert read_stored_config(saved("fp32", None), "best.pt").precision == "default"
    assert read_stored_config(saved("fp32", "fp32"), "best.pt").precision == "fp32"
    assert read_stored_config(saved("bf16", None), "best.pt").precision == "bf16"
