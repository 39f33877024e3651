"""The camera of a page: glosses while pictures come, and what goes wrong with pictures."""

import threading
import time

import cv2
import numpy as np
import pytest
from pympi.Elan import Eaf

from page.camera_frames import AHEAD, HEAD, MOST_FRAMES, CameraFrames
from tests.helpers.colour_network import colour_network, colour_recogniser
from tests.helpers.signing import JPEGS, RATE, make_jpeg, send, sign, stop
from tests.helpers.site import READ, serve, words

pytestmark = pytest.mark.usefixtures("patient")


def test_glosses_come_while_someone_signs_and_can_be_saved(camera, tmp_path):
    sign(camera, begin=1234.5)
    messages, last = stop(camera)
    finals = [word for message in messages if message["type"] == "live" for word in message["finals"]]
    assert [word["gloss"] for word in finals] == ["R", "B"]
    assert last["transcript"]["words"] == finals
    assert finals[0]["start"] == pytest.approx(0.8, abs=0.17)
    assert finals[1]["end"] == pytest.approx(2.56, abs=0.17)
    lives = [message for message in messages if message["type"] == "live"]
    assert len(lives) > 3
    assert lives[0]["finals"] == []  # some were provisional first
    assert lives[-1]["provisional"] == []
    assert {"type": "camera", "state": "ended", "lines": []} in messages
    (tmp_path / "found.eaf").write_bytes(camera.get("files/eaf").content)
    assert [gloss for *_, gloss in Eaf(str(tmp_path / "found.eaf")).get_annotation_data_for_tier("gloss")] == ["R", "B"]


def test_the_camera_can_be_used_again_and_a_video_after_it(camera, film):
    for _ in range(2):
        sign(camera, "R" * 20)
        assert [word["gloss"] for word in stop(camera)[1]["transcript"]["words"]] == ["R"]
        camera.say(type="camera", action="start")
        camera.wait_for("camera")
    assert camera.upload(film).status_code == 409
    stop(camera)
    assert len(camera.read(film)["transcript"]["words"]) == 2


def test_damaged_and_huge_pictures_are_left_out_and_said_once(camera):
    huge = cv2.imencode(".jpg", np.zeros((4096, 4100, 3), np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 1])[1].tobytes()
    sign(camera, "R" * 20)
    bad = [JPEGS["R"][: len(JPEGS["R"]) // 2], b"", b"no picture", huge, JPEGS["R"][:-2], huge]
    for number, data in enumerate(bad):
        send(camera, 0.8 + number / 100, data)
    messages, last = stop(camera)
    assert [word["gloss"] for word in last["transcript"]["words"]] == ["R"]
    notices = [message["message"] for message in messages if message["type"] == "notice"]
    assert sorted(notices) == [
        "pictures of 4100x4096 are too large: use a smaller size",
        "some pictures of the camera came damaged, and were left out",
    ]


def test_pictures_of_a_4k_camera_and_of_another_size_are_read(camera):
    sign(camera, "R" * 12)
    for number in range(4):
        send(camera, 0.48 + number / RATE, make_jpeg("R", 3840, 2160))
        time.sleep(1 / RATE)
    assert [word["gloss"] for word in stop(camera)[1]["transcript"]["words"]] == ["R"]


def test_a_camera_waits_for_its_turn_and_can_be_stopped_there(server):
    with server.page() as first, server.page() as second:
        first.say(type="camera", action="start")
        first.wait_for("camera")
        second.say(type="camera", action="start")
        assert second.wait_for("queue")[-1]["place"] == 1
        send(second, 0.0, JPEGS["R"])
        assert stop(second)[1] == {"type": "cancelled"}
        second.say(type="camera", action="start")
        second.wait_for("queue")
        first.say(type="cancel")
        assert first.wait_for("cancelled")
        assert second.wait_for("camera")[-1]["state"] == "ready"


def test_a_camera_whose_page_goes_makes_room(server, film):
    with server.page() as other:
        with server.page() as page:
            page.say(type="camera", action="start")
            page.wait_for("camera")
            sign(page, "R" * 5)
        assert other.read(film)["type"] == "transcript"


@pytest.mark.parametrize(
    ("bound", "reason"), [("LONGEST_SILENCE", "no picture came for"), ("LONGEST_TURN", "it was on for")]
)
def test_a_camera_makes_room_for_those_who_wait_but_for_nobody_else(server, camera, film, monkeypatch, bound, reason):
    sign(camera, "R" * 20)
    monkeypatch.setattr(f"page.camera.{bound}", 0.05)
    sign(camera, "R" * 5, begin=0.8)
    assert camera.upload(film).status_code == 409  # it is still on
    with server.page() as other:
        assert words(other.read(film)) == READ
    messages = camera.wait_for("transcript")
    assert [word["gloss"] for word in messages[-1]["transcript"]["words"]] == ["R"]
    (notice,) = (message["message"] for message in messages if message["type"] == "notice")
    assert notice.startswith(f"the camera was stopped, since others wait: {reason}")
    send(camera, 2.0, JPEGS["R"])  # on its way when it ended
    assert words(camera.read(film)) == READ


def test_nothing_before_the_camera_gives_an_empty_transcript(camera):
    assert stop(camera)[1]["transcript"]["words"] == []


def test_a_slow_network_drops_pictures_evenly_and_memory_is_bounded(tmp_path):
    begun, go = threading.Event(), threading.Event()

    def slow(video):
        begun.set()
        assert go.wait(60)
        return colour_network(video)

    (tmp_path / "files").mkdir()
    with serve(tmp_path / "files", colour_recogniser(slow)) as server, server.page() as page:
        page.say(type="camera", action="start")
        page.wait_for("camera")
        sign(page, "R" * 20)
        assert begun.wait(60)
        sign(page, "R" * 300, begin=0.8, rate=400)
        frames = server.site.sessions.find(page.id).frames
        assert frames.dropped > 100
        assert frames.waiting <= MOST_FRAMES
        go.set()
        assert stop(page)[1]["type"] == "transcript"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def put(frames: CameraFrames, clock: Clock, seconds: float, data: bytes = b"x") -> None:
    clock.now = 100.0 + seconds
    frames.put(HEAD.pack(5.0 + seconds) + data)


def test_waiting_pictures_are_thinned_out_evenly():
    clock = Clock()
    frames = CameraFrames(clock)
    for number in range(8 * MOST_FRAMES):
        put(frames, clock, number / 64)
    times = [frame.time for frame in frames.take(0)]
    steps = np.diff(times)
    assert len(times) <= MOST_FRAMES
    assert steps.max() <= 2 * steps.min()  # the last round is not over
    assert times[-1] > (8 * MOST_FRAMES - 17) / 64
    assert frames.dropped == 8 * MOST_FRAMES - len(times)
    before = frames.every
    assert before > 1
    for number in range(4):
        put(frames, clock, 10 + number)
        frames.take(0)
    assert frames.every < before


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -float("inf"), 4.0, 5.0, 5.0 + AHEAD + 1.1, 1e300])
def test_times_that_are_no_clock_are_refused(seconds):
    clock = Clock()
    frames = CameraFrames(clock)
    put(frames, clock, 0.0)
    clock.now = 101.0
    frames.put(HEAD.pack(seconds) + b"x")
    assert (frames.refused, len(frames.take(0))) == (1, 1)


@pytest.mark.parametrize("message", [b"", b"1234567", HEAD.pack(1.0)])
def test_a_message_without_a_picture_is_refused(message):
    frames = CameraFrames()
    frames.put(message)
    assert (frames.refused, frames.take(0)) == (1, [])
