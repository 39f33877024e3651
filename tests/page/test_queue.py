"""Several pages at once: one job at a time, places in the queue, and pages that go away."""

import threading
import time

import numpy as np
import pytest

from tests.helpers.colour_network import colour_network, colour_recogniser
from tests.helpers.commands import wait_until
from tests.helpers.site import READ, colour_film, serve, words


class Gate:
    """A network that waits until it is let go."""

    def __init__(self) -> None:
        self.begun, self.go, self.calls = threading.Event(), threading.Event(), 0

    def __call__(self, video: np.ndarray) -> np.ndarray:
        self.calls += 1
        self.begun.set()
        assert self.go.wait(60)
        return colour_network(video)


@pytest.fixture
def gate():
    gate = Gate()
    yield gate
    gate.go.set()


def test_jobs_wait_for_each_other_and_know_their_place(tmp_path, film, gate):
    (tmp_path / "files").mkdir()
    with serve(tmp_path / "files", colour_recogniser(gate)) as server:  # noqa: SIM117
        with server.page() as first, server.page() as second, server.page() as third:
            for page in (first, second, third):
                assert page.upload(film).status_code == 202
            assert gate.begun.wait(60)
            assert second.upload(film).status_code == 409
            assert second.wait_for("queue")[-1] == {"type": "queue", "place": 1, "length": 2}
            assert second.wait_for("queue")[-1] == {"type": "queue", "place": 1, "length": 3}
            assert third.wait_for("queue")[-1] == {"type": "queue", "place": 2, "length": 3}
            second.say(type="cancel")
            assert second.wait_for("cancelled")[-1] == {"type": "cancelled"}
            assert third.wait_for("queue")[-1] == {"type": "queue", "place": 1, "length": 2}
            gate.go.set()
            assert words(first.wait_for("transcript")[-1]) == READ
            assert [m["place"] for m in third.wait_for("transcript") if m["type"] == "queue"] == [0]
            assert gate.calls == 2


def test_a_page_that_goes_away_in_the_middle_of_its_job_makes_room(tmp_path, film, gate):
    (tmp_path / "files").mkdir()
    long = colour_film(tmp_path / "long.mp4", "R" * 20 + " " * 400 + "G" * 20).read_bytes()
    with serve(tmp_path / "files", colour_recogniser(gate)) as server, server.page() as other:
        with server.page() as page:
            page.upload(long)
            assert gate.begun.wait(60)
            other.upload(film)
        gate.go.set()
        assert words(other.wait_for("transcript")[-1]) == READ
        assert gate.calls == 2  # the second window of the page that has gone was not read
        wait_until(lambda: len(list((tmp_path / "files").iterdir())) == 1)


def test_looking_through_a_long_video_ends_when_it_is_cancelled(tmp_path, film, monkeypatch):
    begun = threading.Event()

    def scan(path, rate, allow_truncated, check):
        begun.set()
        while True:
            check()
            time.sleep(0.01)

    (tmp_path / "files").mkdir()
    with serve(tmp_path / "files") as server, server.page() as page:
        with monkeypatch.context() as patch:
            patch.setattr("page.watched_video.open_video", scan)
            page.upload(film)
            assert begun.wait(60)
            page.say(type="cancel")
            page.wait_for("cancelled")
        assert words(page.read(film)) == READ


def test_two_tabs_have_each_their_own(server, film, tmp_path):
    with server.page() as first, server.page() as second:
        assert first.id != second.id
        first.read(film)
        assert second.get("files/srt").status_code == 404
        second.read(colour_film(tmp_path / "green.mp4", "G" * 12).read_bytes())
        assert "R" in first.get("files/srt").text
        assert "G" in second.get("files/srt").text


def test_more_pages_than_are_served_are_told_so(server, monkeypatch):
    monkeypatch.setattr("page.sessions.MOST_SESSIONS", 1)
    with server.page(), server.client.websocket_connect("ws://127.0.0.1:8000/api/session") as talk:
        assert talk.receive_json() == {"type": "failed", "message": "1 pages are open already: close one of them"}
