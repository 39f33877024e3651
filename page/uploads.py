"""Receiving an uploaded video: bounded in size, in time and by what the disk holds."""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote

from starlette.requests import ClientDisconnect, Request

from page.sessions import DISK_FULL, FULL_ERRORS, Session
from utils.text import shorten_text, show_name
from utils.unicode import to_nfc

STALLED = 30.0
"""Seconds without a byte, after which an upload is given up."""
SLOWEST = 16 * 1024
"""Bytes a second that an upload must have after `STALLED` seconds, on average."""
SPARE = 64 * 2**20
"""Bytes of the disk that are left free."""
LONGEST_NAME = 100
DIRECTIONS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Marks that turn the direction of writing: with them the end of a name can be shown as another one."""


class UploadError(Exception):
    """An upload is refused.

    Attributes:
        status: the status of HTTP.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def read_name(header: str) -> str:
    """The name that a page gives for its file, for the eye alone: it is never part of a path."""
    name = DIRECTIONS.sub("", unquote(header, errors="replace")).replace("\\", "/").rpartition("/")[2]
    return shorten_text(to_nfc(show_name(name)).strip(), LONGEST_NAME) or "video"


def check_size(request: Request, folder: Path, most: int) -> None:
    """Check what is said of the size before anything is received.

    Args:
        request: the request.
        folder: where the file will lie.
        most: the bytes that an upload may have.

    Raises:
        UploadError: it is too large, for this server or for its disk.
    """
    said = request.headers.get("content-length", "")
    size = int(said) if said.isascii() and said.isdecimal() and len(said) < 20 else 0
    if size > most:
        raise too_large(most)
    if not has_room(folder, size):
        raise disk_full()


def has_room(folder: Path, size: int) -> bool:
    """Whether the disk of a folder holds so many bytes more, with some left free."""
    return size + SPARE <= shutil.disk_usage(folder).free


async def receive_upload(request: Request, session: Session, most: int) -> Path:
    """Write the body of a request to a new file in the folder of the session.

    Raises:
        UploadError: it is empty, too large, too slow or cut off, the disk is full, or the page has gone. Nothing is
            left of it then.
        OSError: it cannot be written for another reason; nothing is left of it then either.
    """
    path = session.folder / secrets.token_hex(8)
    try:
        # Not with open("xb") in a thread: a file of this name is not there.
        with path.open("wb") as file:
            size = await _while_open(session, _copy(_receive(request.stream()), file, session, most))
        if not size:
            raise UploadError(400, "the file is empty: choose a video")
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, ClientDisconnect):
            raise UploadError(400, "the upload was cut off") from error
        if isinstance(error, OSError) and error.errno in FULL_ERRORS:
            raise disk_full() from error
        raise
    return path


async def _while_open(session: Session, copying: Coroutine[Any, Any, int]) -> int:
    """Wait for an upload, but no longer than its page is open, also where nothing comes of it."""
    copy, end = asyncio.create_task(copying), asyncio.create_task(session.ended.wait())
    try:
        await asyncio.wait([copy, end], return_when=asyncio.FIRST_COMPLETED)
        if not copy.done():
            raise page_closed()
        return copy.result()
    finally:
        copy.cancel()
        end.cancel()


async def _receive(stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The parts of a body, none of which may take too long."""
    begun, size = time.monotonic(), 0
    while True:
        try:
            part = await asyncio.wait_for(anext(stream), STALLED)
        except StopAsyncIteration:
            return
        except (TimeoutError, asyncio.TimeoutError):
            raise UploadError(408, f"no data came for {STALLED:.0f} seconds: send the file again") from None
        size += len(part)
        seconds = time.monotonic() - begun
        if seconds > STALLED and size < SLOWEST * seconds:
            raise UploadError(408, "the upload is too slow: send a smaller file, or over a faster network")
        yield part


async def _copy(parts: AsyncIterator[bytes], file: BinaryIO, session: Session, most: int) -> int:
    size = 0
    async for part in parts:
        size += len(part)
        if size > most:
            raise too_large(most)
        check_wanted(session)
        await asyncio.to_thread(file.write, part)
    await asyncio.to_thread(file.flush)
    check_wanted(session)
    return size


def check_wanted(session: Session) -> None:
    """Raise UploadError if the page has gone, or has cancelled its upload."""
    if session.ended.is_set():
        raise page_closed()
    if session.unwanted:
        raise UploadError(409, "the upload was cancelled")


def page_closed() -> UploadError:
    """The refusal of a file whose page has gone."""
    return UploadError(404, "the page has been closed")


def too_large(most: int) -> UploadError:
    """The refusal of a file that is larger than the server takes (--max-upload)."""
    return UploadError(413, f"the file is larger than {most / 2**20:g} MiB, the most that this server takes: cut it")


def disk_full() -> UploadError:
    """The refusal of a file that the disk does not hold."""
    return UploadError(507, f"{DISK_FULL}: remove something from it, or send a smaller file")
