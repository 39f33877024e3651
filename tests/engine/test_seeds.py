"""Several seeds in one command."""

import json
import os
import signal
import subprocess
import sys

import pytest

from engine import seeds
from tests.helpers.commands import wait_until
from tests.helpers.config import tiny_words
from tests.helpers.paths import REPOSITORY

SLOW_TO_SAVE = """
import signal, sys, time
from pathlib import Path

def save(number, _):
    time.sleep(1)
    Path("saved").write_text(str(number))
    sys.exit(128 + number)

signal.signal(signal.SIGINT, save)
signal.signal(signal.SIGTERM, save)
Path("begun").touch()
time.sleep(60)
"""


def test_the_spread_between_seeds():
    text = seeds.format_seed_summary({0: {"dev": 10.0, "test": 20.0}, 1: {"dev": 14.0, "test": 20.0}})
    rows = [line.split() for line in text.splitlines()]
    assert rows[0] == ["seed", "WER", "dev", "WER", "test"]
    assert rows[-2:] == [["mean", "12.00", "20.00"], ["standard", "deviation", "2.83", "0.00"]]
    assert "deviation" not in seeds.format_seed_summary({0: {"dev": 10.0}})


def test_runs_with_two_seeds_and_what_is_there_already_is_kept(prepared, tmp_path, capfd):
    words = ["--work-dir", str(tmp_path), *tiny_words(prepared, num_epoch=1)]
    seeds.main(seeds.parse_args(["--seeds", "0", *words]))
    weights = (tmp_path / "seed_0/best.pt").read_bytes()
    seeds.main(seeds.parse_args(["--seeds", "0", "1", *words]))
    found = json.loads((tmp_path / "seeds.json").read_text())
    assert list(found) == ["0", "1"]
    for seed, of_seed in found.items():
        report = json.loads((tmp_path / f"seed_{seed}/report.json").read_text())
        assert of_seed == {split: content["wer"] for split, content in report["splits"].items()}
        assert report["config"]["random_seed"] == int(seed)
    assert "seeds.json" in capfd.readouterr().out
    assert (tmp_path / "seed_0/best.pt").read_bytes() == weights != (tmp_path / "seed_1/best.pt").read_bytes()


def test_what_main_refuses_ends_it_with_its_status(tmp_path, capfd):
    with pytest.raises(SystemExit) as stop:
        seeds.main(seeds.parse_args(["--seeds", "0", "--work-dir", str(tmp_path), "num_epoc=1"]))
    assert stop.value.code == 1
    assert "did you mean num_epoch" in capfd.readouterr().err
    with pytest.raises(SystemExit):
        seeds.parse_args(["--seeds", "0", "0"])


@pytest.mark.parametrize(("number", "to_all"), [(signal.SIGTERM, False), (signal.SIGTERM, True), (signal.SIGINT, True)])
def test_a_run_is_given_the_time_to_save(tmp_path, number, to_all):
    (tmp_path / "slow.py").write_text(SLOW_TO_SAVE)
    begin = "from engine import seeds; seeds.MAIN = 'slow.py'; seeds.main(seeds.parse_args())"
    program = subprocess.Popen(
        [sys.executable, "-c", begin, "--seeds", "0", "1"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until((tmp_path / "begun").exists)
    (os.killpg if to_all else os.kill)(program.pid, number)
    said = program.communicate(timeout=60)[1]
    assert (tmp_path / "saved").read_text() == str(int(number))
    assert program.returncode == 128 + number
    assert f"interrupted by {number.name}; the same command goes on" in said
