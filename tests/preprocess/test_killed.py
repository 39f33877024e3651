"""Preparation that is killed at any moment and run again gives the same bytes as one that was left alone."""

import contextlib
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.helpers import corpora as tiny
from tests.helpers.commands import start_python, wait_until

CLIPS, FRAMES, KILLS = 10, 30, 5


def folders_of_images(root: Path) -> None:
    for number in range(CLIPS):
        tiny.write_clip(root / f"clip{number}", frames=FRAMES)


def videos(root: Path) -> None:
    for number in range(CLIPS):
        tiny.write_video(root / f"clip{number}.mp4", frames=FRAMES)


def start(root: Path, output: Path, workers: int) -> subprocess.Popen:
    words = ["-m", "preprocess.prepare", "--dataset", "custom", "--process-image"]
    words += ["--dataset-root", str(root), "--output", str(output), "--workers", str(workers)]
    return start_python(*words, start_new_session=True)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names(output: Path) -> list[str]:
    """Files below a folder in which others write: os.walk, unlike Path.rglob, takes a folder that has just gone."""
    return [name for _, _, files in os.walk(output) for name in files]


@pytest.mark.skipif(os.name == "nt", reason="sessions and SIGKILL are Unix")
@pytest.mark.parametrize(("build", "workers"), [(folders_of_images, 2), (videos, 1)])
def test_killed_five_times_and_finished(tmp_path, build, workers):
    root, output = tmp_path / "corpus", tmp_path / "killed"
    build(root)
    suffix = ".mp4" if build is videos else ""
    rows = [f"c{n},clip{n}{suffix},Signer{n % 5},A B{n}" for n in range(CLIPS)]
    tiny.write_lines(root / "labels.csv", "id,path,signer,glosses", *rows)
    assert start(root, tmp_path / "whole", workers).wait() == 0
    rng, killed = random.Random(7), 0
    for _ in range(KILLS):
        process, before = start(root, output, workers), len(names(output))
        while process.poll() is None and len(names(output)) == before:
            time.sleep(0.002)
        delay = rng.uniform(0, 0.15)
        print(f"killed {delay:.3f} s after the first change to {len(names(output))} files")
        time.sleep(delay)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    assert killed
    (output / ".dev.abcd1234.json").write_text("of a run killed while it wrote the manifest")
    assert start(root, output, workers).wait() == 0
    assert content(output) == content(tmp_path / "whole")


def members(session: int) -> set[int]:
    """The processes of a session that still run, as Linux lists them."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            state, _, _, owner = stat.read_text().rpartition(")")[2].split()[:4]
            if int(owner) == session and state != "Z":
                found.add(int(stat.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="lists processes as Linux does")
def test_workers_end_when_the_main_process_is_killed(tmp_path):
    root, output = tmp_path / "corpus", tmp_path / "out"
    folders_of_images(root)
    # Work for much longer than it takes to notice that it has begun, however busy the machine is.
    for number in range(CLIPS, 30 * CLIPS):
        (root / f"clip{number}").symlink_to(f"clip{number % CLIPS}")
    rows = [f"c{n},clip{n},Signer{n % 5},A B{n % CLIPS}" for n in range(30 * CLIPS)]
    tiny.write_lines(root / "labels.csv", "id,path,signer,glosses", *rows)
    process = start(root, output, workers=2)
    wait_until(lambda: process.poll() is not None or any(".png" in name for name in names(output)))
    assert len(members(process.pid)) >= 3
    process.kill()
    process.wait()
    try:
        wait_until(lambda: not members(process.pid), seconds=60)
    finally:
        for number in members(process.pid):
            os.kill(number, signal.SIGKILL)
