"""What goes wrong with a video or the connection, and what the page says of it. The server is a stand-in."""

from __future__ import annotations

import pytest

from tests.helpers.needs import needs_browser
from tests.helpers.page_stand_in import ADDRESS, VIDEO, StandIn, make_transcript, make_words
from tests.helpers.videos import make_video, ramp

pytestmark = needs_browser


@pytest.fixture
def server(tab):
    return StandIn(tab).open()


@pytest.mark.parametrize(
    ("size", "text"), [(0, "clip.mp4 is empty"), (1_000_001, "clip.mp4 is too large: it has 1.0 MiB, and the server")]
)
def test_what_would_be_refused_is_not_sent(server, tmp_path, size, text):
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(size))
    server.page.set_input_files("#file", path)
    server.wait("failed", text)
    assert server.uploads == []
    assert server.page.is_enabled("#choose")


def test_a_refused_video_is_said_and_can_be_sent_again(server):
    server.refusal = (429, "too many videos are waiting already: try again later")
    server.choose()
    server.wait("failed", "Too many videos are waiting already: try again later.")
    server.refusal = None
    server.page.click("#again")
    server.until(lambda: len(server.uploads) == 2)
    server.wait("uploading")


def test_a_video_that_cannot_be_read_is_said(server):
    server.choose()
    server.say("failed", message="browser.webm has no frames")
    server.wait("failed", "browser.webm has no frames.")
    assert not server.page.is_visible("#files")


def test_what_the_browser_cannot_play_is_read_all_the_same(server, tmp_path):
    path = make_video(tmp_path / "old.avi", ramp(10))
    server.choose(path)
    server.page.wait_for_selector("#unplayable")
    assert "cannot play old.avi. Its glosses are read" in server.page.inner_text("#unplayable")
    assert not server.page.is_visible("#play-written")  # there is none yet
    server.say("transcript", transcript=make_transcript(make_words("NORD", "REGEN")))
    server.wait("done", "2 glosses")
    assert server.texts("#glosses b") == ["NORD", "REGEN"]
    server.page.click("#glosses button:nth-child(2)")
    assert server.page.inner_text("#chosen-gloss") == "REGEN"


def test_the_written_video_can_be_played_instead(server, tmp_path):
    server.answers["files/mp4"] = (200, "video/webm", VIDEO.read_bytes())
    server.read(make_words("NORD", "REGEN"), make_video(tmp_path / "old.avi", ramp(10)))
    server.page.click("#play-written")
    server.until(lambda: server.page.evaluate("document.getElementById('video').videoWidth"))
    assert server.page.is_visible("#screen")


def test_cancel_in_the_queue(server):
    server.choose()
    server.say("queue", place=1, length=2)
    server.wait("queue")
    server.page.click("#cancel")
    server.wait("cancelling")
    server.say("reading", part=1, parts=2)  # was on its way
    server.say("cancelled")
    server.wait("cancelled", "browser.webm was not read")
    assert {"type": "cancel"} in server.sent
    server.page.click("#again")
    server.until(lambda: len(server.uploads) == 2)


def test_what_is_done_when_it_is_cancelled_is_cancelled(server):
    server.choose()
    server.say("reading", part=0, parts=1)
    server.wait("reading")
    server.page.click("#cancel")
    server.say("transcript", transcript=make_transcript(make_words("NORD")))
    server.wait("cancelled")
    assert server.texts("#glosses b") == []


def test_cancel_while_it_is_sent(tab):
    server = StandIn(tab)
    tab.route("**/video", lambda route: None)  # never answered
    server.open()
    tab.set_input_files("#file", VIDEO)
    server.wait("uploading")
    tab.click("#cancel")
    server.wait("cancelled")
    assert tab.is_enabled("#choose")


def test_a_second_video_while_one_is_read_is_declined(server):
    server.choose()
    server.page.set_input_files("#file", VIDEO)
    server.page.locator("#notices .error", has_text="One thing at a time").wait_for()
    assert len(server.uploads) == 1


def test_the_connection_is_lost_and_found_again(server):
    server.choose()
    server.say("reading", part=1, parts=2)
    server.lose()
    server.wait("lost", "connection to the server was lost")
    assert not server.page.is_enabled("#choose")
    server.page.click("#again")
    server.wait("lost", "does not answer")
    server.reachable = True
    server.wait("ready", "Connected again. browser.webm can be read again.")  # by itself
    server.page.click("#again")
    server.until(lambda: len(server.uploads) == 2)


def test_after_a_lost_connection_glosses_stay_and_files_are_not_offered(server):
    server.read(make_words("NORD", "REGEN"))
    server.lose(reachable=True)
    server.wait("ready", "Connected again")
    assert server.texts("#glosses b") == ["NORD", "REGEN"]
    assert not server.page.is_visible("#files")
    assert "Read the video again" in server.page.inner_text("#save")


def test_a_server_that_takes_no_further_page_says_so(tab):
    server = StandIn(tab)
    server.refuses_pages = "32 pages are open already: close one of them"
    tab.goto(ADDRESS)
    server.wait("lost", "32 pages are open already: close one of them.")


def test_the_token_of_the_address_goes_with_every_request(tab):
    server = StandIn(tab)
    asked, sockets = [], []
    tab.on("request", lambda request: asked.append((request.url, request.headers.get("x-token"))))
    tab.on("websocket", lambda socket: sockets.append(socket.url))
    server.open("?token=a%26b")
    server.read(make_words("NORD"))
    api = [(url, token) for url, token in asked if "/api/" in url]
    assert {token for _, token in api} == {"a&b"}
    assert server.page.get_attribute("#files a", "href") == "/api/session/s1/files/eaf?token=a%26b"
    assert server.socket.url.endswith("/api/session?token=a%26b")


def test_of_a_file_that_is_no_video_no_glosses_are_promised(server, tmp_path):
    path = tmp_path / "notes.mp4"
    path.write_bytes(b"this is a text")
    server.choose(path)
    server.page.wait_for_selector("#unplayable")
    server.say("failed", message="notes.mp4 is no video")
    server.wait("failed")
    assert server.page.inner_text("#unplayable").strip() == "This browser cannot play notes.mp4."
