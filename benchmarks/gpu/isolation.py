"""Running one section in a process of its own, so that a crash, a hang or a CUDA error that stays harms no other."""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Generator, Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from benchmarks.gpu.section import Finding, Task, attempt

END = "the section"
"""The name of the finding that says why a section did not come to its end."""
PATIENCE = 10
"""Seconds in which a process that has said all closes CUDA and ends."""


def run_section(section: str, task: Task, package: str = "benchmarks.gpu") -> Generator[Finding, None, None]:
    """Run a section and give its findings as they come; the last one says so if it did not come to its end.

    Args:
        section: the name of its module.
        task: what it is to do; after its seconds its process is ended, and all that it has started.
        package: where the module lies.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(sender, f"{package}.{section}", task), name=section)
    end = time.monotonic() + task.seconds
    try:
        process.start()
        sender.close()  # so that the end of the process is the end of what comes
        while receiver.poll(max(0.0, end - time.monotonic())):
            finding = receiver.recv()
            if finding is None:
                process.join(PATIENCE)
                return
            yield finding
        yield Finding(END, "fail", note=f"not done after {task.seconds:.0f} s, and ended; --limit gives more")
    except EOFError:
        process.join(PATIENCE)
        yield Finding(END, "fail", note=describe_end(process.exitcode))
    finally:
        _end(process)


def describe_end(status: int | None) -> str:
    """Say why a process has ended without a word, by its exit status; a negative one is the number of a signal."""
    if status is not None and status < 0:
        return f"its process was ended by {signal.Signals(-status).name}"
    return f"its process ended with status {status}"


def _end(process: BaseProcess) -> None:
    """End a process, and whatever it has started."""
    if process.pid is None:  # a signal came before it was started
        return
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join()


def _work(sender: Connection, module: str, task: Task) -> None:
    """Run a section in its process, and send what it finds, then None."""
    if hasattr(os, "setsid"):
        os.setsid()  # so that what it starts can be ended with it
    threading.Thread(target=_end_with_main_process, daemon=True).start()
    faulthandler.enable()
    faulthandler.dump_traceback_later(0.95 * task.seconds)  # says where it hangs, if it does
    for finding in attempt(END, lambda: _begin(module, task)):
        sender.send(finding)
    sender.send(None)


def _end_with_main_process() -> None:
    """End this process and what it has started as soon as the command is gone, which may have been killed."""
    main_process = multiprocessing.parent_process()
    if main_process is not None:
        main_process.join()
        if hasattr(os, "killpg"):
            os.killpg(os.getpid(), signal.SIGKILL)
        os._exit(1)


def _begin(module: str, task: Task) -> Iterator[Finding]:
    """Load a section, and begin it."""
    if task.device.type == "cuda":
        importlib.import_module("torch").cuda.set_device(task.device)
    return importlib.import_module(module).run(task)
