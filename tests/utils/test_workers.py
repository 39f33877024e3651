import multiprocessing
import os
import subprocess
import sys

import pytest

from utils import workers as workers_module
from utils.environment import ROOT
from utils.errors import InputError
from utils.workers import available_cores, choose_workers, map_in_workers

KILLED = InputError("a worker was killed: try fewer")


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_items(workers):
    assert list(map_in_workers(abs, [-3, 2, -1], workers, KILLED)) == [3, 2, 1]


def test_a_worker_that_dies_is_the_error_of_the_caller():
    with pytest.raises(InputError, match="try fewer"):
        list(map_in_workers(os._exit, [9], 2, KILLED))


def test_errors_of_the_work_stay_what_they_are():
    with pytest.raises(ValueError, match="invalid literal"):
        list(map_in_workers(int, ["1", "x"], 2, KILLED))


@pytest.mark.parametrize(
    ("cores", "processes", "wanted", "on_gpu", "on_cpu"),
    [
        (1, 1, "auto", 1, 1),
        (2, 1, "auto", 2, 1),
        (3, 1, "auto", 2, 1),
        (8, 1, "auto", 7, 1),
        (64, 1, "auto", 12, 1),
        (64, 8, "auto", 7, 1),
        (4, 8, "auto", 1, 1),  # fewer cores than processes
        (8, 1, 3, 3, 3),
        (2, 1, 3, 2, 2),
        (64, 8, 20, 20, 20),  # a number is that number
        (8, 1, 0, 0, 0),
    ],
)
def test_workers_by_the_cores_and_the_processes(monkeypatch, cores, processes, wanted, on_gpu, on_cpu):
    monkeypatch.setattr(workers_module, "available_cores", lambda: cores)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    assert choose_workers(wanted, on_cpu=False) == on_gpu
    assert choose_workers(wanted, on_cpu=True) == on_cpu


@pytest.mark.parametrize(("quota", "cores"), [(None, 6), (0.5, 1), (2.0, 2), (2.5, 3), (64.0, 6)])
def test_a_container_may_allow_less_than_its_cores(monkeypatch, quota, cores):
    monkeypatch.setattr(workers_module.os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    monkeypatch.setattr(workers_module, "read_cpu_quota", lambda: quota)
    assert available_cores() == cores


@pytest.mark.skipif("forkserver" not in multiprocessing.get_all_start_methods(), reason="there is no fork server")
def test_a_fork_server_imports_the_program_and_not_what_lies_in_the_folder_one_is_in(tmp_path):
    (tmp_path / "dataset").mkdir()  # as a corpus may be called
    code = f"""
import sys
sys.path[0] = {str(ROOT)!r}
import importlib
from utils.workers import make_loader_context

process = make_loader_context("dataset.batch").Process(target=importlib.import_module, args=("dataset.order",))
process.start()
process.join()
sys.exit(process.exitcode)
"""
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
