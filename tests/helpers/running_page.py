"""The page's server on a port of this machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from evaluation.inference.live_settings import LiveSettings
from evaluation.inference.recogniser import Recogniser
from page.app import make_app
from page.model import LoadedModel, take_stamp
from page.serve import open_port
from page.site import Site

MOST = 1 << 20
"""Bytes of an upload, at most."""


@contextmanager
def run_page(
    folder: Path, recogniser: Recogniser, model: Path = Path("model.pt"), most: int = MOST
) -> Iterator[str]:  # fmt: skip
    """Serve the page from a thread, and give its address.

    Args:
        folder: an empty folder.
        recogniser: the network.
        model: its file.
        most: bytes of an upload, and of what is kept of a camera, at most.
    """
    site = Site(LoadedModel(recogniser, (model,), take_stamp([model]), LiveSettings(48, 8, 16)), folder, most)
    config = uvicorn.Config(
        make_app(site), loop="asyncio", lifespan="off", log_config=None, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    with open_port("127.0.0.1", 0) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join()
            site.queue.stop()
