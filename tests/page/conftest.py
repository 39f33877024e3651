"""A server of the page in this process, and a video for it."""

import pytest

from tests.helpers.site import SENTENCE, colour_film, serve


@pytest.fixture
def server(tmp_path):
    (tmp_path / "files").mkdir()
    with serve(tmp_path / "files") as running:
        yield running


@pytest.fixture
def film(tmp_path) -> bytes:
    return colour_film(tmp_path / "film.mp4", SENTENCE).read_bytes()
