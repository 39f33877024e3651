"""One job at a time, in a thread of its own, and the queue before it."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol

from utils.errors import InputError

MOST_JOBS = 32
"""In the queue, with the one at work."""


class QueueFullError(InputError):
    """So many jobs wait that another one would wait for hours."""


class Cancelled(Exception):  # noqa: N818  no error
    """Raised inside a job that is not wanted any more."""


class Owner(Protocol):
    """Whoever wants a job done and is told about it, from any thread."""

    def send(self, message: dict[str, Any]) -> None:
        """Tell it something."""

    def notice(self, message: str) -> None:
        """Tell it something for the eye, unless that was said before."""


class Job:
    """Something to be done for one page.

    Attributes:
        owner: who is told how it goes.
        waiting: how many other jobs wait for this one to end.
        result: what `work` returned or raised; `Cancelled` if the job was not wanted any more.
    """

    def __init__(self, owner: Owner, work: Callable[[Job], Any]) -> None:
        """`work` does it, in the thread of the queue; it must call `check` of the job often."""
        self.owner = owner
        self.waiting = 0
        self.result: Future[Any] = Future()
        self._work = work
        self._unwanted = threading.Event()

    def check(self) -> None:
        """Raise Cancelled if the job is not wanted any more."""
        if self._unwanted.is_set():
            raise Cancelled

    def give_up(self) -> None:
        """Let the next `check` raise."""
        self._unwanted.set()

    def tell_place(self, place: int, length: int) -> None:
        """Tell the owner how many jobs are before this one, and how many there are."""
        self.owner.send({"type": "queue", "place": place, "length": length})

    def do(self) -> None:
        """Do the work; whatever it raises goes into `result`."""
        if not self.result.set_running_or_notify_cancel():
            return
        try:
            self.check()
            value = self._work(self)
        except Exception as error:
            if not isinstance(error, (Cancelled, InputError, OSError)):
                traceback.print_exc()  # a mistake of this program, for whoever started it
            forget_locals(error)
            self.result.set_exception(error)
        else:
            self.result.set_result(value)


def forget_locals(error: BaseException) -> None:
    """Free what the functions had in hand that an error, and those that caused it, went through.

    A page keeps its last job, and with it the error: maps of a whole clip would stay in the memory of the device, where
    other pages' jobs then find no room.
    """
    cause: BaseException | None = error
    while cause is not None:
        traceback.clear_frames(cause.__traceback__)
        cause = cause.__cause__ or cause.__context__


class QuietJob(Job):
    """A job whose owner asked for a file, and is told of the queue only if the file must wait."""

    _told = False

    def tell_place(self, place: int, length: int) -> None:  # noqa: ARG002  the same for both kinds
        """Tell the owner, once, that there are jobs before this one."""
        if place and not self._told:
            self._told = True
            before = "another job" if place == 1 else f"{place} other jobs"
            self.owner.send({"type": "notice", "message": f"this will be made after {before}"})


class JobQueue:
    """Jobs, the first of which is at work. Its methods may be called from any thread."""

    def __init__(self, most: int = MOST_JOBS) -> None:
        self._most = most
        self._jobs: list[Job] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._thread.start()

    @property
    def is_full(self) -> bool:
        """Whether no further job is taken."""
        return len(self._jobs) >= self._most

    def submit(self, job: Job) -> None:
        """Put a job at the end of the queue.

        Raises:
            QueueFullError: there are too many.
        """
        with self._changed:
            if self.is_full or self._stopping:
                raise QueueFullError(f"{len(self._jobs)} jobs are waiting already: try again later")
            self._jobs.append(job)
            self._announce()
            self._changed.notify()

    def cancel(self, job: Job) -> None:
        """Take a job out of the queue, or let it end soon if it is at work."""
        job.give_up()
        with self._changed:
            if job in self._jobs[1:]:
                self._jobs.remove(job)
                job.do()  # which says that it was cancelled, and does nothing else
                self._announce()

    def stop(self, seconds: float = 10.0) -> None:
        """End all jobs and wait so long for the one at work."""
        with self._changed:
            self._stopping = True
            for job in self._jobs:
                job.give_up()
            self._changed.notify()
        self._thread.join(seconds)

    def _announce(self) -> None:
        """Tell every owner its place; called whenever the queue has moved."""
        for place, job in enumerate(self._jobs):
            job.waiting = len(self._jobs) - 1 - place
            job.tell_place(place, len(self._jobs))

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._stopping)
                if not self._jobs:
                    return
                job = self._jobs[0]
            job.do()
            with self._changed:
                self._jobs.remove(job)
                self._announce()
