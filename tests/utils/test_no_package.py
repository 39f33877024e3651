import importlib.util

import pytest

from tests.helpers.commands import run_python
from utils.no_package import MESSAGE


@pytest.mark.parametrize("words", [["."], ["-e", "."]])
def test_pip_ends_with_one_sentence(tmp_path, words):
    if importlib.util.find_spec("pip") is None:
        pytest.skip("there is no pip here")
    pip = ["-m", "pip", "--disable-pip-version-check", "install", "--no-deps", "--no-index"]
    done = run_python(*pip, "--prefix", str(tmp_path / "prefix"), *words, check=False)
    assert done.returncode != 0
    said = " ".join((done.stdout + done.stderr).split())
    assert MESSAGE in said
    assert "Traceback" not in said
    assert not (tmp_path / "prefix").exists()
