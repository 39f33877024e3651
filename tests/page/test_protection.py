"""Who is let in: other origins, other names of this machine, and those without the token are not."""

import pytest
from starlette.websockets import WebSocketDisconnect

from tests.helpers.site import HOST, serve

TOKEN = "a-long-enough-secret"


@pytest.fixture
def open_server(tmp_path):
    with serve(tmp_path) as running:
        yield running


@pytest.fixture
def locked(tmp_path):
    with serve(tmp_path, host="0.0.0.0", token=TOKEN) as running:
        yield running


def asks(server, path="/api/model", **headers) -> int:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return server.client.get(path, headers=sent).status_code


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8000", "localhost:8000", "LOCALHOST", "[::1]:8", "192.168.3.4", "localhost."]
)
def test_own_names_and_addresses_in_numbers_are_served(open_server, host):
    assert asks(open_server, host=host) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "[", "a@b", ""],
)
def test_a_name_that_was_made_to_lead_here_is_refused(open_server, host):
    assert asks(open_server, host=host) == 403
    assert asks(open_server, "/", host=host) == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:3000"},  # another program of this machine
        {"origin": "http://127.0.0.1:8000.evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_other_origins_are_refused(open_server, headers):
    assert open_server.client.get("/api/model", headers=headers).status_code == 403
    with open_server.page() as page:
        assert page.upload(b"x", **headers).status_code == 403
    with pytest.raises(WebSocketDisconnect) as refused, open_server.page(**headers):
        pass
    assert refused.value.code == 1008


def test_the_own_origin_is_served_and_a_link_from_elsewhere_to_the_page(open_server):
    assert asks(open_server, origin=f"http://{HOST}", sec_fetch_site="same-origin") == 200
    assert asks(open_server, "/", sec_fetch_site="cross-site") != 403
    with open_server.page(origin=f"http://{HOST}"):
        pass


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "t\u00f6ken"])
def test_without_the_token_nobody_is_let_in(locked, token):
    encoded = token.encode("latin-1")
    assert locked.client.get("/api/model", headers={"X-Token": encoded}).status_code == 403
    assert locked.client.get("/api/model", params={"token": token}).status_code == 403
    assert locked.client.post("/api/session/x/video", headers={"X-Token": encoded}).status_code == 403
    with pytest.raises(WebSocketDisconnect), locked.client.websocket_connect(f"ws://{HOST}/api/session?token=wrong"):
        pass


def test_the_token_lets_in_by_header_and_by_address(locked):
    assert locked.client.get("/api/model", headers={"X-Token": TOKEN}).status_code == 200
    assert locked.client.get("/api/model", params={"token": TOKEN}).status_code == 200
    with locked.client.websocket_connect(f"ws://{HOST}/api/session?token={TOKEN}") as talk:
        assert talk.receive_json()["type"] == "session"
    # The page is the same for everyone, and asks for the rest with the token.
    assert locked.client.get("/static/none.js").status_code == 404


def test_every_answer_forbids_what_the_page_does_not_need(open_server):
    for path in ("/", "/api/model", "/static/none", "/api/session/none/files/eaf"):
        headers = open_server.client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
        assert (headers["x-frame-options"], headers["cross-origin-resource-policy"]) == ("DENY", "same-origin")
        assert headers["cache-control"] == "no-store"
    refused = open_server.client.get("/", headers={"host": "evil.example"})
    assert "default-src 'none'" in refused.headers["content-security-policy"]
