"""The pages that are open: each has a session, from the opening of its WebSocket to its end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import secrets
import shutil
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.inference.transcript import Transcript
from page.camera_frames import CameraFrames
from page.jobs import Cancelled, Job, JobQueue
from page.messages import describe_transcript, leave_out_options
from page.watched_video import WatchedVideo
from utils.errors import InputError, describe_out_of_memory

MOST_SESSIONS = 32
MOST_MESSAGES = 1000
"""Messages that wait for a page that does not take them; at the next one it counts as gone."""
FULL_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What the system says where a file does not fit."""
DISK_FULL = "the disk of the server is full"
MISTAKE = "this program made a mistake, which the terminal of the server shows"


class TooManyPagesError(InputError):
    """So many pages are open that no further one is served."""


@dataclass(frozen=True)
class Answer:
    """What was read for a page.

    Attributes:
        transcript: the glosses; its `video` is the name that the page gave, and no path.
        video: the pictures, in an uploaded file or as a camera's were kept; None where a camera gave none.
    """

    transcript: Transcript
    video: WatchedVideo | None


class Session:
    """One open page. All but `send` is for the thread of the event loop.

    Attributes:
        id: what nobody can guess.
        folder: the folder of its files, which goes with it.
        ended: set when the page has gone or is to go.
        files, making: held while the folder is used, for a moment or until a job is done.
        uploading: whether a video is on its way.
        unwanted: whether the video on its way was cancelled.
        job: the upload or camera that is waiting or at work, or was last.
        file_job: the file that is made for a download, or was last.
        frames: the pictures of its camera that wait to be read, while that is on.
        answer: what was read last.
        is_written: whether the video with the glosses of `answer` was made, which is `overlay`.
    """

    def __init__(self, folder: Path) -> None:
        self.id = secrets.token_urlsafe(24)
        self.folder = folder
        self.ended = asyncio.Event()
        self.files, self.making = asyncio.Lock(), asyncio.Lock()
        self.uploading = self.unwanted = False
        self.job: Job | None = None
        self.file_job: Job | None = None
        self.frames: CameraFrames | None = None
        self.answer: Answer | None = None
        self.is_written = False
        self._loop = asyncio.get_running_loop()
        self._messages: deque[dict[str, Any]] = deque()
        self._some = asyncio.Event()
        self._noticed: set[str] = set()

    @property
    def is_busy(self) -> bool:
        """Whether a video or a camera of this page is on its way, waiting or at work."""
        return self.uploading or (self.job is not None and not self.job.result.done())

    def make_folder(self) -> None:
        """Make its folder, and again where it was removed, as old temporary folders are on many systems."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def overlay(self) -> Path:
        """Where the video with its glosses is written."""
        return self.folder / "glosses.mp4"

    @property
    def jobs(self) -> list[Job]:
        """The jobs of this page."""
        return [job for job in (self.job, self.file_job) if job is not None]

    def start(self, queue: JobQueue, job: Job, file: Path) -> None:
        """Put the reading of a video or a camera into the queue; the page is told how it ends.

        Args:
            queue: the queue.
            job: the reading, whose result is an `Answer`.
            file: the video, or what a camera is kept in, which is removed if the reading fails.

        Raises:
            QueueFullError: there are too many.
        """
        queue.submit(job)
        self.job = job
        job.result.add_done_callback(lambda _: self._call(self._finish, job, file))

    def _finish(self, job: Job, file: Path) -> None:
        if job is self.job:
            self.frames = None  # what a camera sends after its end is left aside
        error = job.result.exception()
        unused = [file]
        if error is None:
            unused = [self.overlay, *([self.answer.video.path] if self.answer and self.answer.video else [])]
            self.is_written = False
            answer: Answer = job.result.result()
            self.answer = answer
            self.send(describe_transcript(answer.transcript, answer.video is not None))
        elif isinstance(error, Cancelled):
            self.send({"type": "cancelled"})
        else:
            self.send({"type": "failed", "message": describe_error(error)})
        for path in unused:
            with contextlib.suppress(OSError):  # on Windows, of what is being sent: it goes with the folder
                path.unlink()

    def send(self, message: dict[str, Any]) -> None:
        """Send a message to the page, from any thread; nothing happens if it has gone."""
        self._call(self._put, message)

    def notice(self, message: str) -> None:
        """Say something to the page, unless it was said before or there is nothing to say."""
        message = leave_out_options(message)
        if message and message not in self._noticed:
            self._noticed.add(message)
            self.send({"type": "notice", "message": message})

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(function, *arguments)

    def _put(self, message: dict[str, Any]) -> None:
        if len(self._messages) >= MOST_MESSAGES:
            self.ended.set()
        if not self.ended.is_set():
            self._messages.append(message)
            self._some.set()

    async def next_message(self) -> dict[str, Any]:
        """Wait for the next message to the page."""
        while not self._messages:
            self._some.clear()
            await self._some.wait()
        return self._messages.popleft()


class Sessions:
    """All open pages.

    Args:
        root: the folder that holds their folders.
        queue: where their jobs wait.
    """

    def __init__(self, root: Path, queue: JobQueue) -> None:
        self._root = root
        self._queue = queue
        self._open: dict[str, Session] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def begin(self) -> Session:
        """Open a session.

        Raises:
            TooManyPagesError: there are too many.
        """
        if len(self._open) >= MOST_SESSIONS:
            raise TooManyPagesError(f"{len(self._open)} pages are open already: close one of them")
        # Its folder has a name of its own: the id is a secret, and folders are seen by other users of the machine.
        session = Session(self._root / secrets.token_hex(8))
        session.make_folder()
        self._open[session.id] = session
        return session

    def find(self, id: str) -> Session | None:
        """The session of an open page."""
        return self._open.get(id)

    def end(self, session: Session) -> None:
        """Forget a page that has gone: its job is cancelled, and its folder is removed as soon as nothing uses it."""
        self._open.pop(session.id, None)
        session.ended.set()
        for job in session.jobs:
            self._queue.cancel(job)
        task = asyncio.create_task(self._remove_folder(session))
        self._leaving.add(task)  # else it could be collected before it has run
        task.add_done_callback(self._leaving.discard)

    async def _remove_folder(self, session: Session) -> None:
        results = [asyncio.wrap_future(job.result) for job in session.jobs]
        await asyncio.gather(*results, return_exceptions=True)
        async with session.files, session.making:
            await asyncio.to_thread(shutil.rmtree, session.folder, ignore_errors=True)


def describe_error(error: BaseException) -> str:
    """Say for the page what went wrong, without the paths of this machine."""
    if isinstance(error, OSError):
        full = "; its disk is full" if error.errno in FULL_ERRORS else ""
        return f"the server cannot go on ({error.strerror or type(error).__name__}){full}"
    if isinstance(error, InputError):
        return leave_out_options(str(error))
    return describe_out_of_memory(error) or MISTAKE
