"""The command of preparation: its options, its summary, and the names that users know it by."""

import json
import shlex
from pathlib import Path

import pytest

from config.load import load_config
from dataset.frames import list_frame_files, read_image
from dataset.transforms import Transform
from preprocess.next_command import format_training_command
from preprocess.options import REPOSITORY, get_default_output, parse_args
from tests.helpers import corpora as tiny
from tests.helpers.commands import prepare_by_command, run_python
from tests.helpers.corpora import BUILDERS
from utils.workers import available_cores


@pytest.fixture
def corpus(tmp_path) -> Path:
    return tiny.phoenix2014(tmp_path / "corpus")


def test_defaults_lie_in_the_repository():
    args = parse_args(["--dataset", "CSL-Daily"])
    assert args.dataset_root == REPOSITORY / "dataset/CSL-Daily"
    assert args.output == REPOSITORY / "preprocess/CSL-Daily"
    assert (args.frame_size, args.workers, args.process_image) == (256, available_cores(), False)
    assert parse_args(["--dataset", "CSL", "--multiprocessing"]).workers == available_cores()
    assert parse_args(["--dataset", "CSL", "--workers", "3"]).workers == 3
    si5 = parse_args(["--dataset", "phoenix2014-SI5"])
    assert (si5.dataset_root, si5.output) == (
        REPOSITORY / "dataset/phoenix2014",
        REPOSITORY / "preprocess/phoenix2014-SI5",
    )


def test_options_of_own_corpora_are_refused_elsewhere(capsys):
    with pytest.raises(SystemExit):
        parse_args(["--dataset", "CSL", "--seed", "0"])
    assert "--labels and --seed belong to --dataset custom" in capsys.readouterr().err


def test_summary(tmp_path, corpus, capsys):
    for path in (corpus / "phoenix-2014-multisigner/features").glob("*/train/*default-9/1/*"):
        if not path.stem.endswith("1-0"):
            path.unlink()
    assert prepare_by_command(corpus, tmp_path / "out") == 0
    text = capsys.readouterr().out
    rows = [line.split() for line in text.splitlines()[:4]]
    assert rows[0] == ["split", "clips", "frames", "glosses", "signers", "min", "mean", "max"]
    assert rows[1] == ["train", "3", "34", "9", "2", "2", "11", "16"]
    assert rows[3] == ["test", "2", "32", "2", "1", "16", "16", "16"]
    assert "10 glosses in the dictionary" in text
    assert "dev: 1 of 2 different glosses never occur in train" in text
    assert "left out 13April_2011_Wednesday_tagesschau_default-14" in text
    assert "02April_2010_Friday_heute_default-9 is too short for its label: 2 frames give 1 output step, " in text
    assert text.count("too short") == 1
    assert "train: 3 clips, where papers report 5671" in text
    assert str(tmp_path / "out") in text


def test_summary_says_when_resized_frames_are_not_used(tmp_path, corpus, capsys):
    prepare_by_command(corpus, tmp_path / "out", "--process-image")
    assert "not used" not in capsys.readouterr().out
    prepare_by_command(corpus, tmp_path / "out")
    assert "are not used by these manifests" in capsys.readouterr().out


def test_the_next_command_is_quoted_for_the_shell(tmp_path, corpus, capsys):
    prepare_by_command(corpus, tmp_path / "my corpus")
    *_, last = capsys.readouterr().out.splitlines()
    assert last.startswith("Next: python main.py ")
    folder = str(tmp_path / "my corpus")
    assert shlex.split(last)[-3:] == ["--prepared", folder, "feeder_args.input_size=64"]  # of frames of 64x64 pixels


@pytest.mark.parametrize(
    ("size", "options"),
    [
        (256, []),
        (224, []),
        (223, ["feeder_args.input_size=192"]),
        (72, ["feeder_args.input_size=64"]),
        (48, ["feeder_args.image_scale=64", "feeder_args.input_size=64"]),
    ],
)
def test_the_next_command_crops_what_small_frames_hold(size, options):
    words = shlex.split(format_training_command("phoenix2014", get_default_output("phoenix2014"), size))
    assert words == ["python", "main.py", "--config", "config/baseline.yaml", "--dataset", "phoenix2014", *options]
    config, _ = load_config(words[3], dict(option.split("=") for option in options))
    Transform(config.feeder_args, size, training=True)  # raises ConfigError if the crop is too large


def test_the_next_command_is_for_the_repository_where_main_lies(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = shlex.split(format_training_command("CSL", Path("my corpus"), 256))
    assert words[:4] == ["cd", str(REPOSITORY), "&&", "python"]
    assert words[-2:] == ["--prepared", str(tmp_path / "my corpus")]


def test_repeated_glosses_need_a_step_more(tmp_path, capsys):
    root = tiny.csl(tmp_path / "corpus")
    for folder in root.glob("color/*/*"):
        tiny.write_clip(folder, "{:06d}.jpg", frames=12, height=36, width=64)
    tiny.write_lines(root / "train.txt", "a/color/000/P01_s1_00_0|你 你", "b/color/001/P02_s1_01_0|你 你 我们")
    assert prepare_by_command(root, tmp_path / "out", dataset="CSL") == 0
    text = capsys.readouterr().out
    assert "P02_s1_01_0 is too short for its label: 12 frames give 3 output steps, the label needs 4" in text
    assert "P01_s1_00_0" not in text


@pytest.mark.parametrize(
    ("script", "name"),
    [
        ("dataset_preprocess.py", "phoenix2014"),
        ("dataset_preprocess-T.py", "phoenix2014-T"),
        ("dataset_preprocess-CSL-Daily.py", "CSL-Daily"),
        ("dataset_preprocess-CSL.py", "CSL"),
    ],
)
def test_the_commands_that_users_know(tmp_path, script, name):
    """From inside `preprocess`, with more than one process, as in the papers' instructions."""
    root = BUILDERS[name](tmp_path / "corpus")
    options = ["--process-image", "--multiprocessing", "--frame-size", "32"]
    words = [script, *options, "--dataset-root", str(root), "--output", str(tmp_path / "out")]
    run_python(*words, cwd=REPOSITORY / "preprocess")
    content = json.loads((tmp_path / "out/dev.json").read_text(encoding="utf-8"))
    assert content["dataset"] == name
    folder = tmp_path / "out" / content["clips"][-1]["folder"]
    assert read_image(list_frame_files(folder)[0]).shape == (32, 32, 3)


def test_start_up_needs_no_torch():
    run_python("-c", "import sys, preprocess.prepare; sys.exit('torch' in sys.modules)")
