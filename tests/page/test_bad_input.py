"""What goes wrong: a clear message for the page, and the server lives on."""

import http.client
import json
import shutil
import time
from pathlib import Path

import pytest
from pympi.Elan import Eaf
from websockets.sync.client import connect

from page import uploads
from tests.helpers.colour_network import colour_network, colour_recogniser
from tests.helpers.commands import wait_until
from tests.helpers.site import READ, SENTENCE, colour_film, serve, serve_port, words
from tests.helpers.videos import cut, make_video, ramp, spoil


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"these are words, and no video\n" * 100, "clip.mp4 is no video, has no frames, or its end is missing"),
        (b"\xff\xd8\xff\xe0 and so on", "clip.mp4 is no video"),
    ],
)
def test_what_is_no_video_is_called_by_its_own_name(server, content, message):
    with server.page() as page:
        last = page.read(content)
        assert last["type"] == "failed"
        assert last["message"].startswith(message)
        assert page.get("files/eaf").status_code == 404


def test_a_video_without_frames_is_refused(server, tmp_path):
    empty = spoil(make_video(tmp_path / "none.avi", ramp(1), "mjpeg"), 0).read_bytes()
    with server.page() as page:
        assert "the video none.avi has no frame that can be read" in page.read(empty, "none.avi")["message"]


def test_a_truncated_video_is_read_as_far_as_it_goes_or_refused(server, tmp_path):
    whole = colour_film(tmp_path / "film.mkv", SENTENCE)
    with server.page() as page:
        part = page.read(cut(whole, 0.7).read_bytes(), "film.mkv")
        assert words(part)[0] == READ[0]
        assert any(note.startswith("warning: the file is cut short") for note in part["transcript"]["notes"])
        headless = page.read(cut(colour_film(tmp_path / "film.mp4", SENTENCE), 0.9).read_bytes())
        assert "its end is missing" in headless["message"]
        assert page.get("files/srt").status_code == 200  # what was read before is still there


def test_pictures_that_change_their_size_are_named(server, tmp_path):
    first, second = (make_video(tmp_path / f"{w}.ts", ramp(10, w, 64), codec="mpeg2video") for w in (96, 128))
    with server.page() as page:
        last = page.read(first.read_bytes() + second.read_bytes(), "both.ts")
    assert "the pictures of the video both.ts change from 96x64 to 128x64 pixels at frame" in last["message"]


def test_uploads_are_bounded(server, film, tmp_path, monkeypatch):
    with server.page() as page:
        large = page.upload(b"x" * ((1 << 20) + 1))
        chunks = page.upload(iter([b"x" * (1 << 19)] * 3))  # which says no length
        assert [large.status_code, chunks.status_code] == [413, 413]
        assert "larger than 1 MiB" in large.json()["error"]
        assert page.upload(b"").json()["error"] == "the file is empty: choose a video"
        monkeypatch.setattr(uploads, "SPARE", 1 << 60)
        assert page.upload(film).status_code == 507
        monkeypatch.undo()
        (folder,) = (tmp_path / "files").iterdir()
        assert not list(folder.iterdir())
        assert words(page.read(film)) == READ


def test_a_disk_that_gets_full_is_said(server, film, monkeypatch):
    async def fill(*_):
        raise OSError(28, "No space left on device")

    with server.page() as page:
        with monkeypatch.context() as patch:
            patch.setattr(uploads, "_copy", fill)
            full = page.upload(film)
        assert (full.status_code, "disk of the server is full" in full.json()["error"]) == (507, True)
        page.read(film)
        with monkeypatch.context() as patch:
            patch.setattr("page.site.save_text", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
            assert "; its disk is full" in page.get("files/eaf").json()["error"]
        assert page.get("files/eaf").status_code == 200


def test_an_upload_that_cannot_be_written_for_another_reason_is_no_full_disk(server, film, tmp_path, monkeypatch):
    async def refuse(*_):
        raise OSError(13, "Permission denied")

    monkeypatch.setattr(uploads, "_copy", refuse)
    with server.page() as page:
        refused = page.upload(film)
        assert (refused.status_code, refused.json()["error"]) == (507, "the server cannot go on (Permission denied)")
        (folder,) = (tmp_path / "files").iterdir()
        assert not list(folder.iterdir())


def test_a_slow_or_silent_upload_is_given_up(server, monkeypatch):
    monkeypatch.setattr(uploads, "STALLED", 0.1)
    monkeypatch.setattr(uploads, "SLOWEST", 1 << 40)

    def trickle():
        for _ in range(3):
            time.sleep(0.2)
            yield b"x"

    with server.page() as page:
        assert page.upload(trickle()).status_code == 408


def test_an_upload_that_is_cancelled_on_its_way_is_no_job(film, tmp_path):
    (tmp_path / "files").mkdir()
    with serve_port(tmp_path / "files") as port, connect(f"ws://127.0.0.1:{port}/api/session") as talk:
        id = json.loads(talk.recv(60))["id"]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.putrequest("POST", f"/api/session/{id}/video")
        connection.putheader("Content-Length", str(len(film)))
        connection.endheaders(film[:1000])
        wait_until(lambda: list((tmp_path / "files").glob("*/*")))
        talk.send('{"type": "cancel"}')
        talk.send('{"type": "camera", "action": "start"}')
        assert "cancel that first" in talk.recv(60)  # so it is on its way, and the server has heard of both
        connection.send(film[1000:])
        answer = connection.getresponse()
        assert (answer.status, json.load(answer)) == (409, {"error": "the upload was cancelled"})
        assert not list((tmp_path / "files").glob("*/*"))


def test_an_upload_whose_page_goes_away_is_given_up_at_once(film, tmp_path):
    (tmp_path / "files").mkdir()
    with serve_port(tmp_path / "files") as port:
        with connect(f"ws://127.0.0.1:{port}/api/session") as talk:
            id = json.loads(talk.recv(60))["id"]
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)  # less than that of silence
            connection.putrequest("POST", f"/api/session/{id}/video")
            connection.putheader("Content-Length", str(len(film)))
            connection.endheaders(film[:1000])
            wait_until(lambda: list((tmp_path / "files").glob("*/*")))
        answer = connection.getresponse()
        assert (answer.status, json.load(answer)) == (404, {"error": "the page has been closed"})
        wait_until(lambda: not list((tmp_path / "files").iterdir()))


def test_a_mistake_of_the_program_is_said_and_the_server_lives_on(tmp_path, film, capsys):
    calls = []

    def fail_once(video):
        calls.append(1)
        if len(calls) == 1:
            raise ZeroDivisionError("a mistake")
        return colour_network(video)

    (tmp_path / "files").mkdir()
    with serve(tmp_path / "files", colour_recogniser(fail_once)) as server, server.page() as page:
        assert "made a mistake" in page.read(film)["message"]
        assert words(page.read(film)) == READ
    assert "ZeroDivisionError: a mistake" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["no JSON", "[]", "{}", '{"type": 3}', '{"type": "unknown"}', "[" * 900, " " * 2000])
def test_a_message_that_no_page_sends_ends_its_talk(server, text, film):
    with server.page() as page:
        page.talk.send_text(text)
        closed = page.talk.receive()
        assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
    with server.page() as page:
        assert words(page.read(film)) == READ


@pytest.mark.parametrize(
    "path",
    [
        "/static/../model.py", "/static/..%2Fmodel.py", "/static/%2e%2e/%2e%2e/pyproject.toml", "/static//etc/passwd",
        "/static/%2Fetc%2Fpasswd", "/static/..\\model.py", "/static/.", "/etc/passwd", "/api/session/../../etc/passwd",
    ],
)  # fmt: skip
def test_no_address_leads_to_a_file(server, path):
    assert server.client.get(path).status_code in {403, 404}


def test_the_name_of_an_upload_is_no_path(server, film, tmp_path):
    before = set(Path.cwd().iterdir())
    with server.page() as page:
        for name in ("../../evil.mp4", "..%5C..%5Cevil.mp4", "%2Fetc%2Fpasswd", "a%00b%0A.mp4", "pyproject.toml", ""):
            page.read(film, name)
            said = json.loads(page.get("files/json").text)["video"]
            assert not {"/", "\\", "\0", "\n"} & set(said.replace("\\x00", "").replace("\\x0A", ""))
            assert not Eaf(file_path=str(save(tmp_path, page.get("files/eaf").content))).media_descriptors
    assert set(Path.cwd().iterdir()) == before
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("holiday%E2%80%AEgpj.mp4", "holidaygpj.mp4"),  # which would be shown as "holiday4pm.jpg"
        ("%E2%80%8F%E2%81%A6a.mp4", "a.mp4"),
        ("a%0Ab.mp4", r"a\x0Ab.mp4"),
        ("%E2%80%AE", "video"),
        ("x" * 5000, "x" * 100 + "..."),
        ("%FF%FE", "\ufffd\ufffd"),
    ],
)
def test_names_are_shown_as_they_are(sent, shown):
    assert uploads.read_name(sent) == shown


def test_a_temporary_folder_that_was_removed_is_made_again(server, film, tmp_path):
    with server.page() as page:
        page.read(film)
        shutil.rmtree(tmp_path / "files")
        assert page.get("files/srt").status_code == 200
        assert "clip.mp4" in page.get("files/mp4").json()["error"]
        assert words(page.read(film)) == READ
        shutil.rmtree(tmp_path / "files")
        with server.page() as other:
            assert words(other.read(film)) == READ
    wait_until(lambda: not list((tmp_path / "files").iterdir()))


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PUT", "DELETE", "PATCH", "NONSENSE"])
def test_methods_that_are_not_there_are_refused(server, method):
    for path, allowed in (("/", {"GET", "HEAD"}), ("/api/model", {"GET", "HEAD"}), ("/api/session/x/video", {"POST"})):
        answer = server.client.request(method, path)
        assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (405, allowed)
        assert method not in answer.text


def save(folder: Path, content: bytes) -> Path:
    (folder / "saved.eaf").write_bytes(content)
    return folder / "saved.eaf"
