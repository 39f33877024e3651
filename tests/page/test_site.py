"""A page from its opening to its end: videos, and what is made of them."""

import dataclasses

from pympi.Elan import Eaf

from evaluation.ctm import read_ctm
from evaluation.inference.recogniser import Recogniser
from page.downloads import KINDS, save_video
from tests.helpers.commands import wait_until
from tests.helpers.site import READ, SENTENCE, colour_film, serve, words
from tests.helpers.videos import make_video, ramp


def test_a_video_is_read_and_the_page_is_told_how_far_that_is(server, film):
    with server.page() as page:
        assert page.upload(film, "my%20clip.mp4").status_code == 202
        messages = page.wait_for("transcript")
    assert [message["type"] for message in messages] == ["queue", "reading", "transcript"]
    assert messages[0] == {"type": "queue", "place": 0, "length": 1}
    assert messages[1] == {"type": "reading", "part": 0, "parts": 1}
    assert words(messages[-1]) == READ
    transcript = messages[-1]["transcript"]
    assert (transcript["name"], transcript["rate"], transcript["duration"]) == ("my clip", 25, 2)
    assert transcript["nbest"][0]["guesses"][0]["glosses"] == ["R", "B"]
    assert transcript["notes"][0].startswith("96x64 pixels at 72x72")


def test_a_long_video_is_read_in_windows(server, tmp_path):
    with server.page() as page:
        page.upload(colour_film(tmp_path / "long.mp4", "R" * 20 + " " * 400 + "G" * 20).read_bytes())
        messages = page.wait_for("transcript")
    assert [m for m in messages if m["type"] == "reading"] == [
        {"type": "reading", "part": part, "parts": 2} for part in range(2)
    ]
    assert [gloss for gloss, *_ in words(messages[-1])] == ["R", "G"]


def test_a_video_of_another_frame_rate_is_read_at_that_of_the_training(server, tmp_path):
    fast = colour_film(tmp_path / "fast.mp4", "".join(2 * letter for letter in SENTENCE), rate=50)
    with server.page() as page:
        message = page.read(fast.read_bytes())
    assert words(message) == READ
    assert "50 frames at 25 a second, each the nearest of the video's" in message["transcript"]["notes"]


def test_downloads_hold_what_was_read_and_no_path_of_this_machine(server, film, tmp_path):
    with server.page() as page:
        page.read(film, "%E4%BD%A0%E5%A5%BD%20clip.mp4")
        found = {kind: page.get(f"files/{kind}") for kind in ("eaf", "srt", "vtt", "json", "ctm")}
    assert {answer.status_code for answer in found.values()} == {200}
    assert found["srt"].headers["content-disposition"] == "attachment; filename*=UTF-8''%E4%BD%A0%E5%A5%BD%20clip.srt"
    assert found["srt"].text == "1\n00:00:00,320 --> 00:00:00,960\nR\n\n2\n00:00:01,280 --> 00:00:01,760\nB\n"
    assert found["vtt"].text.startswith("WEBVTT\n\n00:00:00.320 --> 00:00:00.960\nR\n")
    assert found["json"].json()["video"] == "你好 clip.mp4"
    for kind, answer in found.items():
        assert str(tmp_path) not in answer.text
        (tmp_path / f"found.{kind}").write_bytes(answer.content)
    eaf = Eaf(str(tmp_path / "found.eaf"))
    assert sorted(eaf.get_annotation_data_for_tier("gloss")) == [(320, 960, "R"), (1280, 1760, "B")]
    assert eaf.media_descriptors == []
    (entry,) = read_ctm(tmp_path / "found.ctm")
    assert (entry.id, entry.glosses) == ("你好_clip", ("R", "B"))


def test_the_video_with_its_glosses_is_written_once_for_each_answer(server, film, tmp_path, monkeypatch):
    written = []

    def count(*arguments):
        written.append(arguments)
        return save_video(*arguments)

    monkeypatch.setattr("page.site.save_video", count)
    with server.page() as page:
        page.read(film)
        whole = page.get("files/mp4").content
        part = page.client.get(f"/api/session/{page.id}/files/mp4", headers={"Range": "bytes=100-199"})
        assert (part.status_code, part.content, len(written)) == (206, whole[100:200], 1)
        page.read(colour_film(tmp_path / "green.mp4", "G" * 12).read_bytes())
        assert not list((tmp_path / "files").glob("*/*.mp4"))  # the one of the answer before
        assert page.get("files/mp4").content != whole
        assert len(written) == 2


def test_transcripts_are_not_left_on_the_disk(server, film, tmp_path):
    with server.page() as page:
        page.read(film)
        assert all(page.get(f"files/{kind}").content for kind in KINDS if kind != "mp4")
        assert len([path for path in (tmp_path / "files").rglob("*") if path.is_file()]) == 1  # the video


def test_nothing_is_made_for_a_page_that_went_away_while_it_waited(server, film, monkeypatch):
    made = []
    monkeypatch.setattr("page.site.save_video", lambda *arguments: made.append(arguments))
    with server.page() as page:
        page.read(film)
        (session,) = server.site.sessions._open.values()
        monkeypatch.setattr(session.ended, "is_set", lambda: True)
        assert page.get("files/mp4").status_code == 409
    assert not made


def test_the_video_of_an_answer_that_was_replaced_while_it_was_written_is_not_kept(server, film, tmp_path, monkeypatch):
    def write_late(answer, path, check):
        (session,) = server.site.sessions._open.values()
        path.write_bytes(b"of the answer before")
        session.answer = dataclasses.replace(answer)
        return ""

    with server.page() as page:
        page.read(film)
        with monkeypatch.context() as patch:
            patch.setattr("page.site.save_video", write_late)
            answer = page.get("files/mp4")
        assert (answer.status_code, answer.json()) == (409, {"error": "another video has been read since"})
        assert not list((tmp_path / "files").glob("*/*.mp4"))
        assert page.get("files/mp4").status_code == 200


def test_the_video_with_its_glosses_has_all_frames_and_a_band(server, film, tmp_path):
    with server.page() as page:
        page.read(film)
        answer = page.get("files/mp4")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
    (tmp_path / "glosses.mp4").write_bytes(answer.content)
    from dataset.video import open_video

    made = open_video(tmp_path / "glosses.mp4", 25)
    assert made.num_frames == len(SENTENCE)
    assert next(made.frames([0])).shape[0] > 320  # 64 pixels enlarged five times, and the band


def test_letters_that_no_font_has_are_said(server, film, monkeypatch):
    def write(video, words, path):
        path.write_bytes(b"a video")
        return f"In {path} boxes stand for them"

    monkeypatch.setattr("page.downloads.write_overlay", write)
    with server.page() as page:
        page.read(film)
        wait_until(lambda: not server.site.queue._jobs)  # else the page is told that it waits for the reading
        assert page.get("files/mp4").status_code == 200
        assert page.wait_for("notice")[-1]["message"] == "In glosses.mp4 boxes stand for them"


def test_the_heat_map_of_a_gloss_is_a_picture(random_checkpoint, tmp_path):
    (tmp_path / "files").mkdir()
    video = make_video(tmp_path / "ramp.mp4", ramp(40)).read_bytes()
    with (
        serve(tmp_path / "files", Recogniser.from_checkpoint(random_checkpoint, "cpu")) as server,
        server.page() as page,
    ):
        count = len(page.read(video)["transcript"]["words"])
        assert count
        answers = [page.get(f"heat/{index}.jpg") for index in (0, count - 1, count, "x", "9" * 5000)]
    assert [answer.status_code for answer in answers] == [200, 200, 404, 404, 404]
    assert answers[0].headers["content-type"] == "image/jpeg"
    assert answers[0].content[:3] == b"\xff\xd8\xff"


def test_a_network_without_gradients_says_that_it_has_no_heat(server, film):
    with server.page() as page:
        page.read(film)
        answer = page.get("heat/0.jpg")
    assert answer.status_code == 409
    assert answer.json()["error"].startswith("heat maps need gradients")


def test_a_second_video_takes_the_place_of_the_first_one(server, film, tmp_path):
    with server.page() as page:
        page.read(film)
        page.read(colour_film(tmp_path / "green.mp4", "G" * 12).read_bytes(), "green.mp4")
        assert "G" in page.get("files/srt").text
        wait_until(lambda: len([path for path in (tmp_path / "files").rglob("*") if not path.suffix]) == 2)
    wait_until(lambda: not list((tmp_path / "files").iterdir()))


def test_a_model_that_is_replaced_is_said_once(tmp_path, film):
    (tmp_path / "files").mkdir()
    model = tmp_path / "best.pt"
    model.write_bytes(b"old")
    with serve(tmp_path / "files", model=model) as server:
        with server.page() as page:
            assert page.read(film)["type"] == "transcript"
            model.write_bytes(b"newer")
            page.upload(film)
            notices = [m for m in page.wait_for("transcript") if m["type"] == "notice"]
            assert len(notices) == 1
            assert "the model best.pt has been replaced" in notices[0]["message"]
            page.upload(film)
            assert not [m for m in page.wait_for("transcript") if m["type"] == "notice"]
        model.unlink()
        with server.page() as page:
            assert "replaced or removed" in page.wait_for("notice")[-1]["message"]


def test_the_page_is_told_of_the_model_without_the_way_to_it(server):
    said = server.client.get("/api/model").json()
    assert (said["name"], said["glosses"], said["max_upload"]) == ("model.pt", 23, 1 << 20)
    assert said["formats"] == ["eaf", "srt", "vtt", "json", "ctm", "mp4"]
