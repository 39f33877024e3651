"""Connections of those who have not shown the token: they keep nobody out, whatever they do or leave."""

import http.client
import json
import socket
import time
from contextlib import ExitStack, suppress

import pytest
from websockets.sync.client import connect

from page import guests
from tests.helpers.commands import wait_until
from tests.helpers.site import READ, serve_port, words

TOKEN = "a-long-enough-secret"
PAGE = b"GET /static/main.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
UPGRADE = b" /api/session HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


@pytest.fixture
def port(tmp_path):
    (tmp_path / "files").mkdir()
    with serve_port(tmp_path / "files", token=TOKEN) as port:
        yield port


def is_closed(raw: socket.socket) -> bool:
    """Whether the other side has closed a connection, or does so soon; what still comes is thrown away."""
    raw.settimeout(60)
    with suppress(ConnectionError):
        while raw.recv(1 << 16):
            pass
    return True


def ask(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/api/model", headers={"X-Token": TOKEN})
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize(
    "first",
    [b"", b"GET / HT", b"POST /api/session/x/video HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999999\r\n\r\n"],
    ids=["silent", "in the head", "in the body"],
)
def test_a_stranger_who_sends_little_by_little_is_closed(port, monkeypatch, first):
    monkeypatch.setattr(guests, "GUEST_SECONDS", 0.5)
    with socket.create_connection(("127.0.0.1", port)) as raw:
        raw.sendall(first)

        def drip() -> bool:
            try:
                raw.sendall(b"x" if first else b"")
                raw.settimeout(0.05)
                return not raw.recv(1 << 16)
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        wait_until(drip)


def test_a_stranger_who_does_not_take_the_answers_is_closed(port, monkeypatch):
    monkeypatch.setattr(guests, "GUEST_SECONDS", 0.5)
    with socket.create_connection(("127.0.0.1", port)) as raw:
        raw.settimeout(0.2)
        with suppress(TimeoutError, ConnectionError):
            while True:
                raw.sendall(PAGE * 100)
        assert is_closed(raw)


@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_a_handshake_that_comes_to_nothing_is_closed(port, monkeypatch, method):
    monkeypatch.setattr(guests, "GUEST_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", port)) as raw:
        raw.sendall(method + UPGRADE)
        assert is_closed(raw)


def test_the_oldest_stranger_makes_room_and_nobody_who_was_let_in(port, tmp_path, monkeypatch):
    monkeypatch.setattr(guests, "MOST_GUESTS", 3)
    with ExitStack() as stack:
        page = stack.enter_context(connect(f"ws://127.0.0.1:{port}/api/session?token={TOKEN}"))
        id = json.loads(page.recv(60))["id"]
        upload = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        upload.putrequest("POST", f"/api/session/{id}/video?token={TOKEN}")
        upload.putheader("Content-Length", "4")
        upload.endheaders(b"ab")
        wait_until(lambda: list((tmp_path / "files").glob("*/*")))  # so it was let in
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(10)]
        assert all(is_closed(raw) for raw in silent[:7])
        assert ask(port) == 200
        upload.send(b"cd")
        assert upload.getresponse().status == 202
        assert json.loads(page.recv(60))["type"] == "queue"


def test_whoever_was_let_in_is_not_closed(port, film, monkeypatch):
    monkeypatch.setattr(guests, "GUEST_SECONDS", 0.2)
    with connect(f"ws://127.0.0.1:{port}/api/session?token={TOKEN}") as page:
        id = json.loads(page.recv(60))["id"]
        upload = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        upload.putrequest("POST", f"/api/session/{id}/video")
        upload.putheader("X-Token", TOKEN)
        upload.putheader("Content-Length", str(len(film)))
        upload.endheaders(film[:100])
        time.sleep(0.5)
        upload.send(film[100:])
        assert upload.getresponse().status == 202
        while (message := json.loads(page.recv(60)))["type"] != "transcript":
            pass
        assert words(message) == READ
