"""The picture of the page in the README."""

import pytest
from PIL import Image

from tests.helpers.needs import needs_browser
from tests.helpers.page_screenshot import CLIPS, MODEL, take_screenshot
from tests.helpers.paths import REPOSITORY

PICTURE = REPOSITORY / "docs/page.png"
BYTES = 250_000


def test_the_picture_of_the_readme_is_small():
    assert PICTURE.stat().st_size <= BYTES
    assert Image.open(PICTURE).size == (1400, 1420)


@needs_browser
@pytest.mark.skipif(
    not ((REPOSITORY / MODEL).exists() and (REPOSITORY / CLIPS).exists()), reason="make quickstart was not run here"
)
def test_it_can_be_taken_anew_with_the_network_of_the_quickstart(tmp_path):
    glosses = take_screenshot(REPOSITORY, tmp_path / "page.png")
    assert glosses  # which ones, the training decides
    assert (tmp_path / "page.png").stat().st_size <= BYTES
