"""The camera on the page: a test picture of Chromium. The server is a stand-in."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image

from tests.helpers.needs import needs_browser
from tests.helpers.page_stand_in import VIDEO, StandIn, make_transcript, make_words

pytestmark = needs_browser


@pytest.fixture
def server(tab):
    return StandIn(tab).open()


def test_frames_are_sent_with_the_clock_of_the_page(server):
    server.start_camera()
    server.until(lambda: len(server.frames) >= 12)
    times = [time for time, _ in server.frames]
    assert times[0] == 0
    assert times == sorted(set(times))
    # Nothing may be asserted of a busy machine but this: no more came than were asked for.
    assert len(times) <= 25 * times[-1] + 2
    image = Image.open(io.BytesIO(server.frames[-1][1]))
    assert image.format == "JPEG"
    assert image.size == (640, 480)


def test_no_more_frames_are_sent_than_the_server_asks_for(server):
    server.start_camera(rate=5.0)
    server.until(lambda: server.frames and server.frames[-1][0] > 1.5)
    times = [time for time, _ in server.frames]
    assert len(times) <= 5 * times[-1] + 2


def test_a_large_camera_is_made_smaller(tab):
    tab.add_init_script("""
        const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
        const large = { width: { exact: 1920 }, height: { exact: 1080 } };
        navigator.mediaDevices.getUserMedia = () => real({ video: large });
    """)
    server = StandIn(tab).open()
    server.start_camera()
    server.until(lambda: server.frames)
    assert Image.open(io.BytesIO(server.frames[0][1])).size == (640, 360)


def test_frames_are_dropped_and_not_kept_where_the_connection_is_slow(tab):
    server = StandIn(tab)
    tab.add_init_script("""
        const waiting = { get: () => window.waiting ?? 0 };
        window.WebSocket = new Proxy(window.WebSocket, {
            construct: (real, given) => Object.defineProperty(new real(...given), "bufferedAmount", waiting),
        });
    """)
    server.open()
    server.start_camera()
    server.until(lambda: len(server.frames) > 3)
    tab.evaluate("window.waiting = 1e6")

    def none_come():  # those that are being made still do
        before = len(server.frames)
        tab.wait_for_timeout(500)
        return len(server.frames) == before

    server.until(none_come)
    before = len(server.frames)
    tab.evaluate("window.waiting = 0")
    server.until(lambda: len(server.frames) > before + 3)


def test_glosses_come_while_someone_signs(server):
    server.start_camera()
    words = make_words("MORGEN", "NORD", "REGEN", "SONNE")
    server.say("live", finals=words[:1], provisional=words[1:3], time=1.5)
    server.page.wait_for_selector("#glosses .provisional")
    assert server.texts("#glosses .gloss b") == ["MORGEN", "NORD", "REGEN"]
    assert server.texts("#glosses .provisional b") == ["NORD", "REGEN"]
    assert server.texts("#rows button") == ["MORGEN"]
    assert server.page.inner_text("#caption") == "REGEN"
    server.say("live", finals=words[1:2], provisional=[], time=2.0)
    server.page.locator("#rows button", has_text="NORD").wait_for()
    assert server.texts("#glosses .gloss b") == ["MORGEN", "NORD"]
    assert not server.page.locator("#glosses .provisional").count()
    server.page.click("#glosses button")
    assert server.page.inner_text("#chosen-gloss") == "MORGEN"
    assert not server.page.is_visible("#heat")  # it comes when the camera is off
    assert not server.page.is_visible("#guesses")


def test_the_newest_glosses_stay_in_view_and_who_scrolls_back_is_left_there(server):
    server.start_camera()
    words = make_words(*["MORGEN", "NORD", "REGEN"] * 20)
    server.say("live", finals=words[:-1], provisional=[], time=24.0)
    last = server.page.locator("#rows tr").nth(58)
    last.wait_for()
    box, table = last.bounding_box(), server.page.locator("#table-scroller").bounding_box()
    assert table["y"] <= box["y"] <= table["y"] + table["height"]
    left = "document.getElementById('scroller').scrollLeft"
    server.until(lambda: server.page.evaluate(left) > 1000)
    server.page.evaluate("""() => new Promise((done) => {
        const scroller = document.getElementById("scroller");
        scroller.addEventListener("scroll", done, { once: true });
        scroller.scrollLeft = 100;
    })""")
    server.say("live", finals=words[-1:], provisional=[], time=30.0)
    server.page.locator("#rows tr").nth(59).wait_for()
    assert server.page.evaluate(left) == 100
    assert server.page.inner_text("#caption") == ""  # it has been silent for long


def test_stop_ends_the_camera_and_the_glosses_can_be_saved(server):
    server.start_camera()
    server.until(lambda: server.frames)
    server.page.click("#stop")
    server.wait("stopping")
    assert server.sent[-1] == {"type": "camera", "action": "stop"}
    sent = len(server.sent)
    assert server.page.evaluate("document.getElementById('video').srcObject") is None
    words = make_words("MORGEN", "NORD")
    server.say("live", finals=words, provisional=[], time=2.0)
    server.say("camera", state="ended", lines=[])
    server.say("transcript", transcript=make_transcript(words, name="camera", nbest=[]))
    server.wait("done", "2 glosses in 1.3 seconds of the camera")
    assert len(server.sent) == sent
    assert server.texts("#glosses b") == server.texts("#rows button") == ["MORGEN", "NORD"]
    assert server.texts("#files b") == [".eaf", ".srt", ".vtt", ".json", ".ctm", ".mp4"]


PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="4"/>'
GUESSES = [{"start": 0.0, "end": 2.0, "guesses": [{"glosses": ["NORD"], "score": 1.0}]}]


def end_camera(server, *glosses, **changes):
    """Let the camera be stopped, and the server say what was read."""
    server.page.click("#stop")
    server.say("transcript", transcript=make_transcript(make_words(*glosses), name="camera", nbest=[], **changes))
    server.wait("done")


@pytest.fixture
def asked(server):
    """What the page asks its server for."""
    addresses = []
    server.page.on("request", lambda request: addresses.append(request.url.partition("/s1/")[2]))
    return addresses


def test_after_the_end_a_click_shows_the_picture_of_a_gloss_and_nothing_is_made_unless_asked_for(server, asked):
    server.answers |= {f"picture/{seconds}.jpg": (200, "image/svg+xml", PICTURE) for seconds in ("0.000", "0.600")}
    server.answers["heat/1.jpg"] = (200, "image/svg+xml", PICTURE)
    server.answers["nbest/1"] = (200, "application/json", json.dumps(GUESSES).encode())
    server.start_camera()
    end_camera(server, "MORGEN", "NORD")
    server.page.wait_for_selector("#play-recording")
    server.until(lambda: asked)
    server.page.click("#glosses button:nth-child(2)")
    server.until(lambda: len(asked) > 1)
    assert asked == ["picture/0.000.jpg?reading=1", "picture/0.600.jpg?reading=1"]
    at = server.page.evaluate("new DOMMatrix(document.getElementById('playhead').style.transform).e")
    assert at == pytest.approx(server.page.locator("#glosses button:nth-child(2)").evaluate("e => e.offsetLeft"), abs=1)
    server.page.click("#heat summary")
    server.page.wait_for_selector("#heat-image")
    server.page.click("#guesses summary")
    server.page.wait_for_selector("#guesses-list li")
    assert server.texts("#guesses-list mark") == ["NORD"]
    assert asked[2:] == ["heat/1.jpg", "nbest/1"]
    server.sent.clear()
    server.start_camera()
    end_camera(server, "MORGEN")
    server.until(lambda: asked[4:] == ["picture/0.000.jpg?reading=2"])  # else the former one could be shown again


def test_a_gloss_that_was_chosen_while_the_camera_was_on_stays_chosen(server):
    server.start_camera()
    server.say("live", finals=make_words("MORGEN", "NORD"), provisional=[], time=1.5)
    server.page.click("#rows tr:nth-child(2) button")
    assert not server.page.is_visible("#heat")
    end_camera(server, "MORGEN", "NORD")
    server.page.wait_for_selector("#heat")
    assert server.page.inner_text("#chosen-gloss") == "NORD"
    assert server.page.locator("#glosses [aria-pressed=true]").inner_text().startswith("NORD")


def test_the_recording_is_played_from_the_chosen_gloss(server):
    server.answers["files/mp4"] = (200, "video/webm", VIDEO.read_bytes())
    server.start_camera()
    end_camera(server, "MORGEN", "NORD")
    server.page.click("#glosses button:nth-child(2)")
    server.page.click("#play-recording")
    server.until(lambda: server.page.evaluate("document.getElementById('video').currentTime") > 0.6)
    assert not server.page.is_visible("#recording")
    assert server.page.get_attribute("#video", "poster") is None


def test_a_recording_that_cannot_be_played_says_why(server):
    server.answers["files/mp4"] = (409, "application/json", b'{"error": "the disk is full"}')
    server.start_camera()
    end_camera(server, "MORGEN")
    server.page.click("#play-recording")
    server.page.locator("#notices .error", has_text="cannot be played: The disk is full.").wait_for()
    assert server.page.is_enabled("#play-recording")


def test_a_video_that_is_being_written_is_given_up_for_the_next_recording(server):
    given_up = []
    server.page.on("requestfailed", lambda request: given_up.append(request.url))
    server.page.route("**/files/mp4?*", lambda route: None)  # which takes long
    server.start_camera()
    end_camera(server, "MORGEN")
    server.page.click("#play-recording")
    server.page.locator("#recording-text", has_text="is being written").wait_for()
    server.page.click("#use-camera")
    server.until(lambda: any("files/mp4" in url for url in given_up))
    assert not server.page.is_visible("#recording")
    assert not server.page.locator("#notices .error").count()


def test_where_no_picture_was_kept_none_is_offered(server):
    server.start_camera()
    end_camera(server, "MORGEN", pictures=False)
    server.page.click("#glosses button")
    assert ".mp4" not in server.texts("#files b")
    assert server.page.is_visible("#invitation")
    assert not any(server.page.is_visible(part) for part in ("#heat", "#guesses", "#recording"))


def test_a_recording_goes_with_the_connection(server):
    server.start_camera()
    end_camera(server, "MORGEN")
    server.page.click("#glosses button")
    server.lose()
    server.wait("lost")
    assert server.page.is_visible("#invitation")
    assert not server.page.is_visible("#recording")
    server.page.click("#heat summary")
    server.page.locator("#heat-text", has_text="went with the connection").wait_for()
    server.page.click("#guesses summary")
    server.page.locator("#guesses-text", has_text="went with the connection").wait_for()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("NotAllowedError", "Allow it beside the address"),
        ("NotFoundError", "No camera was found"),
        ("NotReadableError", "Another program may use it"),
        ("AbortError", "cannot be opened: why"),
    ],
)
def test_a_camera_that_cannot_be_had_says_why(tab, name, text):
    tab.add_init_script(
        f"navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException('why', '{name}') }}"
    )
    server = StandIn(tab).open()
    tab.click("#use-camera")
    server.wait("failed", text)
    assert tab.is_visible("#invitation")
    assert tab.is_enabled("#choose")
    assert server.sent == []


def test_a_browser_that_says_no(browser):
    context = browser.new_context()  # which was not allowed to use the camera
    server = StandIn(context.new_page()).open()
    server.page.click("#use-camera")
    server.wait("failed", "Allow it beside the address")
    context.close()


def test_an_address_at_which_browsers_give_no_camera(tab):
    tab.add_init_script("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
    server = StandIn(tab).open()
    tab.click("#use-camera")
    server.wait("failed", "on this machine (127.0.0.1) or at https:// addresses")


def test_a_camera_that_is_pulled_out_ends_the_recording(server):
    server.start_camera()
    server.page.evaluate("document.getElementById('video').srcObject.getTracks()[0].onended()")
    server.wait("stopping", "The camera is gone")
    assert server.sent[-1] == {"type": "camera", "action": "stop"}


def test_the_camera_waits_in_the_queue_and_can_be_cancelled(server):
    server.page.click("#use-camera")
    server.until(lambda: {"type": "camera", "action": "start"} in server.sent)
    server.say("queue", place=1, length=2)
    server.wait("queue", "place 1")
    server.page.click("#cancel")
    server.say("cancelled")
    server.wait("cancelled")
    server.say("camera", state="ready", lines=[])  # was on its way
    server.page.wait_for_timeout(200)
    assert server.frames == []
    assert server.page.evaluate("document.getElementById('video').srcObject") is None


def test_notices_of_the_server_are_shown(server):
    server.start_camera()
    server.say("notice", message="the picture is black")
    server.page.locator("#notices li", has_text="The picture is black.").wait_for()


def test_a_lost_connection_ends_the_camera(server):
    server.start_camera()
    server.say("live", finals=make_words("NORD"), provisional=[], time=1.0)
    server.page.wait_for_selector("#rows button")
    server.lose()
    server.wait("lost")
    assert server.page.evaluate("document.getElementById('video').srcObject") is None
    assert server.texts("#rows button") == ["NORD"]
