"""What is kept of a camera: its pictures with their times, what is made of them, and when they are removed."""

import errno
import io
import shutil
from pathlib import Path
from shutil import disk_usage

import cv2
import numpy as np
import pytest

from dataset.image import decode_image
from dataset.video import open_video
from evaluation.ctm import CtmWord
from evaluation.heat.shown_clip import HeatMap
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.transcript import Transcript
from page.chosen_gloss import draw_heat
from page.recording import NEAREST, Recorder
from page.sessions import Answer
from page.uploads import SPARE
from tests.helpers.colour_network import COLOURS
from tests.helpers.commands import wait_until
from tests.helpers.signing import JPEGS, SIGNED, make_jpeg, send, sign, start, stop
from tests.helpers.site import READ, serve, words

pytestmark = pytest.mark.usefixtures("patient")
FULL = "the disk of the server is full: from 0.0 s on the pictures of the camera are read, but not kept"


def record(path: Path, *pictures: tuple[float, bytes], most: int = 1 << 20):
    """Keep pictures; returns the recording and what was said."""
    said: list[str] = []
    recorder = Recorder(path, most, said.append)
    for time, data in pictures:
        recorder.keep(data, time)
    return recorder.finish(), said


def looks(data: bytes, colour: str) -> bool:
    return bool(np.abs(decode_image(data, "sent").mean((0, 1)) - COLOURS[colour]).max() < 12)


def find_notices(messages: list[dict], text: str) -> list[str]:
    notices = [message["message"] for message in messages if message["type"] == "notice"]
    return [notice for notice in notices if text in notice]


def list_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_pictures_stay_as_they_came_with_their_times_and_sizes(tmp_path):
    turned = make_jpeg("B", 64, 96)
    recording, said = record(tmp_path / "kept", (0.0, JPEGS["R"]), (0.04, JPEGS["G"]), (0.2, turned))
    assert said == []
    assert recording.times == pytest.approx([0, 0.04, 0.2, 0.3])  # the last one for the median of 0.04 and 0.16
    assert recording.rate == pytest.approx(10)
    assert [recording.read_picture(index) for index in (2, 0, 1)] == [turned, JPEGS["R"], JPEGS["G"]]
    assert [frame.shape for frame in recording.frames([0, 2, 2, 1])] == [(64, 96, 3), *[(96, 64, 3)] * 2, (64, 96, 3)]
    assert [recording.find_picture(seconds) for seconds in (0, 0.03, 0.11, 0.13, 9, float("inf"))] == [0, 1, 1, 2, 2, 2]


def test_one_picture_is_a_recording_and_none_is_no_file(tmp_path):
    recording, _ = record(tmp_path / "kept", (0.0, JPEGS["R"]))
    assert recording.times == pytest.approx([0, 0.04])
    assert record(tmp_path / "none") == (None, [])
    assert list_files(tmp_path) == [tmp_path / "kept"]


def test_of_pictures_at_the_same_moment_one_is_kept(tmp_path):
    recording, _ = record(tmp_path / "kept", *((number * NEAREST / 4, JPEGS["R"]) for number in range(9)))
    assert len(recording.times) - 1 == 3
    assert np.diff(recording.times).min() >= NEAREST


def test_once_it_is_full_nothing_more_is_kept_and_that_is_said_once(tmp_path):
    size = len(JPEGS["R"])
    pictures = [(number / 25, JPEGS["R"]) for number in range(4)] + [(1.0, b"small")]
    recording, said = record(tmp_path / "kept", *pictures, most=2 * size + 9)
    assert recording.num_frames == 2
    assert (tmp_path / "kept").stat().st_size == 2 * size
    (message,) = said
    assert message.startswith(f"the recording has reached {(2 * size + 9) / 2**20:g} MiB, and this server keeps no")
    assert "from 0.1 s on the pictures of the camera are read, but not kept" in message


class FullDisk(io.BytesIO):
    def write(self, data):
        super().write(data[:7])
        return 7


def fail(*_: object, **__: object):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("opening", [lambda *_, **__: FullDisk(), fail])
def test_a_disk_that_is_full_is_said_once_and_nothing_is_kept(tmp_path, monkeypatch, opening):
    monkeypatch.setattr(Path, "open", opening)
    recording, said = record(tmp_path / "kept", (0.0, JPEGS["R"]), (0.04, b"small"))
    assert recording is None
    assert [message[: len(FULL)] for message in said] == [FULL]


def test_a_folder_that_cannot_be_written_to_is_no_full_disk(tmp_path):
    recording, said = record(tmp_path / "gone" / "kept", (0.0, JPEGS["R"]))
    assert recording is None
    assert said[0].startswith("the server cannot write (No such file or directory): from 0.0 s on the pictures")


def leave_free(monkeypatch, size: int) -> None:
    """Let the disk have so many bytes left."""
    monkeypatch.setattr("shutil.disk_usage", lambda folder: disk_usage(folder)._replace(free=size))


def test_some_of_the_disk_is_left_free(tmp_path, monkeypatch):
    leave_free(monkeypatch, SPARE + len(JPEGS["R"]))
    assert record(tmp_path / "kept", (0.0, JPEGS["R"]))[0].num_frames == 1
    leave_free(monkeypatch, SPARE + len(JPEGS["R"]) - 1)
    recording, (message,) = record(tmp_path / "none", (0.0, JPEGS["R"]))
    assert recording is None
    assert message.startswith(FULL)


def test_all_that_a_video_has_is_there_after_the_end_of_a_camera(camera, tmp_path, monkeypatch):
    seen = []

    def look(recogniser, clip, request):
        seen.append((recogniser.recognise(clip.frames).glosses, request.target))
        return HeatMap(np.zeros((len(clip.pictures), 2, 2), np.float32), (), (), "")

    monkeypatch.setattr("page.chosen_gloss.compute_heat_map", look)
    sign(camera, begin=77.0)
    transcript = stop(camera)[1]["transcript"]
    assert (transcript["pictures"], transcript["nbest"]) == (True, [])
    for index, (word, colour) in enumerate(zip(transcript["words"], "RB", strict=True)):
        assert word["gloss"] == colour
        middle = (word["start"] + word["end"]) / 2
        assert looks(camera.get(f"picture/{middle:.3f}.jpg").content, colour)
        (stretch,) = camera.get(f"nbest/{index}").json()
        assert pytest.approx(stretch["end"] - stretch["start"], abs=0.05) == 48 / 25  # the window of live reading
        assert stretch["start"] < middle < stretch["end"]
        assert colour in stretch["guesses"][0]["glosses"]
        assert stretch["guesses"][0]["score"] < stretch["guesses"][1]["score"]
        assert camera.get(f"heat/{index}.jpg").content[:3] == b"\xff\xd8\xff"
        assert colour in seen[index][0]
        assert seen[index][1] == f"gloss:{colour}"
    (tmp_path / "made.mp4").write_bytes(camera.get("files/mp4").content)
    made = open_video(tmp_path / "made.mp4", 25)
    assert made.faults == ()
    assert made.times[-1] == pytest.approx(transcript["duration"], abs=0.05)
    for word, colour in zip(transcript["words"], "RB", strict=True):
        index = np.searchsorted(made.times, (word["start"] + word["end"]) / 2) - 1
        (frame,) = made.frames([index])
        assert frame[:320].mean((0, 1)) == pytest.approx(COLOURS[colour], abs=25)


def test_the_recording_begins_with_the_first_picture_that_is_read(camera):
    for number in range(10):
        send(camera, 5 + number / 100, JPEGS["R"][:-9])  # cut short
    sign(camera, begin=6.0)
    transcript = stop(camera)[1]["transcript"]
    assert transcript["words"][0]["start"] == pytest.approx(0.8, abs=0.17)
    assert transcript["duration"] == pytest.approx(len(SIGNED) / 25, abs=0.05)
    assert looks(camera.get("picture/0.000.jpg").content, " ")
    assert looks(camera.get("picture/1.120.jpg").content, "R")


def test_a_network_without_gradients_and_requests_for_what_is_not_there(camera):
    assert camera.get("picture/0.jpg").status_code == 404
    sign(camera)
    stop(camera)
    assert camera.get("heat/0.jpg").json()["error"].startswith("heat maps need gradients")
    wrong = ["picture/x.jpg", "picture/-1.jpg", "picture/nan.jpg", "nbest/2", "nbest/x", "nbest/" + "9" * 5000]
    assert {camera.get(path).status_code for path in wrong} == {404}
    assert camera.get("picture/" + "9" * 400 + ".jpg").content == JPEGS[" "]


def test_best_guesses_of_a_video_are_read_anew_too_and_it_has_no_single_pictures(server, film):
    with server.page() as page:
        said = page.read(film)["transcript"]
        (again,) = page.get("nbest/1").json()
        assert again["guesses"][0]["glosses"] == said["nbest"][0]["guesses"][0]["glosses"] == ["R", "B"]
        assert page.get("picture/0.jpg").status_code == 404


def test_what_is_not_kept_any_more_is_read_all_the_same(tmp_path):
    (tmp_path / "files").mkdir()
    signed_first = sum(len(JPEGS[colour]) for colour in SIGNED[:44])  # all of R, and nothing of B
    with serve(tmp_path / "files", most=signed_first) as server, server.page() as page:
        sign(start(page))
        messages, last = stop(page)
        assert [word["gloss"] for word in last["transcript"]["words"]] == ["R", "B"]
        (notice,) = find_notices(messages, "not kept")
        assert "from 1.8 s on the pictures of the camera are read, but not kept" in notice
        assert sum(path.stat().st_size for path in list_files(tmp_path / "files")) == signed_first
        assert page.get("nbest/0").json()[0]["guesses"][0]["glosses"] == ["R"]
        for path in ("nbest/1", "heat/1.jpg"):
            answer = page.get(path)
            assert (answer.status_code, answer.json()["error"]) == (409, "its pictures were not kept")
        (tmp_path / "made.mp4").write_bytes(page.get("files/mp4").content)
    assert open_video(tmp_path / "made.mp4", 25).times[-1] == pytest.approx(44 / 25, abs=0.05)


def test_a_camera_of_which_the_disk_holds_nothing_is_read(camera, tmp_path, monkeypatch):
    leave_free(monkeypatch, SPARE)
    sign(camera)
    messages, last = stop(camera)
    assert [word["gloss"] for word in last["transcript"]["words"]] == ["R", "B"]
    assert last["transcript"]["pictures"] is False
    (notice,) = find_notices(messages, "not kept")
    assert notice.startswith(FULL)
    for path in ("files/mp4", "heat/0.jpg", "nbest/0"):
        assert camera.get(path).json()["error"] == "no picture of the camera was kept"
    assert camera.get("picture/0.jpg").status_code == 404
    assert list_files(tmp_path / "files") == []


def test_a_camera_is_kept_where_the_temporary_folder_was_removed(server, tmp_path):
    with server.page() as page:
        shutil.rmtree(tmp_path / "files")
        sign(start(page), "R" * 20)
        assert stop(page)[1]["transcript"]["pictures"] is True
        assert page.get("picture/0.jpg").content == JPEGS["R"]


def test_a_recording_goes_with_the_next_one_and_with_its_page(server, film, tmp_path):
    files = tmp_path / "files"
    with server.page() as page:
        sign(start(page), "R" * 20)
        stop(page)
        (first,) = list_files(files)
        assert page.get("files/mp4").status_code == 200
        assert len(list_files(files)) == 2
        sign(start(page), "B" * 20)
        assert page.get("picture/0.jpg").content == JPEGS["R"]  # until the next one has been read
        stop(page)
        (second,) = list_files(files)  # the video with the first one's glosses has gone too
        assert second != first
        assert page.get("picture/0.jpg").content == JPEGS["B"]
        sign(start(page), "G" * 5)
        wait_until(lambda: len(list_files(files)) == 2)
        page.say(type="cancel")
        page.wait_for("cancelled")
        wait_until(lambda: list_files(files) == [second])
        assert words(page.read(film)) == READ
        assert second not in list_files(files)
        sign(start(page), "G" * 5)
    wait_until(lambda: not list(files.iterdir()))


def test_the_heat_of_a_gloss_while_a_telephone_is_turned(random_checkpoint, tmp_path):
    recogniser = Recogniser.from_checkpoint(random_checkpoint, "cpu")
    rng = np.random.default_rng(0)
    shapes = [(48, 64, 3)] * 20 + [(64, 48, 3)] * 20
    noise = [cv2.imencode(".jpg", rng.integers(0, 256, shape, np.uint8))[1].tobytes() for shape in shapes]
    recording, _ = record(tmp_path / "kept", *((number / 25, data) for number, data in enumerate(noise)))
    word = CtmWord(recogniser.vocabulary.glosses[0], 0.6, 0.4, 0.9)
    transcript = Transcript("camera", Path("camera"), 1.6, 25, 40, 40, (word,), (), ())
    data = draw_heat(Answer(transcript, recording), recogniser, 0, lambda: None)
    assert decode_image(data, "drawn").shape[1] % 5 == 0  # five pictures of one size, side by side
