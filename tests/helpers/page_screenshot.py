"""The picture of the page in the README. After `make quickstart` it is taken anew by

python -m tests.helpers.page_screenshot docs/page.png
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from evaluation.inference.recogniser import Recogniser
from tests.helpers.needs import BROWSER
from tests.helpers.paths import REPOSITORY
from tests.helpers.running_page import run_page
from tests.helpers.videos import make_video

MODEL = Path("work_dir/quickstart/best.pt")
CLIPS = Path("dataset/quickstart/phoenix-2014-multisigner/features/fullFrame-210x260px/test")
NAMES = ("19March_2021_Friday_studio_default-0", "21March_2021_Sunday_studio_default-2")
"""Sentences, one after the other, of which the network is not equally sure."""
SIZE = {"width": 1400, "height": 1420}


def take_screenshot(root: Path, out: Path, names: Sequence[str] = NAMES) -> list[str]:
    """Let the page read clips of the quickstart's test split, choose a gloss, and show its heat map.

    Args:
        root: where `make quickstart` was run.
        out: the PNG to write.
        names: the clips.

    Returns:
        the glosses on the timeline.
    """
    pictures = [path for name in names for path in sorted((root / CLIPS / name).rglob("*.png"))]
    frames = [np.ascontiguousarray(cv2.imread(str(path))[..., ::-1]) for path in pictures]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        film = make_video(Path(folder, "weather.mp4"), frames, "libx264", bit_rate=1_000_000)
        files = Path(folder, "files")
        files.mkdir()
        with run_page(files, Recogniser.from_checkpoint(root / MODEL, "cpu"), root / MODEL) as address:
            browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
            page = browser.new_page(viewport=SIZE, color_scheme="light")
            page.goto(address)
            show_clip(page, film)
            data = page.screenshot()
            glosses = page.locator("#glosses b").all_inner_texts()
            browser.close()
    # Most of a page is of few colours: so it takes a third of the space, and those of the legend stay as they are.
    few = Image.open(io.BytesIO(data)).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=2)
    few.save(out, "png", optimize=True)
    return glosses


def show_clip(page: Page, film: Path) -> None:
    """Bring the page to what the picture shows."""
    page.wait_for_selector('body[data-phase="ready"]')
    page.set_input_files("#file", film)
    page.wait_for_selector('body[data-phase="done"]')
    page.click("#glosses button:nth-child(4)")
    page.click("#heat summary")
    page.wait_for_selector("#heat-image")
    page.locator("#caption:not(:empty)").wait_for()
    page.evaluate("document.activeElement.blur()")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--root", type=Path, default=REPOSITORY, help="where make quickstart was run")
    args = parser.parse_args()
    print(*take_screenshot(args.root, args.out))
