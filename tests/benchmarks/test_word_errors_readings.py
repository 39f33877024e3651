"""What `benchmarks.word_errors` reads: its commands are understood, and each is run once. Nothing is trained here."""

import importlib
import json
import sys

import pytest

import main as program
from benchmarks import word_errors_readings
from benchmarks.family_runs import Settings
from benchmarks.word_errors_levers import LEVERS, PLAIN, Reading, list_readings
from benchmarks.word_errors_readings import (
    COMMAND,
    find_read,
    list_preparations,
    program_reading,
    program_tuning,
    read_all,
    read_counts,
)
from benchmarks.word_errors_weights import Networks
from config.load import load_config
from tests.helpers.evaluation import make_report
from utils.errors import InputError

WRITE_REPORT = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
(folder / "report.json").write_text(json.dumps({"splits": {"dev": {"wer": 12.5}, "test": {"wer": 20}}}))
with (folder.parents[2] / "order.txt").open("a") as file:
    print(folder.parent.name, folder.name, file=file)
"""


@pytest.fixture
def networks(tmp_path) -> Networks:
    return Networks(tmp_path / "family", tmp_path / "out", 0.999, (0, 1, 2), Settings(30, (600, 150, 300), 12))


def list_all(networks) -> list[Reading]:
    return [reading for group in list_readings(list(LEVERS), networks).values() for reading in group]


def test_each_lever_reads_with_the_seeds_that_it_needs(networks):
    seeds = {name: [reading.seeds for reading in of] for name, of in list_readings(list(LEVERS), networks).items()}
    assert seeds[PLAIN] == seeds["systems"] == seeds["int8"] == [(0,), (1,), (2,)]
    assert seeds["seeds"] == seeds["together"] == [(0, 1, 2)]
    assert seeds["partner"] == [()]


def test_the_networks_that_read(networks):
    files = {name: of[-1].files for name, of in list_readings(list(LEVERS), networks).items()}
    trained = [networks.out / f"weights/seed_{seed}/best.pt" for seed in networks.seeds]
    partner = networks.family / "runs/smkd/seed_0/best.pt"
    moving = [networks.out / f"runs/ema-0.999/seed_{seed}/last.pt" for seed in networks.seeds]
    assert files[PLAIN] == files["lm"] == files["int8"] == (trained[2],)
    assert files["ema"] == (moving[2],)
    assert files["mean"] == (networks.out / "means/seed_2/mean.pt",)
    assert files["seeds"] == tuple(trained)
    assert files["together"] == tuple(moving)
    assert (files["systems"], files["partner"]) == ((trained[2], partner), (partner,))


def test_main_understands_each_reading(networks):
    configs = {}
    for reading in list_all(networks):
        if not reading.lever.int8:
            words = reading.build_command("cpu")[2:]
            args = program.parse_args([word for word in words if not word.startswith("decoding=")])
            configs[reading.name] = load_config(args.config, args.overrides)[0]
            assert (f"decoding={reading.options_file}" in words) == bool(reading.lever.tuned)
    assert {config.phase for config in configs.values()} == {"test"}
    assert {name for name, config in configs.items() if config.tta == ("flip",)} == {
        "flip, seed 0", "flip, seed 1", "flip, seed 2", "together, all"
    }  # fmt: skip
    assert {config.beam_width for name, config in configs.items() if name.startswith("beam")} == {100}
    assert configs["seeds, all"].weight_files == tuple(str(networks.find_trained(seed)) for seed in (0, 1, 2))


def test_each_other_command_is_understood(networks):
    readings = list_all(networks)
    programs = [*list_preparations(readings, networks, "cpu")]
    programs += [program_tuning(reading, "cpu") for reading in readings if reading.lever.tuned]
    programs += [program_reading(reading, "cpu") for reading in readings if reading.lever.int8]
    names = [of.command[2] for of in programs]
    assert {name: names.count(name) for name in names} == {
        "evaluation.language_model": 1, "engine.average": 3, "engine.export": 3,
        "benchmarks.word_errors_tuning": 10, "benchmarks.word_errors_int8": 3,
    }  # fmt: skip
    for of in programs:
        name = of.command[2] + (".__main__" if of.command[2] == "evaluation.language_model" else "")
        args = importlib.import_module(name).parse_args(list(of.command[3:]))  # exits where it does not know an option
        assert of.folder == (args.out if name.endswith("int8") else args.out.parent)
    args = importlib.import_module("benchmarks.word_errors_tuning").parse_args(list(programs[-4].command[3:]))
    assert args.lm == networks.language_model
    assert args.search == ["lm_weight", "insertion_bonus", "blank_penalty", "beam_width"]
    assert "tta=[flip]" in args.overrides


@pytest.fixture
def stubs(monkeypatch):
    """Readings by another program; nothing else is needed."""
    monkeypatch.setattr(word_errors_readings, "separate_weights", lambda networks: None)
    monkeypatch.setattr(word_errors_readings, "list_preparations", lambda *_: ())
    monkeypatch.setattr(
        Reading, "build_command", lambda self, device: [sys.executable, "-c", WRITE_REPORT, str(self.folder), device]
    )  # fmt: skip


def test_what_is_read_is_not_read_again(networks, stubs, capsys):
    asked = list_readings([PLAIN, "flip"], networks)
    read_all(asked[PLAIN][:2], networks, "cpu", 1)
    assert "plain, seed 1: dev WER 12.50 %, test WER 20.00 %" in capsys.readouterr().out
    with pytest.raises(InputError, match="begin with the sections trainings, readings"):
        find_read(asked)  # one seed of three is missing
    read_all([*asked[PLAIN], *asked["flip"][:1]], networks, "cpu", 1)
    order = (networks.out / "order.txt").read_text().splitlines()
    assert order == ["plain seed_0", "plain seed_1", "plain seed_2", "flip seed_0"]
    assert find_read(asked) == {PLAIN: asked[PLAIN]}


def test_what_another_command_has_read_counts_no_more(networks, stubs):
    readings = list_readings([PLAIN], networks)[PLAIN][:1]
    read_all(readings, networks, "cpu", 1)
    (readings[0].folder / "of_before.txt").touch()
    read_all(readings, networks, "cuda:0", 1)
    assert (networks.out / "order.txt").read_text().splitlines() == ["plain seed_0"] * 2
    assert not (readings[0].folder / "of_before.txt").exists()


def test_what_was_read_by_a_clone_that_lay_elsewhere_counts(networks):
    (reading, *_) = list_readings([PLAIN], networks)[PLAIN]
    _, _, *words = program_reading(reading, "cpu").command
    (reading.folder / "found.txt").touch()
    elsewhere = ["/elsewhere/.venv/bin/python", "/elsewhere/main.py"]
    (reading.folder / COMMAND).write_text(json.dumps([*elsewhere, *words]))
    assert program_reading(reading, "cpu").command[2:] == tuple(words)
    assert (reading.folder / "found.txt").exists()
    (reading.folder / COMMAND).write_text(json.dumps([elsewhere[0], "/elsewhere/other.py", *words]))
    program_reading(reading, "cpu")
    assert not (reading.folder / "found.txt").exists()


def test_the_counts_of_a_report(tmp_path):
    (tmp_path / "report.json").write_text(json.dumps(make_report()))
    first, *_, last = read_counts(tmp_path)["dev"]
    assert (first.id, first.signer, first.correct, first.errors) == ("one", "Ann", 2, 1)
    assert (last.substitutions, last.deletions, last.insertions) == (1, 1, 0)
