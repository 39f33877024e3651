"""The command line for one video or many."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from pympi.Elan import Eaf

import test_one_video
from dataset.frames import list_frame_files, read_frames
from dataset.manifest import Manifest
from dataset.video import open_video
from engine.export import export
from evaluation.ctm import read_ctm
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.transcribe import transcribe
from tests.helpers.commands import run_python
from tests.helpers.videos import cut, make_video
from utils.checkpoint import load_checkpoint, save_checkpoint


@pytest.fixture(scope="module")
def clip(prepared) -> Path:
    """Folder of the images of a test clip."""
    return prepared / Manifest.load(prepared / "test.json").clips[0].folder


@pytest.fixture(scope="module")
def movie(clip, tmp_path_factory) -> Path:
    """The same as a file."""
    return make_video(tmp_path_factory.mktemp("movie") / "movie.mp4", read_frames(clip))


@pytest.fixture
def run(random_checkpoint, capsys):
    """Call the command line; returns what it prints."""

    def call(video, *arguments) -> str:
        words = ["--model_path", random_checkpoint, "--video_path", video, "--device", "cpu", *arguments]
        test_one_video.main(test_one_video.parse_args([str(word) for word in words]))
        return capsys.readouterr().out

    return call


@pytest.fixture
def refused(run):
    """Call the command line, which must give up; returns its message."""

    def call(video, *arguments) -> str:
        with pytest.raises(SystemExit) as stop:
            run(video, *arguments)
        return str(stop.value)

    return call


def table_rows(printed: str) -> list[list[str]]:
    lines = printed.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("gloss "))
    return [line.split() for line in lines[start + 1 :] if line]


def test_a_clip_as_a_table(run, clip, random_checkpoint):
    printed = run(clip)
    found = Recogniser.from_checkpoint(random_checkpoint, "cpu").recognise(clip)
    assert len(found.words) > 1
    assert table_rows(printed) == [
        [word.gloss, f"{word.start:.2f}", f"{word.start + word.duration:.2f}", f"{word.confidence:.2f}"]
        for word in found.words
    ]
    uncalibrated, first, *notes = printed.splitlines()[:4]
    assert "this network is not calibrated" in uncalibrated
    assert first == f"{clip.name}: {found.frames} frames, 25 a second, {found.frames / 25:.2f} s"
    assert notes == ["  72x72 pixels at 72x72", "  images do not say when they were taken: counted as 25 a second"]


def test_the_best_guesses(run, clip):
    lines = run(clip, "--nbest", "3").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("3 best from 0.00 to "))
    scores = [float(line.split()[-1]) for line in lines[start + 1 : start + 4]]
    assert scores == sorted(scores)
    assert len([line for line in lines[start + 1 :] if line]) == 3


def test_a_file_with_everything_that_can_be_written(run, movie, tmp_path):
    files = [tmp_path / f"{{name}}.{suffix}" for suffix in ("json", "srt", "vtt", "eaf", "ctm")]
    printed = run(movie, "--save", *files, "--overlay", tmp_path / "over" / "{name}.mp4")
    assert [line for line in printed.splitlines() if line.startswith("saved ")] == [
        *(f"saved {file.with_stem('movie')}" for file in files),
        f"saved {tmp_path / 'over' / 'movie.mp4'}",
    ]
    words = json.loads((tmp_path / "movie.json").read_text())["words"]
    assert [[word["gloss"], f"{word['start']:.2f}"] for word in words] == [
        row[:2] for row in table_rows(printed) if row[0] != "saved"
    ]
    (entry,) = read_ctm(tmp_path / "movie.ctm")
    assert (entry.id, list(entry.glosses)) == ("movie", [word["gloss"] for word in words])
    eaf = Eaf(str(tmp_path / "movie.eaf"))
    assert len(eaf.get_annotation_data_for_tier("gloss")) == len(words)
    assert eaf.get_linked_files()[0]["MEDIA_URL"] == f"file://{movie}"
    assert (tmp_path / "movie.srt").read_text().count(" --> ") == len(words)
    assert (tmp_path / "movie.vtt").read_text().startswith("WEBVTT\n")
    assert open_video(tmp_path / "over" / "movie.mp4", 25).num_frames == open_video(movie, 25).num_frames


def test_glosses_that_are_not_sure_enough_are_in_no_output(run, clip, random_checkpoint, tmp_path):
    words = Recogniser.from_checkpoint(random_checkpoint, "cpu").recognise(clip).words
    least = sorted(word.confidence for word in words)[len(words) // 2]
    kept = [word.gloss for word in words if word.confidence >= least]
    assert 0 < len(kept) < len(words)
    files = [tmp_path / f"out.{suffix}" for suffix in ("json", "csv", "ctm", "eaf")]
    printed = run(clip, "--min-confidence", repr(least), "--save", *files)
    assert [row[0] for row in table_rows(printed) if row[0] != "saved"] == kept
    left_out = f"below {least:g} left out (--min-confidence)"
    assert left_out in printed
    saved = json.loads(files[0].read_text())
    assert [word["gloss"] for word in saved["words"]] == kept
    assert left_out in saved["notes"][-1]
    assert len(files[1].read_text().splitlines()) == len(kept) + 1
    assert list(read_ctm(files[2])[0].glosses) == kept
    assert len(Eaf(str(files[3])).get_annotation_data_for_tier("gloss")) == len(kept)


def test_flags_with_either_dash(clip):
    words = ["--model-path", "m.pt", "--video-path", str(clip), "--max-frames-num", "100", "--allow-truncated"]
    args = test_one_video.parse_args(words)
    underscores = [f"--{word[2:].replace('-', '_')}" if word.startswith("--") else word for word in words]
    assert args == test_one_video.parse_args(underscores)
    assert (args.model_path, args.max_frames_num, args.allow_truncated) == ([Path("m.pt")], 100, True)
    assert (args.device, args.crop, args.sample, args.fps, args.nbest) == ("auto", "none", False, None, 0)
    saved = test_one_video.parse_args([*words, "--save", "a.srt", "b.vtt", "--save", "c.eaf"]).save
    assert saved == ["a.srt", "b.vtt", "c.eaf"]


def test_a_folder_of_clips_is_read_in_one_go_and_a_bad_one_is_reported(run, refused, movie, tmp_path):
    videos = tmp_path / "videos"
    videos.mkdir()
    for name in ("b10.mp4", "b9.mp4"):
        shutil.copy(movie, videos / name)
    printed = run(videos, "--save", tmp_path / "all.ctm")
    assert [line.split(":")[0] for line in printed.splitlines() if "a second" in line] == ["b9", "b10"]
    (videos / "b1.mp4").write_text("no video")
    message = refused(videos, "--save", tmp_path / "rest.ctm", tmp_path / "{name}.srt")
    assert message.splitlines()[0] == "error: not all of 3 clips could be read and saved"
    assert f"b1: {videos / 'b1.mp4'} is no video" in message
    for name in ("all", "rest"):
        assert [entry.id for entry in read_ctm(tmp_path / f"{name}.ctm")] == ["b9", "b10"]
    assert {file.name for file in tmp_path.glob("*.srt")} == {"b9.srt", "b10.srt"}


def test_a_folder_of_folders(run, prepared, tmp_path):
    split = prepared / "frames" / "test"
    run(split, "--save", tmp_path / "all.ctm")
    clips = {clip.id for clip in Manifest.load(prepared / "test.json").clips}
    assert {entry.id for entry in read_ctm(tmp_path / "all.ctm")} == clips


def test_how_it_is_read_can_be_chosen(run, clip, tmp_path):
    images = list_frame_files(clip)
    (tmp_path / "long").mkdir()
    for number in range(60):
        shutil.copy(images[number % len(images)], tmp_path / "long" / f"{number}.png")
    assert "of 60 frames 20 are read, evenly spaced" in run(tmp_path / "long", "--max_frames_num", "20", "--sample")
    assert "2 overlapping windows of 48 frames" in run(tmp_path / "long", "--max_frames_num", "48")
    assert "2 overlapping windows of 48 frames" in run(tmp_path / "long", "--max_frames_num", "48", "--window")
    assert "30 frames at 12.5 a second" in run(tmp_path / "long", "--fps", "12.5")


@pytest.mark.parametrize("frames", [1, 2])
def test_a_clip_of_very_few_frames(run, clip, tmp_path, frames):
    (tmp_path / "few").mkdir()
    for image in list_frame_files(clip)[:frames]:
        shutil.copy(image, tmp_path / "few")
    printed = run(tmp_path / "few", "--save", tmp_path / "few.srt", "--overlay", tmp_path / "few.mp4")
    assert f"\nfew: {frames} frame" in printed
    assert open_video(tmp_path / "few.mp4", 25).num_frames == frames


def test_a_truncated_file_is_read_only_if_allowed(run, refused, movie, tmp_path):
    path = cut(make_video(tmp_path / "cut.avi", open_video(movie, 25).frames(range(40)), "mjpeg"), 0.6)
    assert refused(path).startswith(f"error: the video {path} is cut short, ")
    assert "warning: the file is cut short, " in run(path, "--allow_truncated")


def test_what_cannot_be_done_is_said_before_anything_is_read(refused, movie, tmp_path, monkeypatch):
    monkeypatch.setattr("evaluation.inference.read_clips.load_recogniser", None)  # never got to
    assert refused(tmp_path / "nowhere.mp4") == f"error: there is no file or folder {tmp_path / 'nowhere.mp4'}"
    (tmp_path / "empty").mkdir()
    assert "holds neither images nor videos" in refused(tmp_path / "empty")
    assert "out.doc has no suffix that says how to save" in refused(movie, "--save", "out.doc")
    assert "out.avi must end in .mp4 or .webm" in refused(movie, "--overlay", "out.avi")
    for name in ("a.mp4", "b.mp4"):
        shutil.copy(movie, tmp_path / name)
    for option, name in (("--save", "out.srt"), ("--overlay", "out.mp4")):
        message = refused(tmp_path, option, name)
        assert message.startswith(f"error: 2 clips cannot all go to {name}: put {{name}} into its name")
    with pytest.raises(SystemExit):
        test_one_video.parse_args(["--model_path", "m.pt", "--video_path", "v.mp4", "--nbest", "-1"])
    assert "fps is -1" in refused(movie, "--fps", "-1")
    assert "max_frames_num is 20; at least 48" in refused(movie, "--window", "--max_frames_num", "20")


def test_files_that_cannot_be_written(refused, movie, tmp_path):
    (tmp_path / "file").touch()
    assert refused(movie, "--save", tmp_path / "file" / "out.srt").startswith("error: ")
    before = movie.read_bytes()
    assert "is a video that is to be read, and would be lost" in refused(movie, "--overlay", movie)
    assert movie.read_bytes() == before


def test_nothing_that_is_read_is_overwritten_or_would_be_read_again(run, refused, movie, clip, tmp_path):
    videos = tmp_path / "videos"
    videos.mkdir()
    shutil.copy(movie, videos / "a.mp4")
    assert "would be lost" in refused(videos, "--overlay", videos / "{name}.mp4")
    message = refused(videos, "--overlay", videos / "{name}-glosses.mp4")
    assert f"lies in {videos}, so it would be read as a clip the next time" in message
    folders = tmp_path / "folders"
    shutil.copytree(clip, folders / "s1")
    assert "as a clip the next time" in refused(folders, "--save", folders / "out" / "{name}.eaf")
    assert f"two of the files would both be {tmp_path}/a.ctm" in refused(
        videos, "--save", tmp_path / "{name}.ctm", tmp_path / "a.ctm"
    )
    run(videos / "a.mp4", "--overlay", videos / "a-glosses.mp4")  # a file named by itself: its folder is not read
    assert (videos / "a.mp4").read_bytes() == movie.read_bytes()
    (tmp_path / "oddly named.srt").write_bytes(movie.read_bytes())
    assert "would be lost" in refused(tmp_path / "oddly named.srt", "--save", tmp_path / "{name}.srt")


def test_clips_that_one_ctm_file_cannot_tell_apart(refused, movie, tmp_path):
    for name in ("a b.mp4", "a_b.mp4"):
        shutil.copy(movie, tmp_path / name)
    message = refused(tmp_path, "--save", "all.ctm")
    assert message == "error: 'a b' and 'a_b' would both be a_b in a CTM file: rename one"


def test_what_was_read_is_kept_whatever_happens_to_the_rest(run, refused, movie, tmp_path, monkeypatch):
    videos = tmp_path / "videos"
    videos.mkdir()
    for name in "abc":
        shutil.copy(movie, videos / f"{name}.mp4")

    def fail_at_b(error):
        def transcribe(recogniser, video, reading, name):
            if name == "b":
                raise error
            return real(recogniser, video, reading, name)

        monkeypatch.setattr("evaluation.inference.read_clips.transcribe", transcribe)

    real = transcribe
    for error, said in (
        (RuntimeError("CUDA out of memory. Tried"), "memory ran out: lower --max_frames_num, now 360 frames at once"),
        (cv2.error("odd"), "OpenCV cannot read it: odd"),
    ):
        fail_at_b(error)
        assert f"b: {said}" in refused(videos, "--save", tmp_path / "all.ctm")
        assert [entry.id for entry in read_ctm(tmp_path / "all.ctm")] == ["a", "c"]
    fail_at_b(KeyboardInterrupt())
    assert refused(videos, "--save", tmp_path / "first.ctm") == "interrupted"
    assert [entry.id for entry in read_ctm(tmp_path / "first.ctm")] == ["a"]
    refused(videos, "--save", tmp_path / "all.ctm")  # which had two clips
    assert [entry.id for entry in read_ctm(tmp_path / "all.ctm")] == ["a"]
    assert [entry.id for entry in read_ctm(tmp_path / "all.ctm.001")] == ["a", "c"]
    fail_at_b(ZeroDivisionError("a mistake of ours"))
    with pytest.raises(ZeroDivisionError):
        run(videos, "--save", tmp_path / "before.ctm")
    assert [entry.id for entry in read_ctm(tmp_path / "before.ctm")] == ["a"]
    monkeypatch.undo()
    (tmp_path / "file").touch()
    for file in ("{name}.srt", "all.ctm"):
        said = refused(videos, "--save", tmp_path / "rest.ctm", tmp_path / "file" / file)
        assert f"cannot be written in {tmp_path / 'file'}: that is no folder" in said
    assert not (tmp_path / "rest.ctm").exists()  # it is known before anything is read
    monkeypatch.setattr("evaluation.inference.outputs.check_can_be_written", lambda _: None)  # as if it were not
    message = refused(videos, "--save", tmp_path / "rest.ctm", tmp_path / "file" / "{name}.srt")
    assert [line.split(":")[0].strip() for line in message.splitlines()[1:]] == ["a", "b", "c"]
    assert len(read_ctm(tmp_path / "rest.ctm")) == 3  # what could not be saved as SRT was read all the same
    message = refused(videos, "--save", tmp_path / "file" / "all.ctm")
    assert message.splitlines()[1].strip().startswith(f"{tmp_path / 'file' / 'all.ctm'}: ")


def test_an_annotation_file_that_someone_worked_on_is_kept(run, movie, tmp_path):
    out = tmp_path / "clip.eaf"
    assert "the older one" not in run(movie, "--save", out) + run(movie, "--save", out)
    theirs = out.read_text().replace('TIER_ID="gloss"', 'TIER_ID="mine"')
    out.write_text(theirs)
    assert f"saved {out}, the older one is now {out}.001" in run(movie, "--save", out)
    assert (tmp_path / "clip.eaf.001").read_text() == theirs
    assert 'TIER_ID="gloss"' in out.read_text()
    out.write_text(theirs + " ")
    assert f"the older one is now {out}.002" in run(movie, "--save", out)
    assert (tmp_path / "clip.eaf.001").read_text() == theirs


def test_checkpoints_that_do_not_serve(random_checkpoint, refused, run, clip, tmp_path):
    assert "there is no checkpoint" in refused(clip, "--model_path", tmp_path / "nowhere.pt")
    assert "model.pt2 was exported for other programs" in refused(clip, "--model_path", "model.pt2")
    (tmp_path / "text.pt").write_text("no checkpoint")
    assert refused(clip, "--model_path", tmp_path / "text.pt").startswith("error: ")
    assert "device 99" in refused(clip, "--device", "99")
    content = load_checkpoint(random_checkpoint)
    (tmp_path / "others.txt").write_text("A\nB\n")
    assert "2 of" in refused(clip, "--dict", tmp_path / "others.txt")
    assert "no gloss dictionary" in refused(clip, "--dict", tmp_path / "nowhere.txt")
    (tmp_path / "own.txt").write_text("".join(f"{gloss}\n" for gloss in content["glosses"]))
    printed = run(clip, "--dict", tmp_path / "own.txt", "--language", "csl-daily")
    assert "was trained on phoenix2014, so its own configuration counts" in printed
    bare = tmp_path / "bare.pt"
    save_checkpoint(bare, {"model_state_dict": content["model_state_dict"]})
    assert "--language" in refused(clip, "--model_path", bare)
    assert "--dict" in refused(clip, "--model_path", bare, "--language", "phoenix")
    message = refused(clip, "--model_path", bare, "--language", "phoenix", "--dict", tmp_path / "others.txt")
    assert "misshapen" in message


def test_an_exported_network_reads_what_the_checkpoint_does(random_checkpoint, run, clip, tmp_path):
    exported = tmp_path / "model.onnx"
    export(Recogniser.from_checkpoint(random_checkpoint, "cpu"), "onnx", exported)
    run(clip)  # takes what the comparison printed
    assert run(clip, "--model_path", exported) == run(clip)
    assert "--device, --language, --dict are ignored" in run(clip, "--model_path", exported, "--language", "csl")


def test_weights_that_are_not_finite_are_no_result(random_checkpoint, refused, clip, tmp_path):
    content = load_checkpoint(random_checkpoint)
    content["model_state_dict"]["classifier.weight"].fill_(float("nan"))
    save_checkpoint(tmp_path / "nan.pt", content)
    assert "values that are not finite" in refused(clip, "--model_path", tmp_path / "nan.pt")


def test_reading_is_the_same_however_the_frames_come(run, clip, tmp_path):
    """Prepared frames, and the same as a lossless video."""
    path = make_video(tmp_path / "clip.avi", read_frames(clip), "ffv1")
    (first, *_) = open_video(path, 25).frames([0])
    assert np.abs(first.astype(int) - read_frames(clip, [0])[0]).mean() < 3
    assert [row[0] for row in table_rows(run(path))] == [row[0] for row in table_rows(run(clip))]


def test_interrupting_needs_no_traceback(refused, clip, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("evaluation.inference.read_clips.load_recogniser", interrupt)
    assert refused(clip) == "interrupted"


def test_help_answers_without_pytorch():
    ask = "try:\n    test_one_video.parse_args(['--help'])\nfinally:\n    print('torch' in sys.modules)"
    code = f"import sys, test_one_video\n{ask}"
    done = run_python("-c", code)
    assert "--video_path PATH, --video-path PATH" in done.stdout
    assert done.stdout.strip().endswith("False")
