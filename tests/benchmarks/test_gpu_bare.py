"""`python -m benchmarks.gpu`, alone among the commands, starts without pydantic, lmdb, pympi-ling and av."""

import pytest

from tests.helpers.commands import run_python
from tests.helpers.hidden_packages import hide_packages
from utils.environment import SPARED


@pytest.fixture
def bare(tmp_path):
    return hide_packages(SPARED, tmp_path)


def test_other_commands_say_what_is_missing(bare):
    for words in (["main.py"], ["-m", "benchmarks.loader"]):
        done = run_python(*words, env=bare, check=False)
        assert done.returncode == 1
        assert "packages are missing (lmdb, av, pympi and 1 more)" in done.stderr


def test_the_check_runs_without_them(bare, tmp_path):
    done = run_python(
        "-m", "benchmarks.gpu", "--device=cpu", "--only=machine,summary", f"--out={tmp_path / 'x.json'}", env=bare
    )
    assert "skipped: the section table found nothing" in done.stdout  # it knows the network
    assert "0 failures" in done.stdout
