"""A server of the page in this process, a video for it, and a browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.helpers.needs import BROWSER
from tests.helpers.site import SENTENCE, colour_film, serve


@pytest.fixture
def server(tmp_path):
    (tmp_path / "files").mkdir()
    with serve(tmp_path / "files") as running:
        yield running


@pytest.fixture
def film(tmp_path) -> bytes:
    return colour_film(tmp_path / "film.mp4", SENTENCE).read_bytes()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, with a camera that films a test picture. It runs an event loop, so no longer than one file of tests."""
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--use-fake-device-for-media-stream"]
        browser = playwright.chromium.launch(executable_path=BROWSER, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def tab(browser) -> Iterator[Page]:
    """An empty page, on which no script may fail and nothing be refused for the policy of its server."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, permissions=["camera"])
    page, mistakes = context.new_page(), []
    page.on("pageerror", lambda error: mistakes.append(str(error)))
    page.on("console", lambda message: mistakes.append(message.text) if "Security Policy" in message.text else None)
    yield page
    context.close()
    assert not mistakes
