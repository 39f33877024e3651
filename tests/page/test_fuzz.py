"""Requests and messages that nobody meant: after each the server answers a good request."""

import http.client
import json
import random
import socket
import struct
from contextlib import suppress

import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tests.helpers.site import SENTENCE, colour_film, serve_port

BIG = b"9" * 25
PIECES = [
    b"GET", b"POST", b"PUT", b"\x00", b"/", b"/api/model", b"/api/session", b"/api/session/x/video",
    b"/static/", b"%00", b"/../../etc/passwd", b"%ff%2e%2e%2f", b"/api/session/x/heat/" + BIG + b".jpg", b"?token=",
    b"HTTP/1.1", b"HTTP/9.9",
    b"Host: 127.0.0.1", b"Host:", b"Origin: null", b"X-File-Name: %", b"X-Token: \xff", b"Content-Length: 5",
    b"Content-Length: -1", b"Content-Length: " + BIG, b"Transfer-Encoding: chunked", b"zz\r\n", b"5\r\nabcde",
    b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: AAAA", b"Expect: 100-continue", b"\xf0\x9f",
]  # fmt: skip
TEXTS = [
    "", "{", "[]", "null", '{"type":"camera"}', '{"type":"camera","action":"start"}', "x" * 5000, "\ud7ff\u0000",
    '{"type":"camera","action":"stop"}', '{"type":"camera","action":7}', '{"type":"cancel"}', '{"type":"ping"}',
    '{"type":"session"}', '{"type":[]}', '{"type":"ping","x":1e999}',
    '{"type":"ping","x":' + "[" * 400 + "]" * 400 + "}",
]  # fmt: skip


def ask(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/api/model")
    status = connection.getresponse().status
    connection.close()
    return status


def send_raw(port: int, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as raw, suppress(ConnectionError):
        raw.sendall(data)
        raw.shutdown(socket.SHUT_WR)
        while raw.recv(1 << 16):
            pass


def make_request(rng: random.Random) -> bytes:
    """Pieces of requests, in an order that may make sense."""
    head = b" ".join([rng.choice(PIECES[:3]), b"".join(rng.choices(PIECES[3:14], k=2)), b"HTTP/1.1"])
    lines = [head, *rng.choices(PIECES, k=rng.randrange(6))]
    data = b"\r\n".join(lines) + b"\r\n\r\n" + rng.randbytes(rng.randrange(20))
    for _ in range(rng.randrange(3)):
        at = rng.randrange(len(data))
        data = data[:at] + rng.randbytes(1) + data[at + 1 :]
    return data


def make_picture(rng: random.Random) -> bytes:
    """A message in bytes: something like a time and a JPEG."""
    seconds = rng.choice([0.0, -1.0, 1e300, float("nan"), float("inf"), rng.random()])
    return struct.pack("<d", seconds)[: rng.randrange(9)] + rng.choice([b"", b"\xff\xd8\xff"]) + rng.randbytes(50)


def talk_nonsense(port: int, rng: random.Random) -> None:
    """Open a page, and send messages until they end the talk."""
    address = f"ws://127.0.0.1:{port}/api/session"
    with suppress(WebSocketException, OSError), connect(address, open_timeout=60, close_timeout=0.05) as talk:
        for _ in range(rng.randrange(1, 5)):
            talk.send(rng.choice(TEXTS) if rng.random() < 0.6 else make_picture(rng))
        if rng.random() < 0.3:
            talk.socket.sendall(rng.randbytes(30))  # what is no frame of a WebSocket
        if rng.random() < 0.3:
            talk.socket.close()


@pytest.mark.parametrize("seed", [18])
def test_the_server_answers_after_200_requests_and_messages_that_nobody_meant(tmp_path, seed):
    rng = random.Random(seed)
    with serve_port(tmp_path) as port:
        for number in range(200):
            if rng.random() < 0.6:
                send_raw(port, make_request(rng))
            else:
                talk_nonsense(port, rng)
            assert ask(port) == 200, number
        film = colour_film(tmp_path / "film.mp4", SENTENCE).read_bytes()
        with connect(f"ws://127.0.0.1:{port}/api/session") as talk:
            id = json.loads(talk.recv(60))["id"]
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("POST", f"/api/session/{id}/video", film)
            assert connection.getresponse().status == 202
            while (message := json.loads(talk.recv(60)))["type"] != "transcript":
                assert message["type"] in {"queue", "reading"}
        assert [word["gloss"] for word in message["transcript"]["words"]] == ["R", "B"]
