"""The lock of a run's folder: who holds it, when it is free again, and what a run does that finds it held."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from engine import run_lock, run_owner, seeds
from engine.checkpoints import Checkpoints
from engine.run import run
from engine.run_lock import RunLock
from engine.run_owner import identify_this_process, parse_owner
from tests.helpers.commands import start_python, wait_until
from tests.helpers.config import tiny_config
from utils.errors import InputError

HOLD = "import sys, time; from engine.run_lock import RunLock\nwith RunLock(sys.argv[1]): time.sleep(60)"
needs_flock = pytest.mark.skipif(run_lock.fcntl is None, reason="flock is Unix")
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks for processes as Linux tells them")


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "work/run"


@pytest.fixture
def holder(folder) -> Iterator[subprocess.Popen]:
    """A process that holds the folder."""
    with start_python("-c", HOLD, str(folder)) as process:
        wait_until(lambda: parse_owner(read(folder)) is not None)
        yield process
        process.kill()


def read(folder: Path) -> str:
    lock = folder / ".lock"
    return lock.read_text() if lock.exists() else ""


def leave(folder: Path, age: float = 0, **changes) -> None:
    """Leave a lock of this process, with these changes, touched so many seconds ago."""
    folder.mkdir(parents=True, exist_ok=True)
    owner = replace(identify_this_process(), **changes)
    (folder / ".lock").write_text(json.dumps(asdict(owner)))
    os.utime(folder / ".lock", (time.time() - age,) * 2)


@needs_flock
def test_a_living_process_is_named_and_a_killed_one_frees_the_folder_at_once(folder, holder):
    since = json.loads(read(folder))["since"]
    with pytest.raises(InputError) as held, RunLock(folder):
        pytest.fail("two at once")
    host = os.uname().nodename
    assert f"{folder} is in use by process {holder.pid} on {host}, since {since}" in str(held.value)
    assert "--work-dir" in str(held.value)
    assert "--take-over" in str(held.value)
    os.utime(folder / ".lock", (0, 0))  # a machine that slept: the process lives nevertheless
    with pytest.raises(InputError, match="in use"), RunLock(folder):
        pytest.fail("two at once")
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert read(folder)
    with RunLock(folder) as lock:
        assert f"left by process {holder.pid}" in lock.note
        assert parse_owner(read(folder)).pid == os.getpid()


@needs_flock
def test_one_that_is_taken_over_writes_no_more_and_leaves_the_lock_of_the_other(folder):
    with RunLock(folder) as first:
        checkpoints = Checkpoints(folder, lock=first)
        checkpoints.save({"a": 1}, ["last.pt"])
        with RunLock(folder, take_over=True) as second:
            with pytest.raises(InputError, match=r"taken over by process \d+ on .*this run ends here"):
                checkpoints.save({"a": 2}, ["best.pt"])
            first.__exit__(None, None, None)
            second.check()
            assert read(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["last.pt"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"host": 1}', "[" * 5000])
def test_half_a_lock_of_nobody_is_free(folder, content):
    folder.mkdir(parents=True)
    (folder / ".lock").write_text(content)
    with RunLock(folder):
        assert parse_owner(read(folder)).pid == os.getpid()


@pytest.mark.parametrize("flock", [pytest.param(True, marks=needs_flock), False])
def test_elsewhere_ten_minutes_without_a_sign_of_life_free_it(folder, monkeypatch, flock):
    if not flock:
        monkeypatch.setattr(run_lock, "fcntl", None)
    leave(folder, age=590, host="node7", boot="another", pid=12)
    with pytest.raises(InputError, match=r"process 12 on node7, .*59\d s ago; 10 minutes after it .*--take-over at"):
        RunLock(folder).__enter__()
    with RunLock(folder, take_over=True):
        assert parse_owner(read(folder)).pid == os.getpid()
    leave(folder, age=610, host="node7", boot="another", pid=12)
    monkeypatch.setattr(time, "time", lambda: 0.0)  # this machine's clock does not matter
    with RunLock(folder) as lock:
        assert "left by process 12 on node7" in lock.note


@needs_proc
def test_without_flock_a_process_of_this_machine_is_asked_for(folder, monkeypatch):
    monkeypatch.setattr(run_lock, "fcntl", None)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    leave(folder)
    with pytest.raises(InputError, match="in use"):
        RunLock(folder).__enter__()
    leave(folder, pids="pid:[7]", pid=dead.pid)  # a container beside this one has numbers of its own
    with pytest.raises(InputError, match="in use"):
        RunLock(folder).__enter__()
    for gone in {"began": "1"}, {"pid": dead.pid}:  # the number was given again; there is none
        leave(folder, **gone)
        with RunLock(folder):
            assert parse_owner(read(folder)) == replace(identify_this_process(), since=parse_owner(read(folder)).since)


def test_where_there_is_no_boot_id_the_name_of_the_machine_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(run_owner, "BOOT_ID", tmp_path / "none")
    here = identify_this_process()
    assert here.boot == ""
    assert here.is_on_this_boot
    assert not replace(here, host="another").is_on_this_boot


def test_signs_of_life_come_and_a_failing_disk_ends_nothing(folder, monkeypatch):
    monkeypatch.setattr(run_lock, "HEARTBEAT", 0.01)
    original, failures = os.utime, []

    def fail_first(*arguments):
        if len(failures) < 2:
            failures.append(1)
            raise OSError(28, "No space left on device")
        original(*arguments)

    with RunLock(folder) as lock:
        monkeypatch.setattr(os, "utime", fail_first)
        original(lock.path, (0, 0))
        wait_until(lambda: lock.path.stat().st_mtime > 0, seconds=20)
        assert len(failures) == 2


def test_nothing_stays_of_a_run_that_wrote_nothing(tmp_path, folder):
    with pytest.raises(ValueError, match="something"), RunLock(folder):
        raise ValueError("something")
    assert not list(tmp_path.iterdir())
    folder.mkdir(parents=True)
    with RunLock(folder):
        pass
    assert not list(folder.iterdir())


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"nothing can be written to work_dir .*file/run: Not a directory.*--work-dir"):
        RunLock(tmp_path / "file/run").__enter__()

    def refuse(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(InputError, match="Read-only file system"):
        RunLock(tmp_path / "new/run").__enter__()
    assert not (tmp_path / "new").exists()


def test_a_folder_that_is_deleted_meanwhile_is_made_again(folder):
    with RunLock(folder) as lock:
        (folder / ".lock").unlink()
        folder.rmdir()
        lock.check()
        assert parse_owner(read(folder)).pid == os.getpid()
    assert not folder.exists()


def test_a_folder_moved_aside_is_held_under_its_name(folder, tmp_path):
    with RunLock(folder) as lock:
        (folder / "last.pt").touch()
        lock.move_folder(tmp_path / "aside")
        lock.check()
        assert [path.name for path in folder.iterdir()] == [".lock"]
        assert [path.name for path in (tmp_path / "aside").iterdir()] == ["last.pt"]


@needs_flock
@pytest.mark.parametrize(
    "settings", [{"overwrite": True}, {"resume": True}, {"phase": "test"}, {"phase": "features"}], ids=str
)
def test_no_phase_touches_the_folder_of_a_running_run(tmp_path, random_checkpoint, prepared, settings):
    folder = tmp_path / "run"
    with RunLock(folder):
        (folder / "last.pt").write_bytes(b"of the other")
        weights = {"load_weights": str(random_checkpoint)} if "phase" in settings else {}
        with pytest.raises(InputError, match=f"{folder} is in use by process {os.getpid()}"):
            run(tiny_config(prepared, folder, **settings, **weights))
        assert sorted(path.name for path in folder.iterdir()) == [".lock", "last.pt"]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@needs_flock
def test_two_commands_of_seeds_do_not_share_a_folder(tmp_path, capsys):
    with RunLock(tmp_path), pytest.raises(SystemExit, match="in use"):
        seeds.main(seeds.parse_args(["--seeds", "0", "--work-dir", str(tmp_path)]))
