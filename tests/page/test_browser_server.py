"""The page and its server together, in Chromium, with clips of the built-in corpus."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from contextlib import contextmanager

import av
import pytest
from pympi.Elan import Eaf

from tests.helpers.needs import needs_browser
from tests.helpers.remembering import read_clip, read_sentences, remember
from tests.helpers.running_page import MOST, run_page
from tests.helpers.videos import make_video, noise

pytestmark = needs_browser
SPLIT = "test"


@pytest.fixture(scope="module")
def recogniser(corpus):
    return remember(corpus, SPLIT)


@pytest.fixture(scope="module")
def sentence(corpus):
    """The name and the glosses of a clip that repeats none of them."""
    return next(
        (name, signed) for name, signed in read_sentences(corpus, SPLIT).items() if len(set(signed)) == len(signed)
    )


@pytest.fixture(scope="module")
def film(corpus, sentence, tmp_path_factory):
    """A video of the clip."""
    path = tmp_path_factory.mktemp("films") / "Guten Tag.mp4"
    return make_video(path, read_clip(corpus, SPLIT, sentence[0]), "libx264")


@pytest.fixture
def address(recogniser, tmp_path):
    (tmp_path / "files").mkdir()
    with run_page(tmp_path / "files", recogniser) as address:
        yield address


@pytest.fixture
def tab(tab, address):
    """The page, open and ready."""
    tab.goto(address)
    wait(tab, "ready")
    return tab


def wait(tab, phase, text=""):
    tab.wait_for_selector(f'body[data-phase="{phase}"]')
    tab.locator("#status", has_text=text).wait_for()


def read(tab, film):
    tab.set_input_files("#file", film)
    wait(tab, "done")


def save(tab, kind):
    with tab.expect_download() as download:
        tab.click(f"#files a[download$='.{kind}']")
    assert download.value.suggested_filename == f"Guten Tag.{kind}"
    return download.value.path()


def test_a_video_is_read_shown_and_saved(tab, film, sentence):
    read(tab, film)
    assert tab.locator("#glosses b").all_inner_texts() == sentence[1]
    assert tab.locator("#rows button").all_inner_texts() == sentence[1]
    tab.click("#glosses button:nth-child(2)")
    tab.locator("#caption", has_text=sentence[1][1]).wait_for()  # so the video is there
    tier = Eaf(str(save(tab, "eaf"))).get_annotation_data_for_tier("gloss")
    assert [annotation[2] for annotation in sorted(tier)] == sentence[1]
    assert [word["gloss"] for word in json.loads(save(tab, "json").read_text())["words"]] == sentence[1]
    cues = re.findall(r"\d\d:\d\d:\d\d,\d{3} --> \d\d:\d\d:\d\d,\d{3}\n(.+)\n", save(tab, "srt").read_text())
    assert cues == sentence[1]
    assert save(tab, "vtt").read_text().startswith("WEBVTT\n")
    assert [line.split()[-2] for line in save(tab, "ctm").read_text().splitlines()] == sentence[1]
    with av.open(str(save(tab, "mp4"))) as video:
        assert video.streams.video[0].frames == len(list(av.open(str(film)).decode(video=0)))


def test_a_network_without_gradients_has_no_heat_map_and_says_so(tab, film):
    read(tab, film)
    tab.click("#glosses button")
    tab.click("#heat summary")
    tab.locator("#heat-text", has_text="No heat map: ").wait_for()


def test_how_much_has_been_sent_is_said(tab, tmp_path):
    film = make_video(tmp_path / "noise.mkv", noise(12, 192, 128), "mjpeg")
    assert film.stat().st_size > 200_000
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 150_000}
    tab.context.new_cdp_session(tab).send("Network.emulateNetworkConditions", slow)
    tab.evaluate("""() => {
        window.said = [];
        const note = () => window.said.push(document.getElementById("status").textContent);
        new MutationObserver(note).observe(document.getElementById("status"), { childList: true });
    }""")
    tab.set_input_files("#file", film)
    wait(tab, "done")
    percents = [
        int(number) for said in tab.evaluate("window.said") for number in re.findall(r"Uploading (\d+) %", said)
    ]
    assert percents == sorted(percents)
    assert any(0 < percent < 100 for percent in percents)


@contextmanager
def waiting_page(tab, address, film, recogniser):
    """Another page, whose video waits until the block ends, since the first one's is being read."""
    other = tab.context.new_page()
    other.goto(address)
    wait(other, "ready")
    recogniser.network.gate.clear()
    try:
        tab.set_input_files("#file", film)
        wait(tab, "reading")
        other.set_input_files("#file", film)
        wait(other, "queue", "place 1 of 1 in the queue")
        yield other
    finally:
        recogniser.network.gate.set()


def test_two_pages_wait_for_each_other(tab, address, film, recogniser, sentence):
    with waiting_page(tab, address, film, recogniser) as other:
        pass
    for page in (tab, other):
        wait(page, "done")
        assert page.locator("#glosses b").all_inner_texts() == sentence[1]


def test_a_page_that_is_closed_leaves_the_queue(tab, address, film, recogniser):
    with waiting_page(tab, address, film, recogniser) as other:
        tab.close()
    wait(other, "done")


def test_cancel_and_read_again(tab, film, recogniser):
    recogniser.network.gate.clear()
    try:
        tab.set_input_files("#file", film)
        wait(tab, "reading")
        tab.click("#cancel")
    finally:
        recogniser.network.gate.set()
    wait(tab, "cancelled", "Guten Tag.mp4 was not read")
    assert tab.locator("#glosses button").count() == 0
    tab.click("#again")
    wait(tab, "done")


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("notes.mp4", b"this is a text, and no video\n" * 50, "notes.mp4"),
        ("empty.mp4", b"", "is empty"),
        ("large.mp4", bytes(MOST + 1), "too large"),
    ],
)
def test_what_is_no_video_is_said_and_the_next_one_is_read(tab, film, tmp_path, name, content, text):
    path = tmp_path / name
    path.write_bytes(content)
    tab.set_input_files("#file", path)
    wait(tab, "failed", text)
    read(tab, film)


def test_a_dropped_video_is_read(tab, film, sentence):
    tab.evaluate(
        """([name, bytes]) => {
            const carried = new DataTransfer();
            carried.items.add(new File([Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0))], name));
            const options = { dataTransfer: carried, bubbles: true, cancelable: true };
            for (const kind of ["dragover", "drop"]) document.body.dispatchEvent(new DragEvent(kind, options));
        }""",
        ["Guten Tag.mp4", b64encode(film.read_bytes()).decode()],
    )
    wait(tab, "done")
    assert tab.locator("#glosses b").all_inner_texts() == sentence[1]


def test_the_server_ends_and_comes_back(recogniser, film, tmp_path, browser):
    context = browser.new_context()
    tab = context.new_page()
    (tmp_path / "first").mkdir()
    with run_page(tmp_path / "first", recogniser) as address:
        tab.goto(address)
        wait(tab, "ready")
        read(tab, film)
    wait(tab, "lost", "connection to the server was lost")
    assert tab.locator("#glosses button").count()
    context.close()
