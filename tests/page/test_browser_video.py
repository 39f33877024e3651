"""A video on the page: sent, read, shown and saved. The server is a stand-in."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from tests.helpers.needs import needs_browser
from tests.helpers.page_stand_in import VIDEO, StandIn, make_transcript, make_words

pytestmark = needs_browser
PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="4"/>'
GLOSSES = ["MORGEN", "NORD", "REGEN"]


@pytest.fixture
def server(tab):
    return StandIn(tab).open()


def test_it_says_what_the_network_is(server):
    said = server.page.inner_text("#model")
    assert "12 glosses of rendered figures" in said
    assert "no sign language" in said


def test_a_network_of_real_signing_is_not_called_one_of_figures(tab):
    server = StandIn(tab, rendered=False, glosses=1085).open()
    assert "1085 glosses" in server.page.inner_text("#model")
    assert "rendered" not in server.page.inner_text("#model")


def test_a_video_is_sent_and_every_step_is_said(server, tmp_path):
    path = tmp_path / "Straße 1%.webm"
    path.write_bytes(VIDEO.read_bytes())
    server.choose(path)
    assert server.uploads == [quote(path.name)]
    server.wait("uploading", "% of Straße 1%.webm")
    server.say("queue", place=2, length=4)
    server.wait("queue", "place 2 of 3 in the queue")
    server.say("queue", place=0, length=1)
    server.wait("queue", "begins now")
    server.say("reading", part=2, parts=9)
    server.wait("reading", "part 3 of 9")
    assert server.page.get_attribute("#progress", "value") == str(2 / 9)
    server.say("transcript", transcript=make_transcript(make_words(*GLOSSES), notes=["half of it is dark"]))
    server.wait("done", "3 glosses")
    assert server.texts("#notices li") == ["Half of it is dark."]


def test_glosses_stand_on_the_timeline_in_the_table_and_over_the_picture(server):
    words = make_words(*GLOSSES, length=0.5, start=0.2)
    server.read(words, duration=2.0)
    assert server.texts("#glosses b") == GLOSSES
    assert server.texts("#glosses small") == ["97 %", "81 %", "65 %"]
    track = server.page.locator("#track").bounding_box()
    for word, button in zip(words, server.page.locator("#glosses button").all(), strict=True):
        box = button.bounding_box()
        assert (box["x"] - track["x"]) / track["width"] * 2.0 == pytest.approx(word["start"], abs=0.01)
        assert box["width"] / track["width"] * 2.0 == pytest.approx(word["end"] - word["start"], abs=0.01)
    rows = server.page.locator("#rows tr").all_inner_texts()
    assert [row.split() for row in rows][1] == ["NORD", "0:00.7", "0:01.2", "81", "%"]
    assert server.page.inner_text("#sentence") == "MORGEN NORD REGEN"
    server.page.click("#glosses button:nth-child(2)")
    server.page.locator("#caption", has_text="NORD").wait_for()


def test_a_click_jumps_there_and_shows_what_is_known(server):
    server.read(make_words(*GLOSSES, length=0.5))
    server.page.click("#glosses button:nth-child(2)")
    assert server.page.evaluate("document.getElementById('video').currentTime") == pytest.approx(0.7)
    assert server.page.inner_text("#chosen-gloss") == "NORD"
    assert server.page.inner_text("#chosen-time") == "0:00.7 \u2013 0:01.2"
    assert server.page.inner_text("#chosen-confidence") == "81 %"


def test_keys_go_from_gloss_to_gloss_and_enter_jumps(server):
    server.read(make_words(*GLOSSES, length=0.5))
    focused = "document.activeElement.innerText.split('\\n')[0]"
    server.page.focus("#glosses button")
    for key, gloss in [
        ("ArrowRight", "NORD"), ("ArrowRight", "REGEN"), ("ArrowRight", "REGEN"), ("Home", "MORGEN"),
        ("ArrowLeft", "MORGEN"), ("End", "REGEN"), ("ArrowLeft", "NORD"),
    ]:  # fmt: skip
        server.page.keyboard.press(key)
        assert server.page.evaluate(focused) == gloss, key
    assert not server.page.is_visible("#chosen-gloss")  # nothing was chosen on the way
    server.page.keyboard.press("Enter")
    assert server.page.inner_text("#chosen-gloss") == "NORD"
    assert server.page.evaluate("document.getElementById('video').currentTime") == pytest.approx(0.7)
    server.page.keyboard.press("Tab")  # out of the timeline: it is one stop
    assert server.page.evaluate(focused) not in GLOSSES


def test_a_long_video_scrolls_and_can_be_seen_whole(server):
    server.read(make_words(*GLOSSES * 500, length=0.6), duration=900.0)
    width = "document.getElementById('track').clientWidth"
    view = server.page.evaluate("document.getElementById('scroller').clientWidth")
    assert server.page.evaluate(width) > 20 * view  # glosses can be read
    assert server.page.locator("#ruler span").count() < 60  # only the times in view are drawn
    server.page.focus("#glosses button")
    server.page.keyboard.press("End")
    last, scroller = server.page.locator("#glosses button").last, server.page.locator("#scroller").bounding_box()
    assert scroller["x"] < last.bounding_box()["x"] < scroller["x"] + scroller["width"]
    before = server.page.evaluate(width)
    server.page.keyboard.press("+")
    assert server.page.evaluate(width) > before
    server.page.click("#zoom-fit")
    assert server.page.evaluate(width) <= view
    first, second = (server.page.locator("#glosses button").nth(number).bounding_box() for number in (0, 1))
    assert first["x"] + first["width"] <= second["x"] + 1  # no gloss covers another by more than a pixel


def test_heat_map_and_guesses_come_on_request_alone(server):
    asked = []
    server.page.on("request", lambda request: asked.append(request.url) if "/heat/" in request.url else None)
    server.answers["heat/1.jpg"] = (
        200,
        "image/svg+xml",
        b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="4"/>',
    )
    server.read(make_words(*GLOSSES))
    server.page.click("#glosses button:nth-child(2)")
    server.page.wait_for_timeout(100)
    assert not asked
    server.page.click("#heat summary")
    server.page.wait_for_selector("#heat-image")
    assert [url.rpartition("/")[2] for url in asked] == ["1.jpg"]
    server.page.click("#guesses summary")
    server.page.wait_for_selector("#guesses-list li")
    # exp(-1) and exp(-2.5) of their sum
    assert [text.split("\n") for text in server.texts("#guesses-list li")] == [
        ["MORGEN NORD REGEN", "82 %"], ["NORD REGEN", "18 %"]
    ]  # fmt: skip
    assert server.texts("#guesses-list mark") == ["NORD", "NORD"]
    server.answers["heat/2.jpg"] = (409, "application/json", b'{"error": "the network has no gradients"}')
    server.page.click("#glosses button:nth-child(3)")
    server.page.locator("#heat-text", has_text="The network has no gradients.").wait_for()
    assert not server.page.is_visible("#heat-image")


def test_files_are_saved_under_the_name_of_the_video(server):
    server.read(make_words(*GLOSSES))
    assert server.texts("#files b") == [".eaf", ".srt", ".vtt", ".json", ".ctm", ".mp4"]
    server.answers["files/json"] = (200, "application/json", json.dumps({"words": GLOSSES}).encode())
    with server.page.expect_download() as download:
        server.page.click("#files a[download$='.json']")
    assert download.value.suggested_filename == "clip.json"
    assert json.loads(download.value.path().read_text()) == {"words": GLOSSES}


def test_a_file_that_cannot_be_made_says_why_and_saves_nothing(server):
    server.read(make_words(*GLOSSES))
    server.answers["files/ctm"] = (409, "application/json", b'{"error": "a gloss has a space"}')
    server.page.click("#files a[download$='.ctm']")
    server.page.locator("#notices .error", has_text="clip.ctm was not saved: A gloss has a space.").wait_for()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "0 glosses in 2.0 seconds"),
        (make_words("NORD"), "1 gloss in 0.9 seconds"),
        (make_words("NORD", start=90), "1 gloss in 1.5 minutes"),
    ],
)
def test_no_gloss_and_one_gloss(server, words, text):
    server.read(words)
    server.wait("done", text)
    assert server.page.is_visible("#no-glosses") == (not words)


def test_a_second_video_leaves_nothing_of_the_first(server):
    server.read(make_words(*GLOSSES), notes=["of the first"])
    server.page.click("#glosses button")
    server.choose()
    assert server.texts("#glosses b") == server.texts("#rows tr") == server.texts("#notices li") == []
    assert not server.page.is_visible("#chosen-gloss")
    assert not server.page.is_visible("#files")
    server.say("transcript", transcript=make_transcript(make_words("SONNE")))
    server.wait("done")
    assert server.texts("#glosses b") == ["SONNE"]


def test_a_confidence_that_is_not_known_is_said_so(server):
    words = [word | {"confidence": None} for word in make_words("NORD")]
    server.read(words)
    assert server.texts("#glosses small") == [""]
    assert "not known" in server.page.inner_text("#rows tr")


def test_glosses_of_any_text_stay_text(server):
    nasty = '<img src=x onerror="document.title=1">&amp;'
    server.read(make_words(nasty), name=nasty, notes=[nasty])
    server.page.click("#glosses button")
    server.page.click("#guesses summary")
    server.page.wait_for_selector("#guesses-list li")
    assert server.texts("#glosses b") == server.texts("#rows button") == [nasty]
    assert server.page.inner_text("#chosen-gloss") == nasty
    assert server.page.title() == "Glosses from signing"


def test_a_heat_map_that_nobody_waits_for_is_given_up(server):
    given_up = []
    server.page.on("requestfailed", lambda request: given_up.append(request.url))
    server.page.route("**/heat/0.jpg", lambda route: None)  # which takes long
    server.read(make_words("NORD", "REGEN"))
    server.page.click("#glosses button:nth-child(1)")
    server.page.click("#heat summary")
    server.page.locator("#heat-text", has_text="Looking").wait_for()
    server.page.click("#glosses button:nth-child(2)")
    server.until(lambda: given_up)
    assert given_up[0].endswith("heat/0.jpg")
    server.page.locator("#heat-text", has_text="No heat map").wait_for()  # of the second
