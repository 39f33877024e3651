"""What a training goes on with: what the user sets, and else what its checkpoint says, whatever the defaults are."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import main
from config.keys import flatten_sections
from config.layers import FOLDER
from config.load import BASELINE, load_config, to_dict
from config.schema import Config
from dataset.manifest import Manifest
from engine.pad_to import settle_pad_to
from engine.resume import check_changes, is_decisive, list_changed_settings
from engine.resumed_config import load_training_config
from tests.helpers.commands import run_python
from tests.helpers.config import tiny_config, tiny_words
from tests.helpers.training import assert_same_training
from utils.checkpoint import CheckpointError, load_checkpoint, save_checkpoint

OLD = {
    "batch_size": 4,
    "on_nonfinite": "skip",
    "beam_width": 5,
    "normalise": "none",
    "optimizer_args.weight_decay": 3e-4,
    "optimizer_args.step": [7, 9],
    "feeder_args.bucket": True,
    "model_args.dropout": 0.25,
}
"""Values that were defaults once, let us say, and are not today."""


@pytest.fixture
def resumed(tmp_path):
    """The checkpoint of a run that had these values, and what the words for its resuming are."""

    def save(content: dict[str, Any] | None = None, **changes: Any) -> dict[str, str]:
        config = to_dict(load_config(None, OLD | changes)[0])
        save_checkpoint(tmp_path / "last.pt", {"config": config, "precision": "fp32"} | (content or {}))
        return {"load_checkpoints": str(tmp_path / "last.pt")}

    return save


def settings(config: Config) -> dict[str, Any]:
    return flatten_sections(to_dict(config))


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("path", [None, BASELINE])
def test_what_nobody_sets_is_as_it_was_and_every_such_key_is_said(resumed, tmp_path, path):
    config, notes = load_training_config(path, resumed())
    today = load_config(BASELINE, {"load_checkpoints": config.load_checkpoints})[0]
    assert settings(config) == settings(today) | OLD
    assert notes == [
        f"batch_size: 4, as in {tmp_path / 'last.pt'}, which counts over the default (2)",
        f"beam_width: 5, as in {tmp_path / 'last.pt'}, which counts over the default (10)",
        f"normalise: none, as in {tmp_path / 'last.pt'}, which counts over the default (phoenix2014)",
        f"on_nonfinite: skip, as in {tmp_path / 'last.pt'}, which counts over the default (stop)",
        f"optimizer_args.step: [7, 9], as in {tmp_path / 'last.pt'}, which counts over the default ([40, 60])",
        f"optimizer_args.weight_decay: 0.0003, as in {tmp_path / 'last.pt'}, which counts over the default (0.0001)",
        f"feeder_args.bucket: true, as in {tmp_path / 'last.pt'}, which counts over the default (false)",
        f"model_args.dropout: 0.25, as in {tmp_path / 'last.pt'}, which counts over the default (0.3)",
    ]


def test_what_is_set_counts_and_is_compared(resumed, prepared, tmp_path):
    words = resumed({"processes": 1}, prepared=str(prepared))
    file = write(tmp_path / "own.yaml", "batch_size: 2\nfeeder_args:\n  bucket: false\n")
    given = {"model_args.dropout": "0.3", "prepared": str(prepared)}
    config, notes = load_training_config(file, words | given)
    assert (config.batch_size, config.feeder_args.bucket, config.model_args.dropout) == (2, False, 0.3)
    assert (config.beam_width, config.optimizer_args.step) == (5, (7, 9))
    assert not [note for note in notes if note.startswith(("batch_size", "feeder_args", "model_args"))]
    content, clips = load_checkpoint(tmp_path / "last.pt"), Manifest.load(prepared / "train.json")
    with pytest.raises(CheckpointError) as refusal:
        check_changes(content, "last.pt", config, clips, 1, torch.device("cpu"))
    listed = "batch_size: 4 -> 2; feeder_args.bucket: True -> False; model_args.dropout: 0.25 -> 0.3."
    assert f"another experiment: {listed} Resume" in str(refusal.value)


def test_a_copy_of_the_baseline_sets_all_that_stands_in_it(resumed, tmp_path):
    """The one in the project sets what differs from what would count without it."""
    shutil.copyfile(BASELINE, tmp_path / "mine.yaml")
    config, _ = load_training_config(tmp_path / "mine.yaml", resumed())
    assert (config.batch_size, config.on_nonfinite, config.feeder_args.bucket, config.model_args.dropout) == (
        2, "stop", False, 0.3,
    )  # fmt: skip
    assert (config.normalise, config.optimizer_args.weight_decay) == ("none", 3e-4)  # comments there


def test_an_edited_file_of_the_project_sets_what_was_edited(resumed, tmp_path, monkeypatch):
    for file in FOLDER.glob("*.yaml"):
        shutil.copyfile(file, tmp_path / file.name)
    text = Path(BASELINE).read_text(encoding="utf-8")
    edited = text.replace("batch_size: 2 ", "batch_size: 3 ").replace("dataset: phoenix2014 ", "dataset: CSL-Daily ")
    write(tmp_path / "baseline.yaml", edited)
    monkeypatch.setattr("config.file_keys.FOLDER", tmp_path)
    config, _ = load_training_config(tmp_path / "baseline.yaml", resumed())
    assert (config.dataset, config.batch_size, config.normalise) == ("CSL-Daily", 3, "none")
    assert config.feeder_args.bucket is False  # another corpus is another experiment: nothing is taken over
    config, _ = load_training_config(tmp_path / "baseline.yaml", resumed(dataset="CSL-Daily"))
    assert (config.dataset, config.batch_size, config.feeder_args.bucket) == ("CSL-Daily", 3, True)


def test_system_and_corpus_are_the_checkpoints_too(resumed):
    words = resumed(system="corrnet", dataset="CSL-Daily")
    config, notes = load_training_config(None, words)
    today = load_config(BASELINE, {"system": "corrnet", "dataset": "CSL-Daily"} | words)[0]
    differing = {key for key, value in settings(config).items() if value != settings(today)[key]}
    assert differing == OLD.keys() - {"normalise"}  # that one is the corpus's
    assert (config.model_args.fusion, config.prepared) == ("correlation", "./preprocess/CSL-Daily")
    assert any(note.startswith("system: corrnet, as in") for note in notes)
    assert any(note.startswith("dataset: CSL-Daily, as in") for note in notes)
    # Of the system's file too: its values may be others in this version.
    for named in ({"system": "corrnet"}, {"dataset": "CSL-Daily"}, {"system": "corrnet", "dataset": "CSL-Daily"}):
        assert settings(load_training_config(None, words | named)[0]) == settings(config)


@pytest.mark.parametrize("named", [{"system": "vac"}, {"dataset": "phoenix2014-T"}])
def test_another_system_or_corpus_takes_nothing_over(resumed, named):
    words = resumed(system="corrnet", dataset="CSL-Daily")
    config, notes = load_training_config(None, words | named)
    assert settings(config) == settings(load_config(BASELINE, words | named)[0])
    assert not [note for note in notes if "as in" in note]


def test_a_corpus_without_a_file_lies_where_it_lay(resumed):
    words = resumed(dataset="mine", prepared="/data/mine", dataset_root="/data/raw")
    config, _ = load_training_config(None, words)
    assert (config.dataset, config.prepared, config.dataset_root, config.normalise) == (
        "mine", "/data/mine", "/data/raw", "none",
    )  # fmt: skip
    moved, _ = load_training_config(None, words | {"prepared": "/other"})
    assert moved.prepared == "/other"


def test_a_files_block_for_the_checkpoints_system_counts(resumed, tmp_path):
    text = "systems:\n  corrnet:\n    batch_size: 8\n  mstfnet:\n    beam_width: 3\n"
    config, _ = load_training_config(write(tmp_path / "own.yaml", text), resumed(system="corrnet"))
    assert (config.system, config.batch_size, config.beam_width) == ("corrnet", 8, 5)


def test_how_and_where_a_training_runs_is_never_taken_over(resumed):
    """Other keys than these decide."""
    free = {
        "phase", "system", "dataset_root", "prepared", "work_dir", "num_epoch", "test_batch_size", "device",
        "num_worker", "loader_timeout", "log_interval", "eval_interval", "save_interval", "save_every_steps", "keep",
        "sclite_path", "also_normalise", "frame_rate", "frame_chunk", "recompute", "compile", "load_weights",
        "load_checkpoints", "resume", "allow_changes", "ignore_weights", "overwrite", "take_over", "max_skips",
        "deterministic", "decoding", "tta",
    }  # fmt: skip
    assert {key for key in settings(Config()) if not is_decisive(key)} == free
    words = resumed(num_worker=7, work_dir="./elsewhere", num_epoch=3, device="cuda:5", recompute="stages")
    config, _ = load_training_config(None, words)
    today = load_config(BASELINE, {})[0]
    for key in ("num_worker", "work_dir", "num_epoch", "device", "recompute"):
        assert getattr(config, key) == getattr(today, key), key


def test_a_language_model_is_the_same_where_its_copy_lies(tmp_path):
    one, copy, other = (write(tmp_path / name, name[0]) for name in ("a.arpa", "a-copy.arpa", "b.arpa"))
    before = to_dict(load_config(None, {"lm": str(one)})[0])
    assert list_changed_settings(before, before | {"lm": str(copy)}) == []
    assert list_changed_settings(before, before | {"lm": str(other)}) == [f"lm: {one} -> {other}"]
    assert list_changed_settings(before, before | {"lm": None}) == [f"lm: {one} -> None"]
    one.unlink()  # nothing tells what was in it
    assert list_changed_settings(before, before | {"lm": str(copy)}) == [f"lm: {one} -> {copy}"]


def test_what_cannot_go_together_is_left_to_the_comparison(resumed):
    words = resumed(**{"model_args.hfam": False, "loss_weights.AuxCTC": 0})
    config, _ = load_training_config(None, words | {"loss_weights.AuxCTC": "1.0"})
    assert (config.loss_weights.AuxCTC, config.model_args.hfam) == (1.0, True)
    assert config.batch_size == 2


def test_a_file_that_cannot_be_resumed_changes_nothing(tmp_path, resumed):
    today = load_config(BASELINE, {})[0]
    damaged = write(tmp_path / "damaged.pt", "half")
    save_checkpoint(tmp_path / "bare.pt", {"model_state_dict": {}})
    for path in (damaged, tmp_path / "bare.pt", tmp_path / "missing.pt"):
        config, notes = load_training_config(None, {"load_checkpoints": str(path)})
        assert settings(config) == settings(today) | {"load_checkpoints": str(path)}
        assert notes == []
    assert load_training_config(None, {"resume": "true", "work_dir": str(tmp_path / "new")})[0].batch_size == 2


@pytest.mark.parametrize(
    ("asked", "used", "device", "file", "expected"),
    [
        ("default", "fp32", "cuda", None, "fp32"),  # begun on a CPU: with all digits on a GPU too
        ("default", "tf32", "cuda", None, "default"),
        ("default", "tf32", "cpu", None, "default"),
        ("default", "fp32", "cpu", None, "default"),
        ("bf16", "bf16", "cpu", None, "bf16"),
        ("tf32", "tf32", "cuda", None, "tf32"),
        ("auto", "bf16", "cpu", None, "bf16"),  # begun where the device computed with it
        ("fp32", None, "cuda", None, "default"),  # of an earlier version
        ("default", "fp32", "cuda", "default", "fp32"),
        ("default", "fp32", "cuda", "tf32", "tf32"),
        ("bf16", "bf16", "cuda", "default", "default"),
        ("bf16", "bf16", "cuda", "auto", "auto"),
    ],
)
def test_the_precision_is_the_one_that_was_used(monkeypatch, resumed, tmp_path, asked, used, device, file, expected):
    monkeypatch.setattr("utils.precision.computes_bfloat16", lambda _: False)
    monkeypatch.setattr("engine.resumed_config.select_local_device", torch.device)
    words = resumed({"precision": used or "fp32"}, precision=asked) | {"device": device}
    if used is None:
        content = load_checkpoint(tmp_path / "last.pt")
        del content["precision"]
        save_checkpoint(tmp_path / "last.pt", content)
    path = write(tmp_path / "own.yaml", f"precision: {file}\n") if file else None
    config, notes = load_training_config(path, words)
    assert config.precision == expected
    said = [note for note in notes if note.startswith("precision: ")]
    assert said == (
        [f"precision: {expected}, as in {tmp_path / 'last.pt'}, which counts over the default (default)"]
        if expected not in {"default", file}
        else []
    )


def test_a_run_resumed_by_the_bare_command_ends_as_if_all_had_been_said_again(prepared, tmp_path, once):
    whole = once("whole", lambda folder: run_python("main.py", *tiny_words(prepared, folder)))
    folder = tmp_path / "run"
    main.main(main.parse_args(tiny_words(prepared, folder, num_epoch=1)))
    where = [f"prepared={prepared}", f"work_dir={folder}", "device=cpu", "num_worker=0"]
    main.main(main.parse_args([*where, "num_epoch=2", "--resume"]))
    assert_same_training(folder, whole)
    for name in ("last.pt", "best.pt"):
        assert load_checkpoint(folder / name)["config"]["model_args"]["width"] == 16
    written = load_config(folder / "config.yaml", {})[0]
    expected = settle_pad_to(tiny_config(prepared, folder), torch.device("cpu"))
    assert (written.optimizer_args, written.feeder_args, written.model_args) == (
        expected.optimizer_args, expected.feeder_args, expected.model_args,
    )  # fmt: skip
    log = (folder / "log.txt").read_text()
    assert f"model_args.width: 16, as in {folder / 'last.pt'}, which counts over the default (64)" in log
