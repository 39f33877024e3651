"""Worker processes: how many there may be, and what each of them needs, whoever starts it."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable
from multiprocessing import forkserver, resource_tracker


def available_cores() -> int:
    """Cores that this process may run on, which containers and schedulers may have made fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def begin_fork_server() -> None:
    """Start the process that forks workers, if it does not run yet, so that no SIGINT or SIGTERM ever ends it.

    A terminal or a cluster sends them to it too, while the main process still needs it. Signals that are blocked here
    remain blocked in what is started here; they reach the main process as soon as it has been started.
    """
    resource_tracker.ensure_running()  # else the fork server starts it, which unblocks them
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def kill_workers_at_exit() -> None:
    """To be called in the main process before it starts workers that ignore SIGTERM.

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


def begin_worker(ignored: Iterable[signal.Signals]) -> None:
    """To be called once in a worker process: it ignores these signals, and ends when the main process is gone.

    Signals of a terminal or a cluster go to the workers too, while the main process still needs them to finish what is
    at hand. A main process that is killed closes no queue: its workers would wait for ever.
    """
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_main_process, daemon=True).start()


def _end_with_main_process() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
