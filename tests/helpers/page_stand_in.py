"""The page in a browser, with a server that says what a test tells it to: no socket is opened."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, Route, WebSocketRoute

from page.protection import HEADERS
from page.site import STATIC, TYPES
from tests.helpers.paths import REPOSITORY

ADDRESS = "http://127.0.0.1:9/"
VIDEO = REPOSITORY / "tests/data/videos/browser.webm"
"""45 frames, 1.8 seconds."""
MODEL = {
    "name": "best.pt",
    "system": "MSTFNet",
    "glosses": 12,
    "rendered": True,
    "device": "cpu",
    "max_upload": 1_000_000,
    "formats": ["eaf", "srt", "vtt", "json", "ctm", "mp4"],
    "camera": {"lines": []},
}


class StandIn:
    """Stands in for the server of one page.

    Attributes:
        sent: what the page sent over its WebSocket: objects, and bytes of camera frames.
        uploads: the names of the videos that it sent, as the header has them.
        answers: by address, such as `heat/0.jpg`, a status, a content type and a body to answer with.
        refusal: the status and the sentence with which videos are refused; None while they are taken.
        outside: the addresses that it asked for anywhere else.
        reachable: whether the WebSocket can be opened.
        refuses_pages: why no page is served, if none is.
    """

    def __init__(self, page: Page, **model: Any) -> None:
        self.page, self.model = page, MODEL | model
        self.sent: list[Any] = []
        self.uploads: list[str] = []
        self.answers: dict[str, tuple[int, str, bytes]] = {}
        self.outside: list[str] = []
        self.reachable, self.refuses_pages = True, ""
        self.refusal: tuple[int, str] | None = None
        self.socket: WebSocketRoute | None = None
        page.route("**/*", self._answer)
        page.route_web_socket("**/*", self._connect)

    def open(self, query: str = "") -> StandIn:
        """Open the page and wait until it is connected."""
        self.page.goto(ADDRESS + query)
        self.page.wait_for_selector('body[data-phase="ready"]')
        return self

    def read(self, words: list[dict[str, Any]], path: Path | str = VIDEO, **changes: Any) -> StandIn:
        """Let the page read a video, with this result."""
        self.choose(path)
        self.say("transcript", transcript=make_transcript(words, **changes))
        self.wait("done")
        return self

    def choose(self, path: Path | str = VIDEO) -> None:
        """Choose a video, and wait until it has been sent."""
        before = len(self.uploads)
        self.page.set_input_files("#file", path)
        self.until(lambda: len(self.uploads) > before)

    def start_camera(self, rate: float = 25.0) -> None:
        """Use the camera, and let the server be ready for it."""
        self.page.click("#use-camera")
        self.until(lambda: {"type": "camera", "action": "start"} in self.sent)
        self.say("camera", state="ready", lines=[], rate=rate)
        self.wait("live")

    def wait(self, phase: str, text: str = "") -> None:
        """Wait until the page is in this phase and says this in its status line."""
        self.page.wait_for_selector(f'body[data-phase="{phase}"]')
        self.page.locator("#status", has_text=text).wait_for()

    def until(self, done: Callable[[], object], seconds: float = 60) -> None:
        """Wait until something is so."""
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, "it never was so"
            self.page.wait_for_timeout(20)

    @property
    def frames(self) -> list[tuple[float, bytes]]:
        """The camera's frames that came: seconds, and bytes of a JPEG."""
        return [(struct.unpack("<d", data[:8])[0], data[8:]) for data in self.sent if isinstance(data, bytes)]

    def texts(self, selector: str) -> list[str]:
        """What is written in the elements of a selector."""
        return self.page.locator(selector).all_inner_texts()

    def say(self, kind: str, **content: Any) -> None:
        """Send the page a message."""
        self.socket.send(json.dumps({"type": kind} | content))

    def lose(self, reachable: bool = False) -> None:
        """Close the connection; it can be opened again if `reachable`."""
        self.reachable = reachable
        self.socket.close()

    def _connect(self, socket: WebSocketRoute) -> None:
        if not self.reachable:
            socket.close()
            return
        if self.refuses_pages:
            socket.send(json.dumps({"type": "failed", "message": self.refuses_pages}))
            socket.close(code=1013)
            return
        self.socket = socket
        socket.on_message(lambda data: self.sent.append(json.loads(data) if isinstance(data, str) else data))
        socket.send(json.dumps({"type": "session", "id": "s1"}))

    def _answer(self, route: Route) -> None:
        address = route.request.url
        if not address.startswith(ADDRESS):
            self.outside.append(address)
            route.abort()
            return
        path = address.removeprefix(ADDRESS).partition("?")[0]
        status, kind, body = self._find(path, route)
        route.fulfill(status=status, headers=HEADERS | {"Content-Type": kind}, body=body)

    def _find(self, path: str, route: Route) -> tuple[int, str, bytes]:
        if path in ("", "static/index.html"):
            return 200, "text/html", (STATIC / "index.html").read_bytes()
        if path.startswith("static/"):
            file = STATIC / path.removeprefix("static/")
            return 200, TYPES[file.suffix], file.read_bytes()
        if path == "api/model":
            return 200, "application/json", json.dumps(self.model).encode()
        if path == "api/session/s1/video":
            self.uploads.append(route.request.headers["x-file-name"])
            if self.refusal:
                return self.refusal[0], "application/json", json.dumps({"error": self.refusal[1]}).encode()
            return 202, "application/json", b"{}"
        return self.answers.get(path.removeprefix("api/session/s1/"), (404, "application/json", b'{"error": "no"}'))


def make_words(*glosses: str, length: float = 0.4, start: float = 0.2) -> list[dict[str, Any]]:
    """Glosses one after the other, each so long in seconds, with falling confidences."""
    return [
        {
            "gloss": gloss,
            "start": round(start + number * length, 3),
            "end": round(start + (number + 0.9) * length, 3),
            "confidence": round(0.97 - 0.16 * (number % 6), 2),
        }
        for number, gloss in enumerate(glosses)
    ]


def make_transcript(words: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """A transcript as the server sends it."""
    duration = words[-1]["end"] + 0.3 if words else 2.0
    glosses = [word["gloss"] for word in words]
    guesses = [{"glosses": glosses, "score": 1.0}, {"glosses": glosses[1:], "score": 2.5}]
    return {
        "name": "clip",
        "duration": duration,
        "rate": 25.0,
        "words": words,
        "pictures": True,
        "nbest": [{"start": 0.0, "end": duration, "guesses": guesses}],
        "notes": [],
    } | changes
