"""`python -m engine.export --format safetensors`: a folder that gives what the checkpoint gives, nothing private."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors import safe_open

import generate_cam
import test_one_video
from config.load import parse_stored_config, to_dict
from engine import export, export_folder
from engine.export_folder import remove_machine
from evaluation.inference.recogniser import Recogniser
from tests.helpers.commands import call_main
from tests.helpers.config import tiny_config
from tests.helpers.shared import CALIBRATION, GLOSSES, NOTES, save_full_checkpoint, share
from tests.helpers.videos import make_video, ramp
from utils.checkpoint import load_checkpoint, save_checkpoint
from utils.inspect_checkpoint import inspect_checkpoint

PRIVATE = {
    "dataset_root": "/home/ann/corpora/phoenix",
    "prepared": "../ann/prepared",
    "work_dir": "/home/ann/run",
    "load_weights": "/home/ann/first.pt",
    "sclite_path": "/home/ann/sclite",
    "device": "cuda:3",
    "num_worker": 13,
    "overwrite": True,
    "model_args.pretrained": "/home/ann/resnet18.pth",
    "feeder_args.features": "/home/ann/features",
    "feeder_args.flip": 0.25,
    "precision": "bf16",
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    return save_full_checkpoint(tmp_path_factory.mktemp("run") / "best.pt")


@pytest.fixture(scope="module")
def folder(checkpoint, tmp_path_factory) -> Path:
    return share(checkpoint, tmp_path_factory.mktemp("shared") / "tiny")


def refused(*words: object) -> str:
    with pytest.raises(SystemExit) as stop:
        export.main(export.parse_args([str(word) for word in words]))
    return str(stop.value)


def refused_folder(checkpoint: Path, *words: object) -> str:
    return refused("--model_path", checkpoint, "--format", "safetensors", *words)


def test_a_person_finds_what_they_expect(folder):
    names = {"README.md", "config.yaml", "glosses.txt", "model.safetensors", "recognition.json"}
    assert {path.name for path in folder.iterdir()} == names
    assert (folder / "glosses.txt").read_text(encoding="utf-8") == "ABEND\nÜBER\n我\n"
    held = json.loads((folder / "recognition.json").read_text(encoding="utf-8"))
    assert len(held.pop("sha256")) == 64
    assert held == {"format": 1} | NOTES
    assert yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))["model_args"]["width"] == 16
    with safe_open(folder / "model.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}  # without it Hugging Face's programs refuse the file
        assert "conv2d.layer1.0.conv1.weight" in file.keys()  # noqa: SIM118
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]  # nothing is left of the writing
    assert folder.stat().st_mode & 0o777 == (folder.parent / "tiny/README.md").stat().st_mode & 0o777 | 0o111


def test_it_comes_back_as_the_checkpoint_was(checkpoint, folder):
    before, after = load_checkpoint(checkpoint), load_checkpoint(folder)
    assert before.keys() - after.keys() == {"optimizer_state_dict"}
    assert after.keys() <= before.keys()
    assert list(after["glosses"]) == GLOSSES
    assert {key: after[key] for key in NOTES} == NOTES
    assert parse_stored_config(after["config"], "") == remove_machine(parse_stored_config(before["config"], ""))
    weights = after["model_state_dict"]
    assert weights.keys() == before["model_state_dict"].keys()
    for key, weight in before["model_state_dict"].items():
        assert weights[key].dtype == weight.dtype
        assert torch.equal(weights[key], weight), key


def test_it_reads_clips_as_the_checkpoint_does(checkpoint, folder):
    """Confidences and doubts included, which come of the calibration."""
    frames = np.stack(ramp(24, 90, 80))
    one, other = Recogniser.from_pretrained(checkpoint, "cpu"), Recogniser.from_pretrained(str(folder), "cpu")
    assert other.calibration == CALIBRATION
    assert (other.rendered, other.frame_rate, other.frame_size) == (True, 30.0, 72)
    assert one.recognise(frames) == other.recognise(frames)
    assert other.recognise(frames).words
    still = np.zeros((24, 80, 90, 3), np.uint8)
    assert other.recognise(still).doubts == one.recognise(still).doubts != ()


def test_what_is_private_stays_at_home():
    config = tiny_config(**PRIVATE)
    shared = remove_machine(config)
    assert "ann" not in str(shared)
    assert (shared.dataset_root, shared.prepared) == ("./dataset/phoenix2014", "./preprocess/phoenix2014")
    assert (shared.device, shared.load_weights, shared.sclite_path, shared.overwrite) == ("auto", None, None, False)
    assert shared.num_worker == tiny_config().__class__.num_worker
    assert (shared.model_args.pretrained, shared.feeder_args.features) == ("resnet18.pth", "features")
    assert (shared.feeder_args.flip, shared.precision) == (0.25, "bf16")
    assert shared.model_args.width == config.model_args.width


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("./preprocess/mine", "./preprocess/mine"),
        ("preprocess/mine", "preprocess/mine"),
        ("~/mine", "./preprocess/DGS"),
        ("a/../../mine", "./preprocess/DGS"),
        ("caf\udce9", "./preprocess/DGS"),
    ],
)
def test_folders_within_the_clone_stay_and_a_corpus_of_ones_own_has_one(given, kept):
    shared = remove_machine(tiny_config(dataset="DGS", normalise="none", prepared=given))
    assert (shared.dataset, shared.prepared) == ("DGS", kept)


def test_a_network_trained_on_features(tmp_path):
    """Its configuration needs weights for training only, and they stay at home."""
    changes = {"feeder_args.datatype": "features", "feeder_args.features": "f", "loss_weights.AuxCTC": 0}
    checkpoint = save_full_checkpoint(tmp_path / "best.pt", load_weights="/home/ann/a.pt", **changes)
    recogniser = Recogniser.from_pretrained(share(checkpoint, tmp_path / "out"), "cpu")
    assert recogniser.config.feeder_args.datatype == "features"


def test_what_a_checkpoint_does_not_say_the_folder_does_not_say_either(checkpoint, tmp_path):
    content = load_checkpoint(checkpoint)
    few = {key: content[key] for key in ("model_state_dict", "config", "glosses")}
    save_checkpoint(tmp_path / "old.pt", few | {"train_state": {"epoch": 0, "best_wer": float("inf")}})
    shared = load_checkpoint(share(tmp_path / "old.pt", tmp_path / "out"))
    assert shared.keys() == few.keys() | {"train_state"}
    assert shared["train_state"] == {"epoch": 0}  # JSON has no infinity


def test_weights_without_a_configuration(checkpoint, tmp_path, capsys):
    """As published ones: with --config and --dict they are shared like others, without them a message asks for both."""
    weights = load_checkpoint(checkpoint)["model_state_dict"]
    bare = {f"module.{key}": w.half() if w.is_floating_point() else w for key, w in weights.items()}
    torch.save({"model_state_dict": bare}, tmp_path / "published.pt")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(to_dict(tiny_config())), encoding="utf-8")
    (tmp_path / "glosses.txt").write_text("\n".join(GLOSSES) + "\n", encoding="utf-8")
    given = ["--config", str(tmp_path / "config.yaml"), "--dict", str(tmp_path / "glosses.txt")]
    folder = share(tmp_path / "published.pt", tmp_path / "out", *given)
    held = load_checkpoint(folder)
    assert held.keys() == {"model_state_dict", "config", "glosses"}
    weight = held["model_state_dict"]["conv2d.conv1.weight"]
    assert torch.equal(weight, bare["module.conv2d.conv1.weight"].float())
    assert Recogniser.from_pretrained(folder, "cpu").vocabulary.glosses == tuple(GLOSSES)
    assert "holds no" in refused_folder(tmp_path / "published.pt", "--out", tmp_path / "other")


def test_where_it_goes_if_nothing_is_said(checkpoint, tmp_path, capsys):
    copied = tmp_path / "best.pt"
    copied.write_bytes(checkpoint.read_bytes())
    export.main(export.parse_args(["--model-path", str(copied), "--format", "safetensors"]))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best-model", "best.pt"]
    said = capsys.readouterr().out
    assert f"{tmp_path / 'best-model'}: " in said
    assert "equal bit by bit" in said
    assert "the licence of the weights is yours to fill in" in said


def test_nothing_that_is_there_is_lost(checkpoint, tmp_path, monkeypatch, capsys):
    share(checkpoint, tmp_path / "out")
    (tmp_path / "out/README.md").write_text("what I wrote", encoding="utf-8")
    assert "is there already" in refused_folder(checkpoint, "--out", tmp_path / "out")
    assert (tmp_path / "out/README.md").read_text(encoding="utf-8") == "what I wrote"
    share(checkpoint, tmp_path / "out", "--overwrite")
    (aside,) = tmp_path.glob("out-before-*")
    assert (aside / "README.md").read_text(encoding="utf-8") == "what I wrote"
    assert str(aside) in capsys.readouterr().out
    assert load_checkpoint(aside).keys() == load_checkpoint(tmp_path / "out").keys()

    for options in ([], ["--overwrite"]):
        assert "with other files in it" in refused_folder(checkpoint, "--out", checkpoint.parent, *options)
    assert [path.name for path in checkpoint.parent.iterdir()] == ["best.pt"]
    (tmp_path / "empty").mkdir()
    assert share(checkpoint, tmp_path / "empty").is_dir()
    monkeypatch.chdir(tmp_path / "out")
    share(checkpoint, Path(), "--overwrite")
    assert len(list(tmp_path.glob("out-before-*"))) == 2
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert "that is no folder" in refused_folder(checkpoint, "--out", tmp_path / "file")


def test_what_is_not_read_back_as_it_was_gets_no_name(checkpoint, tmp_path, monkeypatch):
    read = export_folder.read_model_folder

    def spoilt(*arguments) -> dict:
        content = read(*arguments)
        content["model_state_dict"]["classifier.weight"][0, 0] *= -1
        return content | {"frame_rate": 25.0}

    share(checkpoint, tmp_path / "out")
    before = sorted(path.name for path in tmp_path.iterdir())
    monkeypatch.setattr(export_folder, "read_model_folder", spoilt)
    said = refused_folder(checkpoint, "--out", tmp_path / "out", "--overwrite")
    assert "holds other model.safetensors, recognition.json" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_full_disk_leaves_nothing(checkpoint, tmp_path, monkeypatch):
    def full(*_) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export_folder, "write_json", full)
    assert "No space left" in refused_folder(checkpoint, "--out", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_options_that_do_not_go_together(checkpoint, folder, tmp_path):
    for option in (["--licence", "mit"], ["--overwrite"]):
        said = refused("--model_path", checkpoint, "--format", "onnx", "--out", tmp_path / "a.onnx", *option)
        assert "belong to --format safetensors" in said
    assert "is a model folder already" in refused_folder(folder, "--out", tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("here", [False, True])
def test_a_folder_exports_to_the_other_formats_by_its_name(folder, monkeypatch, capsys, here):
    monkeypatch.chdir(folder if here else folder.parent)
    export.main(export.parse_args(["--model_path", "." if here else "tiny", "--format", "torchscript"]))
    assert (folder.parent / "tiny.ts").is_file()
    (folder.parent / "tiny.ts").unlink()


def test_inspecting_a_folder(checkpoint, folder):
    of_file, of_folder = dict(inspect_checkpoint(checkpoint)), dict(inspect_checkpoint(folder))
    assert of_folder["folder"].startswith(f"{folder}, ")
    assert of_folder["kind"] == "a model folder of this project"
    differing = {key for key in of_file | of_folder if of_file.get(key) != of_folder.get(key)}
    assert differing == {"file", "folder", "kind", "also holds"}
    assert (of_folder["also holds"], of_folder["best WER"]) == ("nothing", "41.50 % on dev, in epoch 2")


def test_the_commands_for_videos_take_a_folder(folder, tmp_path, capsys):
    make_video(tmp_path / "clip.mp4", ramp(12))
    words = ["--model_path", str(folder), "--video_path", str(tmp_path / "clip.mp4"), "--device", "cpu"]
    test_one_video.main(test_one_video.parse_args([*words, "--save", str(tmp_path / "clip.ctm")]))
    assert (tmp_path / "clip.ctm").read_text(encoding="utf-8").split()[4] in GLOSSES
    generate_cam.main(generate_cam.parse_args([*words, "--out", str(tmp_path / "heat")]))
    assert list((tmp_path / "heat").rglob("*.png"))


def test_every_phase_of_main_takes_a_folder(prepared, random_checkpoint, tmp_path, capsys):
    folder = share(random_checkpoint, tmp_path / "shared")
    for name, source in (("file", random_checkpoint), ("folder", folder)):
        call_main(prepared, tmp_path / name, "--phase", "test", "--load-weights", str(source))
    for name in ("output-hypothesis-dev.ctm", "output-hypothesis-test.ctm"):
        assert (tmp_path / "file" / name).read_bytes() == (tmp_path / "folder" / name).read_bytes()
    call_main(prepared, tmp_path / "features", "--phase", "features", "--load-weights", str(folder))
    assert (tmp_path / "features/features/features.json").is_file()
    call_main(prepared, tmp_path / "trained", "--load-weights", str(folder), "--num-epoch", "1")
    assert (tmp_path / "trained/best.pt").is_file()
    with pytest.raises(
        SystemExit, match=r"lacks optimizer_state_dict.*a model folder holds no optimiser.*load-weights"
    ):
        call_main(prepared, tmp_path / "resumed", "--load-checkpoints", str(folder))


@pytest.mark.parametrize(
    ("system", "changes"),
    [
        ("vac", {"fusion": "none", "pooling": "max", "hfam": False, "weight_norm": False, "share_classifier": False}),
        ("tlp", {"fusion": "none", "hfam": False, "weight_norm": False, "share_classifier": False}),
        ("mstfnet", {"c2d_type": "resnet34"}),
    ],
)
def test_every_system_can_be_shared(tmp_path, system, changes):
    changes = {f"model_args.{key}": value for key, value in changes.items()} | {"loss_weights.AuxCTC": 0}
    checkpoint = save_full_checkpoint(tmp_path / "best.pt", **changes)
    folder = share(checkpoint, tmp_path / "out")
    clip = np.stack(ramp(9, 72, 72))
    one, other = (Recogniser.from_pretrained(source, "cpu") for source in (checkpoint, folder))
    assert one.recognise(clip) == other.recognise(clip)
    assert f"the nearest is {system}, which has width=64 hidden_size=1024 |" in (folder / "README.md").read_text(
        encoding="utf-8"
    )
