"""A server of the page in this process, a video for it, and a browser.

Each file of tests here is skipped, and says why, where the packages of the page are not installed. So those are
imported where they are used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from tests.helpers.needs import BROWSER, PAGE_PACKAGES, describe_missing

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


class SkippedModule(pytest.Module):
    """A file of tests that cannot be imported here."""

    def collect(self) -> Iterable[NoReturn]:
        pytest.skip(find_reason(self.path), allow_module_level=True)


def find_reason(path: Path) -> str:
    """Say why a file of tests cannot be imported here; "" if it can."""
    return describe_missing(*PAGE_PACKAGES, *(["playwright"] if path.name.startswith("test_browser_") else []))


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """Called by pytest for each file of tests of this folder."""
    return SkippedModule.from_parent(parent, path=module_path) if find_reason(module_path) else None


@pytest.fixture
def server(tmp_path):
    from tests.helpers.site import serve

    (tmp_path / "files").mkdir()
    with serve(tmp_path / "files") as running:
        yield running


@pytest.fixture
def patient(monkeypatch):
    """A machine that has other things to do for seconds is no camera that gives no frames."""
    monkeypatch.setattr("evaluation.inference.live_input.GAP_SECONDS", 60.0)


@pytest.fixture
def camera(server, patient):
    """A page whose camera is on."""
    from tests.helpers.signing import start

    with server.page() as page:
        yield start(page)


@pytest.fixture
def film(tmp_path) -> bytes:
    from tests.helpers.site import SENTENCE, colour_film

    return colour_film(tmp_path / "film.mp4", SENTENCE).read_bytes()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, with a camera that films a test picture. It runs an event loop, so no longer than one file of tests."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--use-fake-device-for-media-stream"]
        browser = playwright.chromium.launch(executable_path=BROWSER, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def tab(browser) -> Iterator[Page]:
    """An empty page, on which no script may fail and nothing be refused for the policy of its server."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000}, permissions=["camera"])
    context.set_default_timeout(60_000)  # other tests keep a small machine busy
    page, mistakes = context.new_page(), []
    page.on("pageerror", lambda error: mistakes.append(str(error)))
    page.on("console", lambda message: mistakes.append(message.text) if "Security Policy" in message.text else None)
    yield page
    context.close()
    assert not mistakes
