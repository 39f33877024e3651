"""Where compiled code is kept on machines where little can be written."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from numba.core import caching

from tests.helpers.commands import run_python
from utils import compiled as module
from utils.compiled import compiled, make_private_folder

needs_users = pytest.mark.skipif(not hasattr(os, "getuid"), reason="users of Unix")


def double(x: float) -> float:
    return 2 * x


@pytest.fixture
def nowhere(tmp_path, monkeypatch) -> Path:
    """No place of numba's own can be written; the temporary folder, which is returned, can."""

    def refuse(self):
        if str(tmp_path) not in self.get_cache_path():
            raise OSError(30, "Read-only file system")
        original(self)

    locator = caching._CacheLocator
    original = locator.ensure_cache_path
    monkeypatch.setattr(locator, "ensure_cache_path", refuse)
    monkeypatch.setattr(module.config, "CACHE_DIR", "")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@needs_users
def test_a_read_only_clone_and_home_get_a_temporary_folder_and_a_line(nowhere, monkeypatch):
    said: list[str] = []
    monkeypatch.setattr(module.LOGGER, "warning", lambda text, *values: said.append(text % values))
    assert compiled(double)(4.0) == 8.0
    assert compiled(double)(5.0) == 10.0
    folder = nowhere / f"mstfnet-numba-{os.getuid()}"
    assert said == [f"numba keeps compiled code in {folder}: neither the clone nor the home can be written"]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.rglob("*.nbi"))


def test_where_nothing_at_all_can_be_written_it_compiles_every_time(nowhere, monkeypatch):
    said: list[str] = []
    monkeypatch.setattr(module.LOGGER, "warning", lambda text, *values: said.append(text % values))
    monkeypatch.setattr(tempfile, "tempdir", str(nowhere / "none"))
    assert compiled(double)(4.0) == 8.0
    assert "compiles at every start" in said[0]


@needs_users
def test_a_folder_that_others_can_write_is_not_trusted(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    usual = tmp_path / f"mstfnet-numba-{os.getuid()}"
    assert make_private_folder() == usual == make_private_folder()
    usual.chmod(0o770)
    other = make_private_folder()
    assert other != usual
    assert other.stat().st_mode & 0o777 == 0o700
    usual.rmdir()
    usual.symlink_to(other)
    assert make_private_folder() not in {usual, other}
    usual.unlink()
    usual.write_text("a file of somebody")
    assert make_private_folder().is_dir()


def test_the_decoder_is_compiled_this_way():
    code = (
        "import sys; from utils import compiled; compiled.compiled = lambda f: names.append(f.__name__) or f\n"
        "names = []; import evaluation.ctc.prefix_search, evaluation.ctc.confidence, evaluation.ctc.forced_alignment\n"
        "print(*names)"
    )
    names = run_python("-c", code).stdout.split()
    assert "search_prefixes" in names
    assert len(names) == 15
