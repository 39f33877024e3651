"""The tests of the page on a machine that lacks what they need."""

import re
import subprocess
import sys

import pytest

from tests.helpers.hidden_packages import hide_packages
from tests.helpers.paths import REPOSITORY


@pytest.mark.parametrize(
    ("hidden", "skipped"), [(("starlette", "playwright"), "test_*.py"), (("playwright",), "test_browser_*.py")]
)
def test_they_are_skipped_and_say_why(tmp_path, hidden, skipped):
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "-qrs", "tests/page"]
    done = subprocess.run(
        words, cwd=REPOSITORY, env=hide_packages(hidden, tmp_path), capture_output=True, text=True, check=False
    )
    assert "error" not in done.stdout.lower(), done.stdout
    counts = re.findall(r"^SKIPPED \[(\d+)\] .*: not installed here: ", done.stdout, re.M)
    assert sum(map(int, counts)) == len(list((REPOSITORY / "tests/page").glob(skipped)))
    assert f"not installed here: {', '.join(hidden)} (requirements-page.txt)" in done.stdout
