"""Worker processes: how many there may be, how they start, and how they end, whoever starts them.

No worker is a fork of the main process: the threads of OpenCV and PyTorch would be missing in it, and it could hang.
"""

from __future__ import annotations

import atexit
import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import BaseContext
from typing import Literal, TypeVar

import cv2

from utils.cpu_quota import read_cpu_quota
from utils.environment import ROOT
from utils.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_READERS = 12
"""Workers that `auto` starts at most. So many cores read more PNG frames a second than one GPU of today can learn from
(`docs/gpu.md`), and each takes memory."""


def available_cores() -> int:
    """Count the cores that this process may use; containers and schedulers may allow fewer than the machine has."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = read_cpu_quota()
    return cores if quota is None else min(cores, math.ceil(quota))


def local_world_size() -> int:
    """The number of processes that train together on this machine, by what torchrun says."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def choose_workers(wanted: int | Literal["auto"], on_cpu: bool) -> int:
    """Choose how many worker processes read frames.

    Args:
        wanted: their number, of which no more than one a core are taken: more would wait for each other. "auto" takes
            this process's share of the cores, where several train on one machine, less one for the process itself
            where there are more than two.
        on_cpu: whether the network computes on the CPU too. There a frame takes it a hundred times as long as a worker,
            and `auto` is one worker.
    """
    cores = available_cores()
    if wanted != "auto":
        return min(wanted, cores)
    share = cores // local_world_size()
    return 1 if on_cpu or share < 2 else min(share - (share > 2), MOST_READERS)


def map_in_workers(
    work: Callable[[Item], Result], items: Sequence[Item], workers: int, error_if_killed: InputError
) -> Iterator[Result]:
    """Do `work` on all items, in their order, by worker processes; with one worker, here in the main process.

    Args:
        work: a function that can be pickled.
        items: what it is called with, one after the other.
        workers: the number of processes.
        error_if_killed: the error to raise when a worker dies, which most often means that memory ran out.
    """
    if workers <= 1:
        yield from map(work, items)
        return
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(workers, context, begin_worker, ((signal.SIGINT,),)) as pool:
            yield from pool.map(work, items)
    except BrokenProcessPool as error:
        raise error_if_killed from error


def make_loader_context(preload: str) -> BaseContext:
    """Choose how the worker processes of a `DataLoader` start, and get ready for them.

    Where there is a fork server, the workers are forks of it: it has no threads, and it imports once what all of them
    need, so that each one starts at once. Elsewhere (Windows) they are fresh interpreters.

    Args:
        preload: the name of the module that a fork server imports.
    """
    _kill_workers_at_exit()
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([preload])
    _begin_fork_server()
    return context


def begin_loader_worker(_: int) -> None:
    """Begin a worker of a `DataLoader`, as its `worker_init_fn`.

    It ignores SIGTERM too, which a cluster sends to all processes: the main one then finishes its step and saves.
    """
    begin_worker((signal.SIGINT, signal.SIGTERM))


def begin_worker(ignored: Iterable[signal.Signals]) -> None:
    """Begin a worker process: it uses one thread, ignores some signals, and ends when the main process is gone.

    Signals of a terminal or a cluster go to the workers too, while the main process still needs them to finish what is
    at hand. A main process that is killed closes no queue: its workers would wait for ever.

    Args:
        ignored: the signals that the worker ignores.
    """
    cv2.setNumThreads(1)  # the workers already share the cores
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_main_process, daemon=True).start()


def _end_with_main_process() -> None:
    main_process = multiprocessing.parent_process()
    if main_process is not None:
        main_process.join()
        os._exit(1)  # sys.exit would end this thread only


def _begin_fork_server() -> None:
    """Start the process that forks workers, if it does not run yet, so that no SIGINT or SIGTERM ever ends it.

    A terminal or a cluster sends them to it too, while the main process still needs it. Signals that are blocked here
    remain blocked in what is started here; they reach the main process as soon as it has been started.
    """
    resource_tracker.ensure_running()  # else the fork server starts it, which unblocks them
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        with _found_by_new_processes():
            forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _found_by_new_processes() -> Iterator[None]:
    """Let Python processes that are started meanwhile import this program, wherever they are started.

    A fork server imports before it is told the path of the main process. Without this it looks in the folder that one
    is in, and would take a `dataset/` there, which holds a corpus, for ours.
    """
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *([before] if before else [])])
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def _kill_workers_at_exit() -> None:
    """Make sure, before workers that ignore SIGTERM are started, that they do not outlive the program's end.

    At its exit Python sends SIGTERM to the daemonic processes that still run and waits for them: for ever, if they
    ignore it. What is registered later runs earlier, so they are gone by then.
    """
    atexit.unregister(_kill_workers)
    atexit.register(_kill_workers)


def _kill_workers() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # PyTorch's handler would report each of them as a crash
    for process in multiprocessing.active_children():
        if process.daemon:
            process.kill()
            process.join()
