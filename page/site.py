"""What answers at each address of the page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.websockets import WebSocket

from page.chosen_gloss import draw_heat, guess_around
from page.downloads import KINDS, VIDEO, save_text, save_video
from page.jobs import Cancelled, Job, JobQueue, QueueFullError, QuietJob
from page.messages import describe_guesses
from page.model import LoadedModel
from page.read_video import read_video
from page.recording import Recording
from page.sessions import Answer, Session, Sessions, TooManyPagesError, describe_error
from page.talk import BUSY, Conversation
from page.uploads import UploadError, check_size, read_name, receive_upload
from utils.errors import InputError

STATIC = Path(__file__).parent / "static"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
"""The files of the page, by suffix."""
HERE_NO_MORE = "this page is not connected any more: load it again"
UNWANTED = "this is not wanted any more"
WATCHED = 0.5
"""Seconds between looks whether the browser still waits for a file."""


class Site:
    """All that the addresses share.

    Args:
        model: the network.
        root: an empty folder for the files of the pages.
        most: the bytes that an upload may have, and that are kept of a camera.
    """

    def __init__(self, model: LoadedModel, root: Path, most: int) -> None:
        self.model = model
        self.most = most
        self.queue = JobQueue()
        self.sessions = Sessions(root, self.queue)
        # Read once, so that no address is ever made a path.
        self.static = {path.name: path.read_bytes() for path in STATIC.glob("*") if path.suffix in TYPES}

    async def show_page(self, _: Request) -> Response:
        """The page."""
        return self._give_static("index.html")

    async def show_static(self, request: Request) -> Response:
        """A file that the page is made of."""
        return self._give_static(request.path_params["name"])

    def _give_static(self, name: str) -> Response:
        if name not in self.static:
            return refuse(404, "there is no such page")
        return Response(self.static[name], headers={"Content-Type": TYPES[Path(name).suffix]})

    async def show_model(self, _: Request) -> Response:
        """What the page says of the network and of this server."""
        of_server = {"max_upload": self.most, "formats": list(KINDS)}
        return JSONResponse(self.model.describe() | of_server)

    async def talk(self, websocket: WebSocket) -> None:
        """The WebSocket of a page, as long as it is open."""
        await websocket.accept()
        try:
            session = self.sessions.begin()
        except (TooManyPagesError, OSError) as error:
            await websocket.send_json({"type": "failed", "message": describe_error(error)})
            await websocket.close(1013)
            return
        try:
            await Conversation(websocket, session, self.model, self.queue, self.most).run()
        finally:
            self.sessions.end(session)

    async def take_video(self, request: Request) -> Response:
        """Receive a video, and put it into the queue."""
        session = self.sessions.find(request.path_params["id"])
        if session is None:
            return refuse(404, HERE_NO_MORE)
        if session.is_busy:
            return refuse(409, BUSY)
        session.uploading, session.unwanted = True, False
        try:
            if self.queue.is_full:
                raise UploadError(429, "too many videos are waiting already: try again later")
            session.make_folder()
            check_size(request, session.folder, self.most)
            path = await receive_upload(request, session, self.most)
            name = read_name(request.headers.get("x-file-name", ""))
            self._read_upload(session, path, name)
            session.notice(self.model.describe_change())
        except UploadError as error:
            return refuse(error.status, str(error))
        except OSError as error:
            return refuse(507, describe_error(error))
        finally:
            session.uploading = False
        return JSONResponse({}, 202)

    def _read_upload(self, session: Session, path: Path, name: str) -> None:
        try:
            session.start(
                self.queue, Job(session, lambda job: read_video(self.model.recogniser, path, name, job)), path
            )
        except QueueFullError as error:
            path.unlink(missing_ok=True)
            raise UploadError(429, str(error)) from error

    async def give_file(self, request: Request) -> Response:
        """A file of what was read."""
        session, kind = self.sessions.find(request.path_params["id"]), request.path_params["kind"]
        if session is None or session.answer is None or kind not in KINDS:
            return refuse(404, HERE_NO_MORE if session is None else "nothing was read yet that could be downloaded")
        answer = session.answer
        name = f"{answer.transcript.name}{'-glosses' if kind == VIDEO else ''}.{kind}"
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}

        if kind == VIDEO:
            made = await self._find_video(request, session, answer)
            if isinstance(made, Response):
                return made
            return FileResponse(made, media_type=KINDS[kind], headers=headers)
        try:
            async with session.files:
                if session.ended.is_set():
                    return refuse(404, HERE_NO_MORE)
                session.make_folder()
                path = await asyncio.to_thread(save_text, answer, kind, session.folder)
                data = path.read_bytes()
                path.unlink()
                return Response(data, media_type=KINDS[kind], headers=headers)
        except (InputError, OSError) as error:
            return refuse(409, describe_error(error))

    async def _find_video(self, request: Request, session: Session, answer: Answer) -> Path | Response:
        """The video with the glosses of an answer, made once: a browser that plays it asks for it in parts."""

        def save(job: Job) -> str:
            return save_video(answer, session.overlay, job.check)

        async with session.making:
            if not session.is_written or session.answer is not answer:
                made = await self._make(request, session, save)
                if isinstance(made, Response):
                    return made
                if session.answer is not answer:
                    session.overlay.unlink(missing_ok=True)
                    return refuse(409, "another video has been read since")
                session.is_written = True
                session.notice(made)
        return session.overlay

    async def give_heat(self, request: Request) -> Response:
        """The heat map of a gloss."""

        def draw(answer: Answer, index: int, job: Job) -> Response:
            data = draw_heat(answer, self.model.recogniser, index, job.check)
            return Response(data, media_type="image/jpeg")

        return await self._make_for_gloss(request, draw)

    async def give_guesses(self, request: Request) -> Response:
        """The best guesses around a gloss."""

        def guess(answer: Answer, index: int, job: Job) -> Response:
            slots = self.model.live.window
            guesses = guess_around(answer, self.model.recogniser, index, slots, job.check)
            return JSONResponse(describe_guesses(guesses))

        return await self._make_for_gloss(request, guess)

    async def _make_for_gloss(self, request: Request, work: Callable[[Answer, int, Job], Response]) -> Response:
        session, number = self.sessions.find(request.path_params["id"]), request.path_params["index"]
        index = int(number) if number.isascii() and number.isdecimal() and len(number) < 7 else -1
        answer = session.answer if session else None
        if session is None or answer is None or not 0 <= index < len(answer.transcript.words):
            return refuse(404, HERE_NO_MORE if session is None else "there is no such gloss")
        async with session.making:
            return await self._make(request, session, lambda job: work(answer, index, job))

    async def give_picture(self, request: Request) -> Response:
        """The picture that the camera saw at a second of its recording."""
        session, seconds = self.sessions.find(request.path_params["id"]), request.path_params["seconds"]
        video = session.answer.video if session and session.answer else None
        if session is None or not isinstance(video, Recording):
            return refuse(404, HERE_NO_MORE if session is None else "there is no recording of a camera")
        try:
            async with session.files:
                data = await asyncio.to_thread(video.read_picture, video.find_picture(seconds))
        except OSError as error:
            return refuse(409, describe_error(error))
        return Response(data, media_type="image/jpeg")

    async def _make(self, request: Request, session: Session, work: Callable[[Job], Any]) -> Any:
        """Do in the queue what takes long, as long as the browser waits for it.

        Returns:
            what `work` returns, or the refusal that says what went wrong.
        """
        if session.ended.is_set() or await request.is_disconnected():  # while it waited for another file of this page
            return refuse(409, UNWANTED)
        job = QuietJob(session, work)
        try:
            self.queue.submit(job)
        except QueueFullError as error:
            return refuse(429, str(error))
        session.file_job = job
        result = asyncio.wrap_future(job.result)
        # Else asyncio complains where nobody asks how it ended.
        result.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            while not (await asyncio.wait([result], timeout=WATCHED))[0]:
                if await request.is_disconnected() or session.ended.is_set():
                    break
            else:
                return result.result()
        except Cancelled:
            pass
        except Exception as error:
            return refuse(409 if isinstance(error, (InputError, OSError)) else 500, describe_error(error))
        finally:
            self.queue.cancel(job)
        return refuse(409, UNWANTED)


def refuse(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An answer that says what is wrong."""
    return JSONResponse({"error": message}, status, {"Connection": "close"} if status == 408 else headers)
