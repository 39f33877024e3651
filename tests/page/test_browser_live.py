"""The camera, the page and its server together, in Chromium, whose camera plays a clip of the built-in corpus."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import sync_playwright
from pympi.Elan import Eaf

from dataset.video import open_video
from evaluation.heat.shown_clip import HeatMap
from tests.helpers.needs import BROWSER, needs_browser
from tests.helpers.remembering import read_clip, read_sentences, remember
from tests.helpers.running_page import run_page

pytestmark = needs_browser
SPLIT = "test"


@pytest.fixture(scope="module")
def sentence(corpus) -> tuple[str, list[str]]:
    """The name and the glosses of a clip that repeats none of them."""
    sentences = read_sentences(corpus, SPLIT).items()
    return next((name, signed) for name, signed in sentences if len(set(signed)) == len(signed))


def write_camera_film(path: Path, frames: np.ndarray, rate: int = 25) -> Path:
    """Write frames (T, H, W, 3) RGB as YUV4MPEG2, which a camera of Chromium plays without end.

    https://wiki.multimedia.cx/index.php/YUV4MPEG2
    """
    height, width = frames.shape[1:3]
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F{rate}:1 Ip A1:1 C420jpeg\n".encode())
        for frame in frames:
            file.write(b"FRAME\n")
            file.write(cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2YUV_I420).tobytes())
    return path


@pytest.fixture(scope="module")
def browser(corpus, sentence, tmp_path_factory):
    """Chromium before whose camera somebody signs the sentence, again and again."""
    film = write_camera_film(tmp_path_factory.mktemp("camera") / "clip.y4m", read_clip(corpus, SPLIT, sentence[0]))
    arguments = ["--no-sandbox", "--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={film}"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def tab(tab, corpus, tmp_path):
    """The page, open and ready."""
    (tmp_path / "files").mkdir()
    with run_page(tmp_path / "files", remember(corpus, SPLIT), most=1 << 26) as address:
        tab.goto(address)
        wait(tab, "ready")
        yield tab
        tab.close()


def wait(tab, phase):
    tab.wait_for_selector(f'body[data-phase="{phase}"]')


def test_glosses_of_the_sentence_appear_and_can_be_saved(tab, sentence):
    tab.click("#use-camera")
    wait(tab, "live")
    # The clip is played again and again, and the camera comes on anywhere in it. A busy machine may lose some pictures,
    # so the sentence need not be whole in the first round.
    signed = " ".join(sentence[1])
    tab.locator("#sentence", has_text=signed).wait_for(timeout=120_000)
    tab.click("#stop")
    wait(tab, "done")
    read = tab.locator("#glosses b").all_inner_texts()
    assert read == tab.locator("#rows button").all_inner_texts()
    assert signed in " ".join(read)
    assert set(read) == set(sentence[1])
    with tab.expect_download() as download:
        tab.click("#files a[download$='.json']")
    assert [word["gloss"] for word in json.loads(download.value.path().read_text())["words"]] == read
    with tab.expect_download() as download:
        tab.click("#files a[download$='.eaf']")
    tier = sorted(Eaf(str(download.value.path())).get_annotation_data_for_tier("gloss"))
    assert [annotation[2] for annotation in tier] == read


def test_after_the_end_a_gloss_has_its_picture_heat_and_guesses_and_the_recording_can_be_played(
    tab, sentence, tmp_path, monkeypatch
):  # fmt: skip
    read = []

    def look(recogniser, clip, request):  # this network has no gradients
        read.append(recogniser.recognise(clip.frames).glosses)
        return HeatMap(np.ones((len(clip.pictures), 2, 2), np.float32), (), (), "")

    monkeypatch.setattr("page.chosen_gloss.compute_heat_map", look)
    tab.click("#use-camera")
    wait(tab, "live")
    tab.locator("#sentence", has_text=" ".join(sentence[1])).wait_for(timeout=120_000)
    tab.click("#stop")
    wait(tab, "done")
    glosses = tab.locator("#glosses b").all_inner_texts()
    index = glosses.index(sentence[1][1], 1)  # not the first, which may have been half over
    tab.locator("#glosses button").nth(index).click()
    tab.click("#heat summary")
    tab.wait_for_selector("#heat-image")
    assert glosses[index] in read[0]
    tab.click("#guesses summary")
    tab.wait_for_selector("#guesses-list li")
    assert glosses[index] in tab.locator("#guesses-list mark").first.inner_text()
    with tab.expect_download() as download:
        tab.click("#files a[download$='.json']")
    said = json.loads(download.value.path().read_text())
    with tab.expect_download(timeout=120_000) as download:
        tab.click("#files a[download$='.mp4']")
    made = open_video(download.value.path(), 25)
    assert made.times[-1] == pytest.approx(said["duration"], abs=0.1)
    tab.click("#play-recording")
    start = said["words"][index]["start"]
    tab.wait_for_selector("#recording", state="hidden")
    while tab.evaluate("document.getElementById('video').currentTime") <= start:
        tab.wait_for_timeout(50)
    assert tab.evaluate("document.getElementById('video').duration") == pytest.approx(said["duration"], abs=0.1)


def test_the_last_recording_is_played_and_not_the_one_before(tab):
    for seconds in (1, 3):
        tab.click("#use-camera")
        wait(tab, "live")
        tab.wait_for_timeout(1000 * seconds)
        tab.click("#stop")
        wait(tab, "done")
        with tab.expect_download() as download:
            tab.click("#files a[download$='.json']")
        duration = json.loads(download.value.path().read_text())["duration"]
        tab.click("#play-recording")
        while not tab.evaluate("document.getElementById('video').duration > 0"):
            tab.wait_for_timeout(50)
        assert tab.evaluate("document.getElementById('video').duration") == pytest.approx(duration, abs=0.1)


def test_a_page_that_is_closed_gives_the_camera_to_the_next(tab, browser):
    tab.click("#use-camera")
    wait(tab, "live")
    context = browser.new_context(permissions=["camera"])
    other = context.new_page()
    other.goto(tab.url)
    wait(other, "ready")
    other.click("#use-camera")
    wait(other, "queue")
    tab.goto("about:blank")
    wait(other, "live")
    context.close()
