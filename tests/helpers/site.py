"""A server of the page for tests, in this process, and a page that talks to it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from starlette.testclient import TestClient, WebSocketTestSession

from evaluation.inference.live_settings import LiveSettings
from evaluation.inference.recogniser import Recogniser
from page.app import make_app
from page.model import LoadedModel, take_stamp
from page.serve import make_server, open_port
from page.site import Site
from tests.helpers.colour_network import COLOURS, colour_recogniser
from tests.helpers.videos import make_video

HOST = "127.0.0.1:8000"
SENTENCE = " " * 8 + "R" * 16 + " " * 8 + "B" * 12 + " " * 6
"""A film of 50 frames, and what is read in it."""
READ = [("R", 0.32, 0.96), ("B", 1.28, 1.76)]


def colour_film(path: Path, colours: str, rate: float = 25.0, size: tuple[int, int] = (96, 64)) -> Path:
    """A video whose frames are of these colours."""
    return make_video(
        path, (np.full((size[1], size[0], 3), COLOURS[colour], np.uint8) for colour in colours), rate=rate
    )


class Page:
    """An open page, as the server sees it."""

    def __init__(self, client: TestClient, talk: WebSocketTestSession, headers: dict[str, str]) -> None:
        self.client = client
        self.talk = talk
        self.headers = headers
        self.id = self.wait_for("session")[-1]["id"]

    def say(self, **message: Any) -> None:
        """Send a message."""
        self.talk.send_text(json.dumps(message))

    def wait_for(self, *kinds: str) -> list[dict[str, Any]]:
        """All messages until one of these kinds, which is the last."""
        messages = [self.talk.receive_json()]
        while messages[-1]["type"] not in kinds:
            messages.append(self.talk.receive_json())
        return messages

    def upload(self, content: Any, name: str = "clip.mp4", **headers: str):
        """Send a video."""
        return self.client.post(
            f"/api/session/{self.id}/video", content=content, headers=self.headers | {"X-File-Name": name} | headers
        )

    def get(self, path: str):
        """Ask for something of this page."""
        return self.client.get(f"/api/session/{self.id}/{path}", headers=self.headers)

    def read(self, content: Any, name: str = "clip.mp4") -> dict[str, Any]:
        """Send a video and wait for how that ends: the last message."""
        answer = self.upload(content, name)
        assert answer.status_code == 202, answer.text
        return self.wait_for("transcript", "failed")[-1]


class Server:
    """A server in this process."""

    def __init__(self, site: Site, client: TestClient) -> None:
        self.site = site
        self.client = client

    @contextmanager
    def page(self, **headers: str) -> Iterator[Page]:
        """Open a page."""
        with self.client.websocket_connect(f"ws://{HOST}/api/session", headers=headers) as talk:
            yield Page(self.client, talk, headers)


def make_site(folder: Path, recogniser: Recogniser | None, model: Path, most: int) -> Site:
    """What `serve` runs."""
    live = LiveSettings(window=48, hop=8, lookahead=16)
    return Site(LoadedModel(recogniser or colour_recogniser(), (model,), take_stamp([model]), live), folder, most)


@contextmanager
def serve_port(
    folder: Path,
    recogniser: Recogniser | None = None,
    model: Path = Path("model.pt"),
    most: int = 1 << 20,
    token: str | None = None,
) -> Iterator[int]:
    """Run a server in a thread of this process, on a port of its own, which is given; else as `serve`."""
    site = make_site(folder, recogniser, model, most)
    try:
        with open_port("127.0.0.1", 0) as listening:
            server = make_server(site, "127.0.0.1", token)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
            thread.start()
            try:
                yield listening.getsockname()[1]
            finally:
                server.should_exit = True
                thread.join(60)
    finally:
        site.queue.stop()


@contextmanager
def serve(
    folder: Path, recogniser: Recogniser | None = None, model: Path = Path("model.pt"), most: int = 1 << 20, **app: Any
) -> Iterator[Server]:
    """Run a server in this process.

    Args:
        folder: an empty folder.
        recogniser: the network; one that reads colours if none is given.
        model: its file.
        most: the bytes of an upload, at most.
        app: `host` and `token`, as for `make_app`.
    """
    site = make_site(folder, recogniser, model, most)
    try:
        with TestClient(make_app(site, **app), base_url=f"http://{HOST}") as client:
            yield Server(site, client)
    finally:
        site.queue.stop()


def words(message: dict[str, Any]) -> list[tuple[str, float, float]]:
    """The glosses of a message with their times."""
    return [(word["gloss"], word["start"], word["end"]) for word in message["transcript"]["words"]]
