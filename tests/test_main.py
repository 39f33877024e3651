"""The command line, from a rendered corpus to a table: prepare, train, resume, test."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import main
from dataset.manifest import Manifest
from engine.training_step import TrainingStep
from evaluation.ctm import read_ctm
from evaluation.inference.recogniser import Recogniser
from tests.helpers.commands import call_main, run_python
from tests.helpers.paths import REPOSITORY
from utils.checkpoint import load_checkpoint
from utils.device import select_device
from utils.errors import InputError


def refused(prepared, work_dir, *arguments: str) -> str:
    with pytest.raises(SystemExit) as stop:
        call_main(prepared, work_dir, *arguments)
    return str(stop.value)


@pytest.fixture(scope="module")
def trained(prepared, once) -> Path:
    """Run folder of two epochs."""
    return once("trained", lambda folder: call_main(prepared, folder, "--num-epoch", "2"))


def test_a_run_leaves_what_it_promises(trained):
    names = {file.name for file in trained.iterdir()}
    assert {"config.yaml", "log.txt", "dev.txt", "last.pt", "best.pt"} <= names
    assert {"output-hypothesis-dev.ctm", "output-hypothesis-dev-conv.ctm", "output-hypothesis-test.ctm"} <= names
    assert any(name.startswith("events.out.tfevents") for name in names)
    assert len((trained / "dev.txt").read_text().splitlines()) == 2
    log = (trained / "log.txt").read_text()
    assert "system: mstfnet, but for model_args.c2d_type: resnet18 (mstfnet: resnet34)\n" in log
    assert "8 training clips, 6 glosses" in log
    assert "epoch 2  loss" in log
    assert "split" in log
    assert "test" in log


def test_the_report_has_both_splits_the_learning_curve_and_the_numbers_of_the_log(trained, prepared):
    report = json.loads((trained / "report.json").read_text(encoding="utf-8"))
    assert list(report["splits"]) == ["dev", "test"]
    assert [record["epoch"] for record in report["history"]] == [1, 2]
    lines = (trained / "dev.txt").read_text().splitlines()
    for record, line in zip(report["history"], lines, strict=True):
        assert f"WER {record['wer']:.2f} %" in line
        assert f"conv head {record['conv_wer']:.2f} %" in line
    assert report["weights"].endswith("best.pt")
    clips = Manifest.load(prepared / "test.json").clips
    assert [sentence["id"] for sentence in report["splits"]["test"]["sentences"]] == [clip.id for clip in clips]
    page = (trained / "report.html").read_text(encoding="utf-8")
    assert "<svg" in page
    assert "<p>system: mstfnet, but for model_args.c2d_type: resnet18 (mstfnet: resnet34)</p>" in page
    assert f"report:          {trained / 'report.html'}" in (trained / "log.txt").read_text()


def test_words_have_times_within_the_clip_and_confidences(trained, prepared):
    frames = {clip.id: clip.num_frames for clip in Manifest.load(prepared / "dev.json").clips}
    words = [(entry.id, word) for entry in read_ctm(trained / "output-hypothesis-dev.ctm") for word in entry.words]
    assert words
    for clip_id, word in words:
        assert 0 <= word.start < word.start + word.duration <= frames[clip_id] / 25 + 1e-6
        assert 0 < word.confidence <= 1


def test_checkpoints_are_enough_for_inference(trained):
    content = load_checkpoint(trained / "best.pt")
    assert {"model_state_dict", "optimizer_state_dict", "scheduler_state_dict", "train_state", "random_states"} <= set(
        content
    )
    assert len(content["glosses"]) == 6
    assert content["config"]["model_args"]["width"] == 16
    assert (content["frame_size"], content["frame_rate"], content["config"]["frame_rate"]) == (72, 25, None)
    assert content["rendered"] is True
    assert Recogniser.from_checkpoint(trained / "best.pt", "cpu").calibration is not None
    assert load_checkpoint(trained / "last.pt")["train_state"]["epoch"] == 2


def test_resuming_ends_where_the_whole_run_ended(trained, prepared, tmp_path):
    folder = tmp_path / "halves"
    call_main(prepared, folder, "--num-epoch", "1")
    call_main(prepared, folder, "--num-epoch", "2", "--load-checkpoints", str(folder / "last.pt"))
    whole, halves = load_checkpoint(trained / "last.pt"), load_checkpoint(folder / "last.pt")
    for name, weight in whole["model_state_dict"].items():
        assert torch.equal(weight, halves["model_state_dict"][name]), name
    same = ("epoch", "step", "best_wer", "best_epoch")
    assert [whole["train_state"][key] for key in same] == [halves["train_state"][key] for key in same]
    assert (trained / "dev.txt").read_text() == (folder / "dev.txt").read_text()
    untimed = {"seconds": 0, "waiting": 0}
    curves = [[record | untimed for record in run["train_state"]["history"]] for run in (whole, halves)]
    assert curves[0] == curves[1]
    assert len(curves[0]) == 2


def test_the_test_phase_gives_the_numbers_of_the_run(trained, prepared, tmp_path, capsys):
    call_main(prepared, tmp_path / "t", "--phase", "test", "--load-weights", str(trained / "best.pt"))
    for split in ("dev", "test"):
        name = f"output-hypothesis-{split}.ctm"
        assert (tmp_path / "t" / name).read_bytes() == (trained / name).read_bytes()
    assert not (tmp_path / "t" / "best.pt").exists()
    references = [line.split()[0] for line in (prepared / "phoenix2014-groundtruth-test.stm").read_text().splitlines()]
    assert {entry.id for entry in read_ctm(trained / "output-hypothesis-test.ctm")} <= set(references)


def test_both_spellings_of_flags_and_both_decoders(trained, prepared, tmp_path):
    for number, mode in enumerate(("greedy", "max", "beam")):
        folder = tmp_path / str(number)
        call_main(prepared, folder, "--phase=test", f"--load_weights={trained / 'best.pt'}", f"--decode-mode={mode}")
        assert (folder / "output-hypothesis-dev.ctm").is_file()


def test_an_existing_run_is_neither_continued_nor_deleted_unasked(trained, prepared, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(trained, folder)
    message = refused(prepared, folder)
    assert "already holds a run" in message
    assert f"--load-checkpoints {folder / 'last.pt'}" in message
    assert "--overwrite" in message
    call_main(prepared, folder, "--num-epoch", "1", "--overwrite")
    aside = [path for path in tmp_path.iterdir() if path.name.startswith("run-before-")]
    assert len(aside) == 1
    assert (aside[0] / "last.pt").read_bytes() == (trained / "last.pt").read_bytes()
    assert load_checkpoint(folder / "last.pt")["train_state"]["epoch"] == 1


def test_messages_for_what_is_missing_or_does_not_fit(trained, prepared, tmp_path):
    assert "--phase test needs --load-weights" in refused(prepared, tmp_path, "--phase", "test")
    assert "no checkpoint" in refused(prepared, tmp_path, "--phase", "test", "--load-weights", "nowhere.pt")
    assert "not prepared" in refused(tmp_path / "no", tmp_path)
    assert "device 99" in refused(prepared, tmp_path, "--device", "99")
    assert "there is no corpus phoenix2041" in refused(prepared, tmp_path, "--dataset", "phoenix2041")
    for wrong in (["--num-epoc=3"], ["--num-epoc", "3"], ["num_epoc=3"]):
        message = refused(prepared, tmp_path, *wrong, "--batchsize", "2")
        assert message.startswith("error: 2 mistakes")
        assert "num_epoc: unknown key; did you mean num_epoch?" in message
        assert "batchsize: unknown key; did you mean batch_size?" in message
    wrong = refused(prepared, tmp_path, "--load-weights", str(trained / "best.pt"), "model_args.hidden_size=32")
    assert "misshapen" in wrong
    assert "the network of these weights has model_args.hidden_size=16" in wrong
    assert "pretrained is 'some.pth'" in refused(prepared, tmp_path, "model_args.pretrained=some.pth")
    assert not (tmp_path / "last.pt").exists()


def test_resuming_is_refused_where_the_experiment_would_change(trained, prepared, tmp_path):
    last = str(trained / "last.pt")
    message = refused(prepared, tmp_path, "--load-checkpoints", last, "batch_size=4", "optimizer_args.base_lr=0.1")
    assert "batch_size: 2 -> 4; optimizer_args.base_lr: 0.001 -> 0.1" in message
    assert "--load-weights" in message
    assert "cannot be resumed" in refused(
        prepared, tmp_path, "--load-checkpoints", str(bare_weights(trained, tmp_path))
    )


def bare_weights(trained, folder) -> Path:
    path = folder / "bare.pt"
    torch.save(load_checkpoint(trained / "best.pt")["model_state_dict"], path)
    return path


def test_bare_weights_start_a_run_and_extra_checkpoints_are_kept(trained, prepared, tmp_path):
    weights = bare_weights(trained, tmp_path)
    arguments = ["--load-weights", str(weights), "--num-epoch", "3", "--save-interval", "2", "--eval-interval", "2"]
    call_main(prepared, tmp_path / "run", *arguments)
    assert sorted(path.name for path in (tmp_path / "run").glob("*.pt")) == ["best.pt", "epoch_2.pt", "last.pt"]
    assert len((tmp_path / "run" / "dev.txt").read_text().splitlines()) == 2  # after epoch 2 and after the last


def test_an_override_may_follow_a_switch():
    given = main.parse_args(["--overwrite", "num_epoch=3", "--batch-size", "4"]).overrides
    assert given == {"overwrite": "true", "num_epoch": "3", "batch_size": "4"}
    assert main.parse_args(["--overwrite", "false"]).overrides == {"overwrite": "false"}
    old = main.parse_args(["--checkpoint-stages", "num_epoch=3"]).overrides  # has another name today
    assert old == {"checkpoint_stages": "true", "num_epoch": "3"}


def test_of_two_values_for_one_key_the_later_counts():
    assert main.parse_args(["device=cpu", "--device", "0"]).overrides == {"device": "0"}
    assert main.parse_args(["--device=0", "device=cpu"]).overrides == {"device": "cpu"}
    assert main.parse_args(["--optimizer-args.base-lr", "1e-3"]).overrides == {"optimizer_args.base_lr": "1e-3"}


@pytest.mark.parametrize("words", [["word"], ["--device"]])
def test_words_that_are_no_setting(words, capsys):
    with pytest.raises(SystemExit):
        main.parse_args(words)
    assert words[0] in capsys.readouterr().err


def test_a_preparation_that_is_not_whole_or_not_this_corpus(trained, prepared, tmp_path):
    half = tmp_path / "half"
    shutil.copytree(prepared, half, ignore=shutil.ignore_patterns("frames", "dev.json", "*-dev.stm"))
    testing = ["--phase", "test", "--load-weights", str(trained / "best.pt")]
    assert "no manifest at" in refused(half, tmp_path / "run", *testing)
    shutil.copy(prepared / "dev.json", half)
    assert "there are no references" in refused(half, tmp_path / "run", *testing)
    (half / "phoenix2014-groundtruth-dev.stm").write_text("other 1 s 0.0 1.79769e+308 A\n")
    assert "3 clips have no reference and 1 references no clip" in refused(half, tmp_path / "run", *testing)
    assert "holds phoenix2014, not CSL" in refused(prepared, tmp_path / "run", *testing, "--dataset", "CSL")


def test_clips_too_short_are_left_out_only_if_told_and_counted(prepared, tmp_path):
    short = tmp_path / "prepared"
    shutil.copytree(prepared, short)
    manifest = Manifest.load(short / "train.json")
    first = replace(manifest.clips[0], num_frames=4)
    replace(manifest, clips=(first, *manifest.clips[1:])).save(short / "train.json")
    assert f"too short for their label, so CTC has no path through them: {first.id}" in refused(short, tmp_path / "a")
    call_main(short, tmp_path / "b", "--num-epoch", "1", "feeder_args.skip_short=true")
    log = (tmp_path / "b" / "log.txt").read_text()
    assert "7 training clips" in log
    assert "1 training clip left out, too short for the label" in log


def test_weights_that_are_not_finite_are_no_result(trained, prepared, tmp_path):
    content = load_checkpoint(trained / "best.pt")
    testing = ("--phase", "test", "--load-weights", str(tmp_path / "nan.pt"))
    for name, value, said in (
        ("conv2d.bn1.running_var", -1.0, "values that are not finite for"),  # whose root is taken
        ("classifier.weight", float("nan"), "the weight classifier.weight holds values that are not finite"),
    ):
        content["model_state_dict"][name].fill_(value)
        torch.save(content, tmp_path / "nan.pt")
        assert said in refused(prepared, tmp_path / "run", *testing)


def test_curves_for_tensorboard(trained):
    events = EventAccumulator(str(trained)).Reload()
    terms = ["SeqCTC", "ConvCTC", "AuxCTC1", "AuxCTC2", "AuxCTC3", "Dist", "total"]
    assert {*(f"loss/{term}" for term in terms), "learning_rate", "WER/dev-sequence", "WER/dev-conv"} <= set(
        events.Tags()["scalars"]
    )
    assert [event.step for event in events.Scalars("loss/total")] == list(range(1, 9))
    assert [event.value for event in events.Scalars("learning_rate")] == pytest.approx([1e-3] * 8)
    assert [event.step for event in events.Scalars("WER/dev-sequence")] == [4, 8]
    for name in ("gradient_norm", "speed/clips_per_second", "memory/peak_gb"):
        values = [event.value for event in events.Scalars(name)]
        assert len(values) == 8
        assert min(values) > 0
    pictures = events.Images("alignment/dev")
    assert [picture.step for picture in pictures] == [4, 8]
    assert (pictures[0].width, pictures[0].height) == (900, 400)


def test_what_a_run_was_made_with(trained):
    (content,) = json.loads((trained / "run.json").read_text())["starts"]
    commit = None
    if shutil.which("git"):
        ask = ["git", "rev-parse", "HEAD"]
        commit = subprocess.run(ask, cwd=REPOSITORY, capture_output=True, text=True, check=False).stdout.strip()
    assert content["commit"] == (commit or None)
    assert torch.__version__.startswith(content["packages"]["torch"].split("+")[0])
    assert (content["device"], content["processes"]) == ("cpu", 1)


def test_the_history_is_written_an_object_an_epoch(trained):
    records = [json.loads(line) for line in (trained / "epochs.jsonl").read_text().splitlines()]
    report = json.loads((trained / "report.json").read_text(encoding="utf-8"))
    assert records == report["history"]
    assert all(record["gradient_norm"] > 0 and record["skipped"] == 0 for record in records)


def test_a_deterministic_run_on_the_cpu_is_the_same_run(trained, prepared, tmp_path):
    call_main(prepared, tmp_path / "run", "--num-epoch", "2", "--deterministic")
    whole, again = (load_checkpoint(folder / "last.pt")["model_state_dict"] for folder in (trained, tmp_path / "run"))
    assert all(torch.equal(weight, again[name]) for name, weight in whole.items())


def test_steps_and_clips_that_are_skipped_are_counted_and_limited(prepared, tmp_path):
    broken = tmp_path / "prepared"
    shutil.copytree(prepared, broken)
    clip = Manifest.load(broken / "train.json").clips[0]
    shutil.rmtree(broken / clip.folder)
    call_main(broken, tmp_path / "run", "--num-epoch", "2", "--on-bad-clip", "skip")
    assert load_checkpoint(tmp_path / "run/last.pt")["train_state"]["skipped"] == 2  # once an epoch
    log = (tmp_path / "run/log.txt").read_text()
    assert log.count(f"another clip stands in for an unreadable one: clip {clip.id}: no folder") == 2
    message = refused(broken, tmp_path / "less", "--num-epoch", "2", "--on-bad-clip", "skip", "--max-skips", "1")
    assert "2 steps and clips were skipped, more than max_skips 1" in message


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
            self.network.classifier.weight.fill_(float("nan"))
        return original(self, batch)

    original = TrainingStep._loss
    monkeypatch.setattr(TrainingStep, "_loss", explode)
    message = refused(prepared, tmp_path / "run")
    assert "the loss or its gradient is not finite" in message
    assert "SeqCTC nan" in message
    assert "frames" in message
    assert "on_nonfinite=skip" in message


def test_sclite_is_looked_for_before_training(prepared, tmp_path, monkeypatch):
    monkeypatch.setattr("utils.sclite_program.shutil.which", lambda _: None)
    message = refused(prepared, tmp_path / "run", "--evaluate-tool", "sclite")
    assert "sctk" in message
    assert not (tmp_path / "run").exists()


def test_ctcdecode_is_looked_for_before_training(prepared, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ctcdecode", None)  # makes the import fail
    message = refused(prepared, tmp_path / "run", "--decode-backend", "ctcdecode")
    assert "decode_backend: builtin" in message
    assert not (tmp_path / "run").exists()


def test_where_sclite_is_can_be_configured(prepared, tmp_path):
    message = refused(prepared, tmp_path / "run", "--evaluate-tool", "sclite", "--sclite-path", "/nowhere/sclite")
    assert "no program sclite at /nowhere/sclite" in message


def test_help_answers_without_pytorch():
    code = "import sys, main\ntry:\n    main.parse_args(['--help'])\nfinally:\n    print('torch' in sys.modules)"
    done = run_python("-c", code)
    assert "--load-weights" in done.stdout
    assert done.stdout.strip().endswith("False")


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "-1", "cuda:99", "99"])
def test_devices_that_are_not_there(name):
    with pytest.raises(InputError, match="device"):
        select_device(name)


def test_devices_that_are_always_there():
    assert select_device("cpu").type == "cpu"
    assert select_device("auto").type in {"cpu", "cuda", "mps"}
