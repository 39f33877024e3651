"""What a page and the server say to each other over the WebSocket of the page."""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.abc
from starlette.websockets import WebSocket, WebSocketDisconnect

from page.camera import Camera
from page.camera_frames import CameraFrames
from page.jobs import Job, JobQueue, QueueFullError
from page.model import LoadedModel
from page.recording import Recorder
from page.sessions import Session

BUSY = "this page has a video or a camera at work already: cancel that first"
LONGEST_TEXT = 1000
"""Characters of a message in text; those of the page are shorter."""

FAREWELL = 5.0
"""Seconds that the end of the talk may take."""


class NotUnderstoodError(ValueError):
    """A message that no page of this server sends."""


class Conversation:
    """The talk with one page.

    Args:
        websocket: its WebSocket, open.
        session: the page.
        model: the network.
        queue: where its jobs wait.
        most: the bytes of the pictures of a camera that are kept.
    """

    def __init__(
        self, websocket: WebSocket, session: Session, model: LoadedModel, queue: JobQueue, most: int
    ) -> None:  # fmt: skip
        self._websocket = websocket
        self._session = session
        self._model = model
        self._queue = queue
        self._most = most
        self._complaint = ""
        self._camera: Camera | None = None

    async def run(self) -> None:
        """Talk until the page goes, sends what cannot be understood, or does not take its messages."""
        self._session.send({"type": "session", "id": self._session.id})
        self._session.notice(self._model.describe_change())
        async with anyio.create_task_group() as group:
            for talk in (self._send_all, self._receive_all, self._session.ended.wait):
                group.start_soon(self._end_with, talk, group)
        # A page that takes nothing does not take this either.
        with anyio.move_on_after(FAREWELL), contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):
            await self._websocket.close(1008, self._complaint)

    @staticmethod
    async def _end_with(talk: Callable[[], Awaitable[object]], group: anyio.abc.TaskGroup) -> None:
        await talk()
        group.cancel_scope.cancel()

    async def _send_all(self) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, OSError):  # the page has gone
            while True:
                message = await self._session.next_message()
                await self._websocket.send_text(json.dumps(message, ensure_ascii=False, allow_nan=False))

    async def _receive_all(self) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if message.get("bytes") is not None:
                self._take_picture(message["bytes"])
                continue
            try:
                self._obey(read_message(message.get("text") or ""))
            except NotUnderstoodError as error:
                self._complaint = str(error)
                return

    def _take_picture(self, data: bytes) -> None:
        """Take a picture of the camera; one that comes after it was stopped is left aside."""
        if self._session.frames is not None:
            self._session.frames.put(data)

    def _obey(self, message: dict[str, Any]) -> None:
        kind, action = message["type"], message.get("action")
        if kind == "cancel":
            self._cancel()
        elif (kind, action) == ("camera", "start"):
            self._start_camera()
        elif (kind, action) == ("camera", "stop"):
            self._stop_camera()
        elif kind != "ping":
            raise NotUnderstoodError("the message is of no type that is known")

    def _start_camera(self) -> None:
        session, model = self._session, self._model
        if session.is_busy:
            session.send({"type": "failed", "message": BUSY})
            return
        session.notice(model.describe_change())
        with contextlib.suppress(OSError):  # then the recorder says that nothing can be kept
            session.make_folder()
        frames, path = CameraFrames(), session.folder / secrets.token_hex(8)
        recorder = Recorder(path, self._most, lambda message: session.send({"type": "notice", "message": message}))
        camera = Camera(model.recogniser, model.live, frames, recorder)
        try:
            session.start(self._queue, Job(session, camera.read), path)
        except QueueFullError as error:
            session.send({"type": "failed", "message": str(error)})
            return
        session.frames, self._camera = frames, camera

    def _stop_camera(self) -> None:
        self._session.frames = None
        if self._camera is not None and self._camera.has_begun:
            self._camera.stop()
        elif self._camera is not None:  # it waits: nothing has come that could be read
            self._cancel()

    def _cancel(self) -> None:
        self._session.unwanted = True  # of a video on its way, which is no job yet
        if self._session.job is not None:
            self._queue.cancel(self._session.job)


def read_message(text: str) -> dict[str, Any]:
    """Read a message of the page.

    Raises:
        NotUnderstoodError: it is none.
    """
    if len(text) > LONGEST_TEXT:
        raise NotUnderstoodError("the message is too long")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise NotUnderstoodError("the message is no JSON") from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise NotUnderstoodError("the message says no type")
    return message
