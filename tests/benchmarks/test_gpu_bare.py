"""`python -m benchmarks.gpu` where pydantic, lmdb, pympi-ling and av are not installed."""

import os

import pytest

from tests.helpers.commands import run_python
from utils.environment import SPARED

HIDE = f"""
import sys
from importlib.machinery import PathFinder


class Hider(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.split(".")[0] in {SPARED!r} else super().find_spec(name, path, target)


sys.meta_path[:] = [Hider if finder is PathFinder else finder for finder in sys.meta_path]
"""


@pytest.fixture
def bare(tmp_path):
    """The environment of processes that lack these packages."""
    (tmp_path / "sitecustomize.py").write_text(HIDE)
    return os.environ | {"PYTHONPATH": str(tmp_path)}


def test_other_commands_say_what_is_missing(bare):
    done = run_python("main.py", env=bare, check=False)
    assert done.returncode == 1
    assert "packages are missing (lmdb, av, pympi and 1 more)" in done.stderr
    done = run_python("-m", "benchmarks.loader", env=bare, check=False)
    assert "packages are missing (lmdb, av, pympi and 1 more)" in done.stderr


def test_the_check_runs_without_them(bare, tmp_path):
    done = run_python(
        "-m", "benchmarks.gpu", "--device=cpu", "--only=machine,summary", f"--out={tmp_path / 'x.json'}", env=bare
    )
    assert "skipped: the section table found nothing" in done.stdout  # it knows the network
    assert "0 failures" in done.stdout
