"""What every worker process needs, whoever starts it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable


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
