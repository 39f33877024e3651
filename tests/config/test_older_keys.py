"""Files of earlier systems name sclite, since nothing else scores there; where it is missing, they run all the same."""

import json

import pytest

from config.load import load_config
from engine.run import run
from tests.helpers.config import FILE_OF_ANOTHER_SYSTEM, TINY
from utils import sclite_program
from utils.errors import InputError

OLD = "print_log: true\nevaluate_tool: sclite\n"
LINE = "evaluate_tool: python takes the place of sclite"


def test_a_whole_file_of_another_system(file):
    config, notes = load_config(file(FILE_OF_ANOTHER_SYSTEM), {})
    assert (config.work_dir, config.device, config.log_interval) == ("./work_dir/baseline/", "0,1", 10_000)
    assert (config.load_weights, config.load_checkpoints, config.ignore_weights) == (None, None, ())
    assert (config.optimizer_args.step, config.optimizer_args.nesterov) == ((20, 35), False)
    assert (config.model_args.c2d_type, config.model_args.conv_type) == ("resnet18", 2)
    assert (config.feeder_args.datatype, config.feeder_args.image_scale) == ("video", 1.0)
    assert (config.loss_weights.AuxCTC, config.model_args.weight_norm) == (1.0, True)
    assert (config.system, config.model_args.fusion, config.model_args.pooling) == ("mstfnet", "stf", "lift")
    assert config.model_args.hfam
    assert len(notes) == 10
    assert all(" is ignored: " in note for note in notes[:9])
    assert notes[9] == (
        "the file names no system, so this trains mstfnet, but for optimizer_args.step: [20, 35] (mstfnet: [40, 60]), "
        "model_args.c2d_type: resnet18 (mstfnet: resnet34); its keys are nearest to those of corrnet, which "
        "--system corrnet trains"
    )


@pytest.fixture
def no_sclite(monkeypatch, tmp_path):
    """A machine without sclite."""
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr(sclite_program, "DEBIAN_PATH", str(tmp_path / "none" / "sclite"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def file(tmp_path):
    """A function that writes a configuration."""

    def write(text: str):
        (tmp_path / "mine.yaml").write_text(text)
        return tmp_path / "mine.yaml"

    return write


@pytest.mark.parametrize(
    "text", [OLD, "evaluate_tool: 'sclite'\nfeeder_args: {num_gloss: -1}\n", OLD + "sclite_path: /nowhere\n"]
)
def test_the_built_in_scorer_takes_over_where_a_file_of_an_earlier_system_names_a_missing_sclite(no_sclite, file, text):
    config, notes = load_config(file(text), {})
    assert config.evaluate_tool == "python"
    assert sum(note.startswith(LINE) for note in notes) == 1


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("evaluate_tool: sclite\n", {}),  # a file of this system
        ("evaluate_tool: sclite\ncheckpoint_stages: true\n", {}),  # and one of an earlier version of it
        (OLD, {"evaluate_tool": "sclite"}),
        ("print_log: true\n", {"evaluate_tool": "sclite"}),
        ("evaluate_tool: sclite\n", {"print_log": "true"}),
    ],
)
def test_anywhere_else_a_missing_sclite_stops_the_run_before_it_starts(no_sclite, file, tmp_path, text, typed):
    config, notes = load_config(file(text), {"device": "cpu", "work_dir": str(tmp_path / "run"), **typed})
    assert config.evaluate_tool == "sclite"
    assert not any(note.startswith(LINE) for note in notes)
    with pytest.raises(InputError, match="there is no program sclite"):
        run(config, notes)
    assert not (tmp_path / "run").exists()


def test_a_sclite_that_is_there_is_used(no_sclite, file, tmp_path):
    program = tmp_path / "empty" / "sclite"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    config, notes = load_config(file(OLD), {})
    assert config.evaluate_tool == "sclite"
    assert not any(note.startswith(LINE) for note in notes)
    other = program.rename(tmp_path / "mine")
    assert load_config(file(OLD + f"sclite_path: {other}\n"), {})[0].evaluate_tool == "sclite"
    assert load_config(file(OLD), {"sclite_path": str(other)})[0].evaluate_tool == "sclite"


def test_log_and_report_say_who_counted(no_sclite, file, tmp_path, prepared):
    settings = TINY | {"prepared": str(prepared), "work_dir": str(tmp_path / "run"), "num_epoch": 1}
    run(*load_config(file(OLD), settings))
    assert (tmp_path / "run" / "log.txt").read_text(encoding="utf-8").count(LINE) == 1
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert sum(note.startswith(LINE) for note in report["notes"]) == 1
    assert {split["scorer"] for split in report["splits"].values()} == {"python"}
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert page.count(LINE) == 1
