"""`python -m engine.average` on a run of two epochs."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import torch

from engine.average import choose_files, main, parse_args
from engine.run import run
from tests.helpers.config import tiny_config
from utils.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from utils.errors import InputError
from utils.files import real_path


@pytest.fixture(scope="module")
def trained(prepared, once) -> Path:
    return once("averaged-run", lambda folder: run(tiny_config(prepared, folder, save_interval=1, ema=0.5)))


@pytest.fixture
def copied(trained, tmp_path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def average(*words: object) -> None:
    main(parse_args([*map(str, words), "--device", "cpu"]))


def test_the_mean_of_a_run_is_evaluated_and_taken_by_every_command(copied, prepared, tmp_path, capsys):
    average(copied, "--last", 2, "--clips", 3)
    out = copied / "average_2.pt"
    said = capsys.readouterr().out
    assert f"{out}: the mean of 2 checkpoints, epoch_1.pt, epoch_2.pt\nA is {copied / 'best.pt'}, B is {out}\n" in said
    content, best = load_checkpoint(out), load_checkpoint(copied / "best.pt")
    rates = dict(re.findall(r"^([AB]) +([\d.]+) %", said, flags=re.MULTILINE))
    assert rates["A"] == f"{best['train_state']['best_wer']:.2f}"
    assert re.search(r"^B - A: .*95 % interval .*p = ", said, flags=re.MULTILINE)
    one, two = (load_checkpoint(copied / f"epoch_{number}.pt")["model_state_dict"] for number in (1, 2))
    weights = content["model_state_dict"]
    for name, weight in weights.items():
        if "running" not in name and "num_batches" not in name:
            assert torch.equal(weight, ((one[name].double() + two[name].double()) / 2).float()), name
    assert not torch.allclose(weights["conv2d.bn1.running_mean"], one["conv2d.bn1.running_mean"], atol=1e-7)
    assert weights["conv2d.bn1.num_batches_tracked"] == 2  # three clips in batches of two
    assert content["averaged"]["clips"] == 3
    assert content["glosses"] == best["glosses"]
    assert content["frame_size"] == best["frame_size"] == 72
    assert "calibration" in content
    assert not content.keys() & {"optimizer_state_dict", "raw_state_dict", "train_state", "random_states"}
    result = run(tiny_config(prepared, tmp_path / "test", phase="test", load_weights=str(out)))
    assert f"{result[0].wer:.2f}" == rates["B"]
    with pytest.raises(CheckpointError, match=r"average_2\.pt cannot be resumed, it lacks optimizer_state_dict"):
        run(tiny_config(prepared, tmp_path / "more", load_checkpoints=str(out), ema=0.5))


def test_without_the_corpus_statistics_are_averaged_and_nothing_is_evaluated(copied, tmp_path, capsys):
    files = [copied / "epoch_1.pt", copied / "epoch_2.pt"]
    nowhere = ["--prepared", tmp_path / "nowhere"]
    with pytest.raises(InputError, match=r"nowhere holds none: .*--prepared.*--clips 0"):
        average(*files, *nowhere)
    assert not (copied / "average.pt").exists()
    average(*files, *nowhere, "--clips", 0)
    assert "nowhere has no dev.json: whether the mean is better is not known" in capsys.readouterr().out
    content = load_checkpoint(copied / "average.pt")
    one, two = (load_checkpoint(path)["model_state_dict"] for path in files)
    for name, weight in content["model_state_dict"].items():
        expected = ((one[name].double() + two[name].double()) / 2).float() if weight.is_floating_point() else two[name]
        assert torch.equal(weight, expected), name


def test_the_mean_of_files_is_compared_with_the_best_of_them():
    best, others = Path("run/best.pt"), [Path("run/epoch_8.pt"), Path("run/epoch_9.pt")]
    assert choose_files([best, *others], None) == ([best, *others], Path("run/average.pt"), best)
    assert choose_files(others, None)[2] == others[1]


def test_no_file_is_lost(copied):
    for words, said in (
        ([copied], "name the folder of a run with --last N, or without it at least two checkpoints"),
        ([copied, copied, "--last", 2], "name the folder of a run with --last N"),
        ([copied, "--last", 3], "has 2 checkpoints epoch_N.pt"),
        ([copied, "--last", 2, "--out", copied / "best.pt"], "would be lost"),
        ([copied, "--last", 2, "--out", copied / "epoch_1.pt", "--overwrite"], "would be lost"),
        ([copied, "--last", 2, "--out", copied / "last.pt"], "is there already"),
    ):
        with pytest.raises(InputError, match=re.escape(said)):
            average(*words)
    assert real_path(copied / "best.pt").stat().st_size > 0


def test_a_lost_language_model_is_named_before_anything_is_written_and_can_be_left_out(copied, capsys):
    for name in ("best.pt", "epoch_1.pt", "epoch_2.pt"):
        content = load_checkpoint(copied / name)
        lost = {"lm": "lost.arpa", "lm_weight": 0.5}
        save_checkpoint(copied / name, content | {"config": content["config"] | lost})
    with pytest.raises(InputError, match=r"no language model lost\.arpa; .* with --lm FILE, or .* with --lm none"):
        average(copied, "--last", 2, "--clips", 0)
    assert not (copied / "average_2.pt").exists()
    average(copied, "--last", 2, "--clips", 0, "--lm", "none")
    assert "95 % interval" in capsys.readouterr().out
