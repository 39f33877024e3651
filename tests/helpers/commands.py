"""Commands, called in this process or in one of their own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import main
from preprocess import prepare
from tests.helpers.config import tiny_words
from tests.helpers.paths import REPOSITORY


def call_main(prepared: Path, work_dir: Path, *arguments: str) -> None:
    """Call main.py with the tiny configuration on top of `config/baseline.yaml`."""
    tiny = tiny_words(prepared, work_dir, log_interval=1, **{"optimizer_args.step": [2]})
    main.main(main.parse_args(["--config", str(REPOSITORY / "config/baseline.yaml"), *tiny, *arguments]))


def prepare_by_command(root: Path, output: Path, *options: str, dataset: str = "phoenix2014") -> int:
    """Call the command of preparation for frames of 64x64 pixels; the result is its exit status."""
    fixed = ["--dataset", dataset, "--dataset-root", str(root), "--output", str(output), "--frame-size", "64"]
    return prepare.main(prepare.parse_args([*fixed, "--workers", "1", *options]))


def run_python(*words: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run Python with these words in the repository, to its end; it must succeed, if that is checked."""
    usual = {"cwd": REPOSITORY, "capture_output": True, "text": True}
    done = subprocess.run([sys.executable, *words], check=False, **usual | options)
    assert done.returncode == 0 or not check, done.stderr
    return done


def start_python(*words: str, **options: Any) -> subprocess.Popen[str]:
    """Start Python with these words in the repository; what it says is dropped where `options` take none of it."""
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, *words], **silent | {"cwd": REPOSITORY, "text": True} | options)


def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until it holds; fail if it still does not after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not after {seconds} s"
        time.sleep(0.02)
