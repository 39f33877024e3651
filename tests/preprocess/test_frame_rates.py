"""The frame rate of a corpus: found in preparation, kept in the manifest, made one where clips differ."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from dataset.frames import list_frame_files, read_frames
from dataset.manifest import Manifest
from preprocess.corpora.corpus import PreparationError
from preprocess.images import ClipToResize, resize_clip
from preprocess.options import parse_args
from preprocess.prepare import prepare
from tests.helpers import corpora as tiny
from tests.helpers.commands import prepare_by_command

HEADER = "id,path,signer,glosses,split"


def grey_video(path: Path, frames: int, rate: float) -> Path:
    """Frame n has the grey value 8 n."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"mp4v"), rate, (64, 48))
    for number in range(frames):
        writer.write(np.full((48, 64, 3), 8 * number, np.uint8))
    writer.release()
    return path


def grey_numbers(folder: Path) -> list[int]:
    """Which frames of a grey video or folder lie there now."""
    return [round(float(frame.mean()) / 8) for frame in read_frames(folder)]


def video_corpus(root: Path, *rates: float, frames: int = 30) -> Path:
    """A clip of each rate; the second is dev, all others are train."""
    for number, rate in enumerate(rates):
        grey_video(root / f"{number}.mp4", frames, rate)
    rows = [f"c{n},{n}.mp4,Anna,DU,{'dev' if n == 1 else 'train'}" for n in range(len(rates))]
    tiny.write_lines(root / "labels.csv", HEADER, *rows)
    return root


def rates_of(output: Path) -> list[float | None]:
    return [Manifest.load(output / f"{split}.json").frame_rate for split in ("train", "dev")]


@pytest.mark.parametrize(("rates", "found"), [((30, 30), 30), ((29.97, 30, 30.1), 30), ((50, 50), 50)])
def test_videos_say_their_rate(tmp_path, rates, found):
    prepared = prepare("custom", video_corpus(tmp_path / "in", *rates), tmp_path / "out", True, frame_size=32)
    assert rates_of(tmp_path / "out") == [pytest.approx(found, abs=0.02)] * 2
    assert f"{found} frames a second" in prepared.notes


def test_released_corpora_whose_rate_is_known_and_those_that_do_not_say_it(tmp_path):
    for name, rate in (("phoenix2014", 25), ("phoenix2014-T", 25), ("CSL", None), ("CSL-Daily", None)):
        prepared = prepare(name, tiny.BUILDERS[name](tmp_path / name), tmp_path / f"{name}-out")
        assert rates_of(tmp_path / f"{name}-out") == [rate, rate]
        assert any("images do not say their frame rate: times are counted at 25" in n for n in prepared.notes) == (
            rate is None
        )
        if rate is None:
            assert "frame_rate" not in json.loads((tmp_path / f"{name}-out/train.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("process_image", [True, False])
def test_the_rate_of_images_can_be_said(tmp_path, process_image):
    root, out = tiny.custom(tmp_path / "in"), tmp_path / "out"
    prepare("custom", root, out, process_image, frame_size=32, image_fps=30.0)
    assert rates_of(out) == [30, 30]


def test_finished_clips_keep_their_rate_also_those_of_earlier_versions(tmp_path, monkeypatch):
    root, out = video_corpus(tmp_path / "in", 30, 30), tmp_path / "out"
    prepare("custom", root, out, True, frame_size=32)
    marker = out / "frames/train/c0/.source.json"
    known = json.loads(marker.read_text())
    assert known.pop("rate") == pytest.approx(30)
    marker.write_text(json.dumps(known))  # as an earlier version wrote it
    assert prepare("custom", root, out, True, frame_size=32).resized == 0
    assert rates_of(out) == [30, 30]
    monkeypatch.setattr("preprocess.finished_clips.open_video", lambda *_, **__: pytest.fail("decoded once more"))
    assert prepare("custom", root, out, True, frame_size=32).resized == 0
    assert rates_of(out) == [30, 30]


def test_unlike_rates_are_refused_with_the_remedy_which_works(tmp_path):
    root, out = video_corpus(tmp_path / "in", 25, 25, 30), tmp_path / "out"
    with pytest.raises(PreparationError, match=r"1 clip of 30 where 25 frames.* \(c2\): resample .*--fps 25"):
        prepare("custom", root, out, True, frame_size=32)
    assert not list(out.glob("*.json"))
    root = video_corpus(tmp_path / "in", 30, 30, 24, 60)
    with pytest.raises(PreparationError, match=r"1 clip of 24, 1 clip of 60 .*\(c2, c3\).*--fps 25.* or --fps 30"):
        prepare("custom", root, out, True, frame_size=32)
    prepared = prepare("custom", root, out, True, frame_size=32, fps=25.0)
    assert rates_of(out) == [25, 25]
    assert "25 frames a second (resampled: --fps)" in prepared.notes
    assert [clip.num_frames for manifest in prepared.manifests for clip in manifest.clips] == [25, 31, 12, 25]
    assert prepare("custom", root, out, True, frame_size=32, fps=25.0).resized == 0
    assert (
        prepare("custom", video_corpus(tmp_path / "in", 30, 30), out, True, frame_size=32).resized == 2
    )  # whole again


@pytest.mark.parametrize(
    ("rate", "fps", "kept"),
    [
        (30, 25, [0, 1, 2, 4, 5, 6, 7, 8, 10, 11]),  # at 0, 40, 80, 120 ... ms; frames come at 0, 33, 67, 100 ...
        (50, 25, [0, 2, 4, 6, 8, 10]),
        (12.5, 25, [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 11]),
    ],
)
def test_which_frames_are_taken_of_videos_and_of_images(tmp_path, rate, fps, kept):
    video = grey_video(tmp_path / "clip.mp4", 12, rate)
    images = tmp_path / "images"
    images.mkdir()
    for number in range(12):
        cv2.imwrite(str(images / f"image{number}.png"), np.full((48, 64, 3), 8 * number, np.uint8))
    for source in (video, images):
        target = tmp_path / f"out-{source.stem}"
        outcome = resize_clip(ClipToResize(source, target, rate, fps), 32)
        assert (outcome.num_frames, outcome.rate, outcome.written) == (len(kept), fps, True)
        assert grey_numbers(target) == kept
        assert resize_clip(ClipToResize(source, target, rate, fps), 32) == (
            type(outcome)(len(kept), fps, written=False)
        )
    assert {path.suffix for path in list_frame_files(tmp_path / "out-images")} == {".png"}


def test_images_can_only_be_resampled_if_their_rate_is_known(tmp_path):
    root = tiny.custom(tmp_path / "in")
    with pytest.raises(PreparationError, match=r"images do not say when they were taken: .*--image-fps"):
        prepare("custom", root, tmp_path / "out", True, frame_size=32, fps=25.0)
    prepared = prepare("custom", root, tmp_path / "out", True, frame_size=32, fps=25.0, image_fps=50.0)
    before = prepare("custom", root, tmp_path / "all", True, frame_size=32)
    counts = [[clip.num_frames for m in corpus.manifests for clip in m.clips] for corpus in (prepared, before)]
    assert counts[0] == [round(count / 2) for count in counts[1]]


def test_images_beside_videos_are_counted_like_these(tmp_path):
    root = video_corpus(tmp_path / "in", 30, 30)
    tiny.write_clip(root / "images", "{:d}.png")
    with (root / "labels.csv").open("a") as table:
        table.write("c9,images,Anna,DU,train\n")
    prepared = prepare("custom", root, tmp_path / "out", True, frame_size=32)
    assert rates_of(tmp_path / "out") == [30, 30]
    (note,) = [note for note in prepared.notes if "1 clip of images" in note]
    assert "counted at 30 a second like the others; --image-fps says another" in note


def test_the_command(tmp_path, capsys):
    root, out = video_corpus(tmp_path / "in", 30, 25), tmp_path / "out"
    assert prepare_by_command(root, out, "--process-image", dataset="custom") == 1
    assert "--fps 25" in capsys.readouterr().err
    assert prepare_by_command(root, out, "--process-image", "--fps", "25", dataset="custom") == 0
    assert "- 25 frames a second (resampled: --fps)" in capsys.readouterr().out


@pytest.mark.parametrize("fps", ["0", "-25", "nan", "inf", "1001", "fast"])
def test_impossible_rates(fps, capsys):
    for option in ("--fps", "--image-fps"):
        with pytest.raises(SystemExit):
            parse_args(["--dataset", "custom", "--process-image", option, fps])
        assert "must be a number of frames a second, at most 1000" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parse_args(["--dataset", "custom", "--fps", "25"])
    assert "--fps resamples the frames that --process-image writes" in capsys.readouterr().err


# The doctor


def test_the_doctor_names_unlike_rates_and_the_remedy(tmp_path, diagnose):
    root, out = video_corpus(tmp_path / "in", 25, 25, 30), tmp_path / "out"
    before = diagnose("custom", root)
    assert (before.status, before.verdicts["corpus: frame rates"]) == (1, "error")
    assert "1 clip of 30 where 25 frames a second is usual" in before.rows["corpus: frame rates"]
    assert "--fps 25" in before.rows["corpus: frame rates"]
    prepare("custom", root, out, True, fps=25.0)
    after = diagnose("custom", root)
    assert after.status == 0
    assert "corpus: frame rates" not in after.verdicts
    assert after.verdicts["prepared: of this corpus"] == "ok"  # resampling has changed the numbers of frames
    shutil.rmtree(out / "frames/train/c0/")
    assert "--process-image --fps 25" in diagnose("custom", root).text.partition("To prepare again")[2]


def test_the_doctor_on_corpora_that_earlier_versions_prepared(tmp_path, diagnose):
    root, out = video_corpus(tmp_path / "in", 30, 30), tmp_path / "out"
    prepare("custom", root, out, True)
    assert "corpus: frame rates" not in diagnose("custom", root).verdicts
    for path in out.glob("*.json"):
        content = json.loads(path.read_text())
        del content["frame_rate"]
        path.write_text(json.dumps(content))
    late = diagnose("custom", root)
    assert (late.status, late.verdicts["corpus: frame rates"]) == (0, "warning")
    assert "30 frames a second" in late.rows["corpus: frame rates"]
    grey_video(root / "0.mp4", 30, 50)  # what it was prepared from had unlike rates
    late = diagnose("custom", root)
    assert (late.status, late.verdicts["corpus: frame rates"]) == (1, "error")


def test_the_doctor_on_splits_of_unlike_rates(tmp_path, diagnose):
    root, out = tiny.custom(tmp_path / "in"), tmp_path / "out"
    prepare("custom", root, out, True, image_fps=30.0)
    content = json.loads((out / "dev.json").read_text())
    (out / "dev.json").write_text(json.dumps(content | {"frame_rate": 25.0}))
    found = diagnose("custom", root)
    assert found.verdicts["prepared: manifests"] == "error"
    assert "unlike frame rates: train 30.0, dev 25.0" in found.rows["prepared: manifests"]
    assert "--image-fps 30" in found.text.partition("To prepare again")[2]
