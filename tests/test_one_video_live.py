"""The command line for a camera, which is none here, and for a file that is played as if live."""

import json
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from pympi.Elan import Eaf

import test_one_video
from dataset.frames import read_frames
from dataset.manifest import Manifest
from evaluation.ctm import read_ctm
from evaluation.inference import frame_source, read_live
from evaluation.inference.live import LiveRecogniser
from evaluation.inference.live_speed import Speed
from tests.helpers.cameras import FakeCapture, put_cameras
from tests.helpers.commands import run_python, start_python
from tests.helpers.videos import make_video
from utils.errors import InputError

HEAD = ["start", "end", "confidence", "gloss"]


@pytest.fixture(scope="module")
def frames(prepared) -> list[np.ndarray]:
    """A test clip, several times."""
    return list(read_frames(prepared / Manifest.load(prepared / "test.json").clips[0].folder)) * 6


@pytest.fixture(scope="module")
def movie(frames, tmp_path_factory) -> Path:
    return make_video(tmp_path_factory.mktemp("movie") / "movie.mp4", frames)


@pytest.fixture(scope="module")
def short(frames, tmp_path_factory) -> Path:
    """One second of it."""
    return make_video(tmp_path_factory.mktemp("short") / "short.mp4", frames[:25])


@pytest.fixture
def run(random_checkpoint, monkeypatch):
    """Call the command line, on a machine that is fast."""
    monkeypatch.setattr(read_live, "measure_speed", lambda _: Speed(1e-4, 1e-4))

    def call(*arguments) -> None:
        words = ["--model_path", random_checkpoint, "--device", "cpu", *arguments]
        test_one_video.main(test_one_video.parse_args([str(word) for word in words]))

    return call


@pytest.fixture
def refused(run):
    """Call the command line, which must give up; returns its message."""

    def call(*arguments) -> str:
        with pytest.raises(SystemExit) as stop:
            run(*arguments)
        return str(stop.value)

    return call


def to_bgr(frame):
    return frame[..., ::-1].copy()


def read_rows(printed: str) -> list[list[str]]:
    lines = [line.split() for line in printed.splitlines() if not line.startswith("saved ")]
    assert lines[0] == HEAD
    return lines[1:]


def test_a_file_is_read_live_and_saved(run, short, tmp_path, capsys):
    files = [tmp_path / f"{{name}}.{suffix}" for suffix in ("json", "srt", "eaf", "ctm")]
    run("--live", short, "--save", *files)
    said = capsys.readouterr()
    rows = read_rows(said.out)
    assert rows
    assert [line for line in said.out.splitlines() if line.startswith("saved ")] == [
        f"saved {file.with_stem('short')}" for file in files
    ]
    assert "this network is not calibrated" in said.err
    assert "frames a second: all 25 are taken" in said.err
    assert "windows of 100 frames (--max-frames-num), one every 8 (--hop), lookahead 16" in said.err
    saved = json.loads((tmp_path / "short.json").read_text())
    assert [
        [f"{of['start']:.2f}", f"{of['end']:.2f}", f"{of['confidence']:.2f}", of["gloss"]] for of in saved["words"]
    ] == rows
    assert saved["video"] == str(short)
    assert list(read_ctm(tmp_path / "short.ctm")[0].glosses) == [row[3] for row in rows]
    assert Eaf(str(tmp_path / "short.eaf")).get_linked_files()[0]["MEDIA_URL"] == f"file://{short}"


def test_windows_can_be_chosen(run, short, capsys):
    run("--live", short, "--max-frames-num", "48", "--hop", "12", "--lookahead", "20")
    assert "windows of 48 frames (--max-frames-num), one every 12 (--hop), lookahead 20" in capsys.readouterr().err


def test_a_file_is_read_by_the_rule_of_a_stream_and_gives_the_same(run, short, tmp_path, capsys):
    # One window at most is due before the end, so that a machine which is busy leaves none out.
    rule = ["--max-frames-num", "48", "--hop", "24", "--lookahead", "8"]
    run("--live", short, *rule, "--save", tmp_path / "live.ctm")
    capsys.readouterr()
    run("--video_path", short, "--window", *rule, "--save", tmp_path / "file.ctm")
    assert "2 overlapping windows of 48 frames, every 24 frames, with a lookahead of 8" in capsys.readouterr().out
    (live,), (file,) = read_ctm(tmp_path / "live.ctm"), read_ctm(tmp_path / "file.ctm")
    assert live.words
    assert [word.gloss for word in live.words] == [word.gloss for word in file.words]


def test_windows_that_do_not_serve_are_refused_and_nothing_is_promised_of_them(refused, short, capsys):
    assert "a hop of 500 and a lookahead of 8 frames are more than a window of " in refused(
        "--live", short, "--hop", "500"
    )
    assert "this machine reads" not in capsys.readouterr().err


def test_glosses_that_are_not_sure_enough_are_left_out(run, short, capsys):
    run("--live", short, "--min-confidence", "1")
    assert read_rows(capsys.readouterr().out) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_camera_is_read_until_it_is_stopped_and_nothing_is_lost(run, frames, tmp_path, monkeypatch, capsys, number):
    def give():
        yield from map(to_bgr, frames[:60])
        os.kill(os.getpid(), number)

    put_cameras(monkeypatch, FakeCapture(give(), rate=50))
    with pytest.raises(SystemExit) as stop:
        run("--camera", "3", "--save", tmp_path / "{name}.eaf", tmp_path / "all.ctm")
    assert stop.value.code == 128 + number
    said = capsys.readouterr()
    assert f"interrupted by {signal.Signals(number).name}; everything is saved" in said.err
    glosses = [row[3] for row in read_rows(said.out)]
    assert glosses
    (entry,) = read_ctm(tmp_path / "all.ctm")
    assert (entry.id, list(entry.glosses)) == ("camera3", glosses)
    eaf = Eaf(str(tmp_path / "camera3.eaf"))
    assert [of[2] for of in sorted(eaf.get_annotation_data_for_tier("gloss"))] == glosses
    assert eaf.get_linked_files() == []  # no recording


@pytest.mark.parametrize("again", [False, True])
def test_ctrl_c_again_and_again_ends_at_once_but_not_before_all_is_saved(
    run, frames, tmp_path, monkeypatch, capsys, again
):
    """The second one comes while the last window is read, or while files are saved; more come for each file."""

    def interrupt():
        os.kill(os.getpid(), signal.SIGINT)

    def give():
        yield from map(to_bgr, frames[:60])
        interrupt()

    def finish(self):
        if again:
            interrupt()
        return end(self)

    def save_slowly(*given):
        interrupt(), interrupt()
        return save(*given)

    end, save = LiveRecogniser.finish, read_live.save_transcript
    monkeypatch.setattr(LiveRecogniser, "finish", finish)
    monkeypatch.setattr(read_live, "save_transcript", save_slowly)
    put_cameras(monkeypatch, FakeCapture(give(), rate=50))
    with pytest.raises(SystemExit) as stop:
        run("--camera", "0", "--save", tmp_path / "talk.txt", tmp_path / "talk.srt")
    assert stop.value.code == ("interrupted" if again else 128 + signal.SIGINT)
    said = capsys.readouterr()
    glosses = [row[3] for row in read_rows(said.out)]
    assert glosses
    assert (tmp_path / "talk.txt").read_text().split() == glosses
    assert (tmp_path / "talk.srt").exists()


def test_a_camera_that_stays_away_ends_and_what_was_read_is_saved(run, frames, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(frame_source, "GIVE_UP", 0.2)
    monkeypatch.setattr(frame_source, "PAUSE", 0.01)
    larger = [np.repeat(frame, 2, axis=1) for frame in frames[50:60]]
    put_cameras(monkeypatch, FakeCapture(map(to_bgr, [*frames[:50], *larger]), rate=50))
    with pytest.raises(SystemExit) as stop:
        run("--camera", "0", "--save", tmp_path / "talk.txt", tmp_path / "talk.json")
    assert stop.value.code == "error: camera 0 gave no frame for 0.2 s, so reading ends here"
    said = capsys.readouterr()
    glosses = [row[3] for row in read_rows(said.out)]
    assert glosses
    assert (tmp_path / "talk.txt").read_text().split() == glosses
    (notice,) = [line for line in said.err.splitlines() if "72x72 pixels, and are 144x72 now" in line]
    assert notice.startswith("at ")
    assert f"warning: {notice}" in json.loads((tmp_path / "talk.json").read_text())["notes"]


def test_a_mistake_while_reading_loses_nothing_that_was_final(run, frames, tmp_path, monkeypatch, capsys):
    def fail(self, now=None):
        if self.finals:
            raise InputError("the network's output is not finite")
        return poll(self, now)

    poll = LiveRecogniser.poll
    monkeypatch.setattr(LiveRecogniser, "poll", fail)
    put_cameras(monkeypatch, FakeCapture(map(to_bgr, frames), rate=50))
    monkeypatch.setattr("evaluation.inference.outputs.check_can_be_written", lambda _: None)
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match="error: the network's output is not finite"):
        run("--camera", "0", "--save", tmp_path / "file" / "talk.srt", tmp_path / "talk.txt")
    said = capsys.readouterr()
    glosses = [row[3] for row in read_rows(said.out)]
    assert glosses
    assert f"error: {tmp_path / 'file' / 'talk.srt'}: " in said.err  # what could not be saved is told too
    assert (tmp_path / "talk.txt").read_text().split() == glosses


def test_files_that_cannot_be_written_are_named_and_the_others_written(run, short, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(
        "evaluation.inference.outputs.check_can_be_written", lambda _: None
    )  # as if it had been a folder
    with pytest.raises(SystemExit) as stop:
        run("--live", short, "--save", tmp_path / "file" / "a.srt", tmp_path / "b.srt")
    assert str(stop.value).startswith(f"error: {tmp_path / 'file' / 'a.srt'}: ")
    assert (tmp_path / "b.srt").exists()


def test_a_process_that_is_stopped_saves_what_it_read(random_checkpoint, movie, tmp_path):
    words = ("--model_path", str(random_checkpoint), "--device", "cpu", "--live", str(movie))
    with start_python(
        "test_one_video.py", *words, "--save", str(tmp_path / "out.txt"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        lines = [process.stdout.readline() for _ in range(3)]  # the head and two glosses
        process.send_signal(signal.SIGINT)
        rest, said = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGINT, said
    assert "interrupted by SIGINT; everything is saved" in said
    rows = read_rows("".join(lines) + rest)
    assert len(rows) >= 2
    assert (tmp_path / "out.txt").read_text().split() == [row[3] for row in rows]


def test_what_a_stream_does_not_go_with(refused, movie, monkeypatch):
    put_cameras(monkeypatch)  # none is opened
    message = refused("--camera", "0", "--overlay", "out.mp4")
    assert message == (
        "error: --overlay cannot go with --camera: the pictures of a camera are not kept, so there is no video to show "
        "glosses in"
    )
    assert "--overlay cannot go with --live: the file with its glosses is written by --video-path" in refused(
        "--live", movie, "--overlay", "out.mp4"
    )
    for source in (("--camera", "0"), ("--live", movie)):
        message = refused(*source, "--sample", "--fps", "10", "--nbest", "3")
        assert [line.split()[0 if line.startswith(" ") else 1] for line in message.splitlines()] == [
            "--sample", "--fps", "--nbest",
        ]  # fmt: skip
    assert "--allow-truncated cannot go with --camera: a camera is no file" in refused(
        "--camera", "0", "--allow-truncated"
    )


def test_what_is_wrong_is_said_before_pytorch_is_loaded(refused, movie, tmp_path, monkeypatch):
    monkeypatch.setattr("evaluation.inference.read_clips.load_recogniser", None)  # never got to
    put_cameras(monkeypatch, *(FakeCapture([], opens=False) for _ in range(9)))
    assert "camera 5 cannot be opened: it is not there" in refused("--camera", "5")
    assert refused("--live", tmp_path / "no.mp4") == f"error: there is no file or folder {tmp_path / 'no.mp4'}"
    for name in "ab":
        make_video(tmp_path / "videos" / f"{name}.mp4", [np.zeros((16, 16, 3), np.uint8)] * 2)
    assert f"{tmp_path / 'videos'} holds 2 clips: name one of them" in refused("--live", tmp_path / "videos")
    assert "out.doc has no suffix that says how to save" in refused("--live", movie, "--save", "out.doc")
    oddly = movie.with_suffix(".srt")
    oddly.write_bytes(movie.read_bytes())
    assert "would be lost" in refused("--live", oddly, "--save", movie.parent / "{name}.srt")
    assert "max_frames_num is 20; at least 48" in refused("--live", movie, "--max-frames-num", "20")
    assert "hop and lookahead go together" in refused("--video_path", movie, "--hop", "8")
    rule = ["--hop", "8", "--lookahead", "12"]
    assert "do not go with --sample" in refused("--video_path", movie, "--sample", *rule)
    for words in (
        ["--camera", "0", "--video_path", "v.mp4"],
        ["--camera", "0", "--live", "v.mp4"],
        [],
        ["--camera", "x"],
    ):
        with pytest.raises(SystemExit):
            test_one_video.parse_args(["--model_path", "m.pt", *words])


def test_a_camera_is_looked_for_without_pytorch():
    names = "evaluation.inference.frame_source, evaluation.inference.live_options"
    code = f"import sys, {names}; print('torch' in sys.modules)"
    assert run_python("-c", code).stdout.strip() == "False"


def test_provisional_glosses_stand_under_the_final_ones_on_a_terminal_only(run, short, monkeypatch, capsys):
    run("--live", short)
    assert "..." not in capsys.readouterr().err.replace("loading PyTorch ...", "")
    monkeypatch.setattr(read_live, "is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "12")
    run("--live", short)
    err = capsys.readouterr().err
    shown = [part for part in err.split("\r") if part.startswith("...")]
    assert shown
    assert max(map(len, shown)) < 12  # one line holds it
    assert err.endswith("\r")  # and it is gone at the end
