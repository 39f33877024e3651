"""The command line, from a rendered corpus to a table: prepare, train, resume, test."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import main
from engine.trainer import NonFiniteLossError, Trainer
from evaluation.ctm import read_ctm
from utils.checkpoint import load_checkpoint
from utils.device import DeviceError, select_device

REPOSITORY = Path(__file__).parents[1]
TINY = [
    "dataset=phoenix2014",
    "device=cpu",
    "num_worker=0",
    "batch_size=2",
    "log_interval=1",
    "optimizer_args.base_lr=1e-3",
    "optimizer_args.step=[2]",
    "feeder_args.input_size=64",
    "feeder_args.min_frames=16",
    "model_args.c2d_type=resnet18",
    "model_args.pretrained=none",
    "model_args.width=16",
    "model_args.hidden_size=16",
]


def command(prepared, work_dir, *arguments: str) -> None:
    paths = [f"prepared={prepared}", f"work_dir={work_dir}"]
    main.main(main.parse_args(["--config", str(REPOSITORY / "config/baseline.yaml"), *TINY, *paths, *arguments]))


def refused(prepared, work_dir, *arguments: str) -> str:
    with pytest.raises(SystemExit) as stop:
        command(prepared, work_dir, *arguments)
    return str(stop.value)


@pytest.fixture(scope="module")
def trained(prepared, tmp_path_factory) -> Path:
    """Run folder of two epochs."""
    folder = tmp_path_factory.mktemp("run") / "whole"
    command(prepared, folder, "--num-epoch", "2")
    return folder


def test_a_run_leaves_what_it_promises(trained):
    names = {file.name for file in trained.iterdir()}
    assert {"config.yaml", "log.txt", "dev.txt", "last.pt", "best.pt"} <= names
    assert {"output-hypothesis-dev.ctm", "output-hypothesis-dev-conv.ctm", "output-hypothesis-test.ctm"} <= names
    assert any(name.startswith("events.out.tfevents") for name in names)
    assert len((trained / "dev.txt").read_text().splitlines()) == 2
    log = (trained / "log.txt").read_text()
    assert "8 training clips, 6 glosses" in log
    assert "epoch 2  loss" in log
    assert "split" in log
    assert "test" in log


def test_checkpoints_are_enough_for_inference(trained):
    content = load_checkpoint(trained / "best.pt")
    assert {"model_state_dict", "optimizer_state_dict", "scheduler_state_dict", "train_state", "random_states"} <= set(
        content
    )
    assert len(content["glosses"]) == 6
    assert content["config"]["model_args"]["width"] == 16
    assert load_checkpoint(trained / "last.pt")["train_state"]["epoch"] == 2


def test_resuming_ends_where_the_whole_run_ended(trained, prepared, tmp_path):
    folder = tmp_path / "halves"
    command(prepared, folder, "--num-epoch", "1")
    command(prepared, folder, "--num-epoch", "2", "--load-checkpoints", str(folder / "last.pt"))
    whole, halves = load_checkpoint(trained / "last.pt"), load_checkpoint(folder / "last.pt")
    for name, weight in whole["model_state_dict"].items():
        assert torch.equal(weight, halves["model_state_dict"][name]), name
    same = ("epoch", "step", "best_wer", "best_epoch")
    assert [whole["train_state"][key] for key in same] == [halves["train_state"][key] for key in same]
    assert (trained / "dev.txt").read_text() == (folder / "dev.txt").read_text()


def test_the_test_phase_gives_the_numbers_of_the_run(trained, prepared, tmp_path, capsys):
    command(prepared, tmp_path / "t", "--phase", "test", "--load-weights", str(trained / "best.pt"))
    for split in ("dev", "test"):
        name = f"output-hypothesis-{split}.ctm"
        assert (tmp_path / "t" / name).read_bytes() == (trained / name).read_bytes()
    assert not (tmp_path / "t" / "best.pt").exists()
    references = [line.split()[0] for line in (prepared / "phoenix2014-groundtruth-test.stm").read_text().splitlines()]
    assert {entry.id for entry in read_ctm(trained / "output-hypothesis-test.ctm")} <= set(references)


def test_both_spellings_of_flags_and_both_decoders(trained, prepared, tmp_path):
    for number, mode in enumerate(("greedy", "max", "beam")):
        folder = tmp_path / str(number)
        command(prepared, folder, "--phase=test", f"--load_weights={trained / 'best.pt'}", f"--decode-mode={mode}")
        assert (folder / "output-hypothesis-dev.ctm").is_file()


def test_an_existing_run_is_neither_continued_nor_deleted_unasked(trained, prepared, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    message = refused(prepared, folder)
    assert "already holds a run" in message
    assert f"--load-checkpoints {folder / 'last.pt'}" in message
    assert "--overwrite" in message
    command(prepared, folder, "--num-epoch", "1", "--overwrite")
    aside = [path for path in tmp_path.iterdir() if path.name.startswith("run-before-")]
    assert len(aside) == 1
    assert (aside[0] / "last.pt").read_bytes() == (trained / "last.pt").read_bytes()
    assert load_checkpoint(folder / "last.pt")["train_state"]["epoch"] == 1


def test_messages_for_what_is_missing_or_does_not_fit(trained, prepared, tmp_path):
    assert "--phase test needs --load-weights" in refused(prepared, tmp_path, "--phase", "test")
    assert "no checkpoint" in refused(prepared, tmp_path, "--phase", "test", "--load-weights", "nowhere.pt")
    assert "not prepared" in refused(tmp_path / "no", tmp_path)
    assert "device 7" in refused(prepared, tmp_path, "--device", "7")
    assert "config/phoenix2041.yaml" in refused(prepared, tmp_path, "--dataset", "phoenix2041")
    assert "num_epoc: unknown key; did you mean num_epoch?" in refused(prepared, tmp_path, "--num-epoc=3")
    wrong = refused(
        prepared, tmp_path, "--phase", "test", "--load-weights", str(trained / "best.pt"), "model_args.hidden_size=32"
    )
    assert "misshapen" in wrong
    assert "pretrained is 'some.pth'" in refused(prepared, tmp_path, "model_args.pretrained=some.pth")
    assert not (tmp_path / "last.pt").exists()


def test_a_damaged_frame_stops_with_its_name_from_a_worker_too(prepared, tmp_path):
    broken = tmp_path / "prepared"
    shutil.copytree(prepared, broken)
    frame = min((broken / "frames/train").rglob("*.png"))
    frame.write_bytes(frame.read_bytes()[:50])
    message = refused(broken, tmp_path / "run", "num_worker=1", "feeder_args.temporal_scale=0")
    assert message.startswith("error: clip ")
    assert frame.name in message
    assert "Traceback" not in message


def test_a_loss_that_is_not_finite_names_the_clips(prepared, tmp_path, monkeypatch):
    def explode(self, batch):
        with torch.no_grad():
            self.model.classifier.weight.fill_(float("nan"))
        return original(self, batch)

    original = Trainer._train_step
    monkeypatch.setattr(Trainer, "_train_step", explode)
    message = refused(prepared, tmp_path / "run")
    assert "the loss is not finite" in message
    assert "SeqCTC nan" in message
    assert "frames" in message
    assert issubclass(NonFiniteLossError, RuntimeError)


def test_sclite_is_looked_for_before_training(prepared, tmp_path, monkeypatch):
    monkeypatch.setattr("evaluation.sclite.shutil.which", lambda _: None)
    message = refused(prepared, tmp_path / "run", "--evaluate-tool", "sclite")
    assert "sctk" in message
    assert not (tmp_path / "run").exists()


def test_help_answers_without_pytorch():
    started = time.monotonic()
    code = "import sys, main\ntry:\n    main.parse_args(['--help'])\nfinally:\n    print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert time.monotonic() - started < 20
    assert "--load-weights" in done.stdout
    assert done.stdout.strip().endswith("False")


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "-1", "cuda:99", "99", "0,1"])
def test_devices_that_are_not_there(name):
    with pytest.raises(DeviceError, match="device"):
        select_device(name)


def test_devices_that_are_always_there():
    assert select_device("cpu").type == "cpu"
    assert select_device("auto").type in {"cpu", "cuda", "mps"}
