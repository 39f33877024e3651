"""The format of prepared frames, for every corpus, and another one in a folder that has frames already."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from dataset.frames import list_frame_files, read_frames
from dataset.manifest import Manifest
from preprocess.corpora.corpus import PreparationError
from preprocess.corpora.registry import CORPORA
from preprocess.doctor import CorpusToExamine
from preprocess.finished_clips import ClipToResize
from preprocess.images import encode_frame, resize_clip
from preprocess.options import parse_args
from preprocess.pack import pack
from preprocess.prepare import prepare
from tests.helpers import corpora as tiny

SIZE = 64


def list_frames(output: Path) -> list[Path]:
    manifests = [Manifest.load(path) for path in sorted(output.glob("*.json"))]
    return [path for m in manifests for clip in m.clips for path in list_frame_files(m.clip_folder(clip))]


@pytest.mark.parametrize("name", CORPORA)
@pytest.mark.parametrize(("wanted", "start"), [("png", b"\x89PNG"), ("jpg", b"\xff\xd8\xff")])
def test_every_corpus_in_either_format(tmp_path, name, wanted, start):
    root = tiny.BUILDERS[name](tmp_path / "corpus")
    prepared = prepare(name, root, tmp_path / "out", True, frame_size=SIZE, image_format=wanted)
    frames = list_frames(tmp_path / "out")
    assert len(frames) == sum(clip.num_frames for manifest in prepared.manifests for clip in manifest.clips)
    assert all(path.read_bytes().startswith(start) for path in frames)
    for path in frames:
        assert (path.suffix.lower() == ".png") == (wanted == "png")
    again = prepare(name, root, tmp_path / "out", True, frame_size=SIZE, image_format=wanted)
    assert again.resized == 0  # all clips are found finished


def test_jpeg_of_png_is_near_and_png_of_it_the_same(tmp_path):
    root = tiny.phoenix2014(tmp_path / "corpus")
    prepare("phoenix2014", root, tmp_path / "png", True, frame_size=SIZE)
    prepare("phoenix2014", root, tmp_path / "jpg", True, frame_size=SIZE, image_format="jpg")
    plain, jpeg = (Manifest.load(tmp_path / kind / "dev.json") for kind in ("png", "jpg"))
    exact, near = (read_frames(manifest.clip_folder(manifest.clips[0])) for manifest in (plain, jpeg))
    encoded = encode_frame(exact[0], ".jpg", SIZE)
    assert np.array_equal(near[0], cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)[..., ::-1])
    assert 0 < np.abs(exact.astype(int) - near).mean() < 12  # of noise, in which nothing is alike
    assert [split.written for split in pack(tmp_path / "jpg")] == [True, True, True]  # the three splits


def test_an_image_of_the_size_is_copied_only_if_it_has_the_format(tmp_path):
    source = tmp_path / "clip"
    source.mkdir()
    image = np.full((SIZE, SIZE, 3), 90, np.uint8)
    for name in ("1.PNG", "2.jpeg", "3.jpg"):
        (source / name).write_bytes(cv2.imencode(Path(name).suffix.lower(), image)[1])
    for wanted, names, copied in (
        (None, ["1.PNG", "2.jpeg", "3.jpg"], [True, True, True]),
        ("png", ["1.PNG", "2.png", "3.png"], [True, False, False]),
        ("jpg", ["1.jpg", "2.jpeg", "3.jpg"], [False, True, True]),
    ):
        target = tmp_path / f"as-{wanted}"
        assert resize_clip(ClipToResize(source, target, image_format=wanted), SIZE).num_frames == 3
        frames = list_frame_files(target)
        assert [path.name for path in frames] == names
        same = [new.read_bytes() == old.read_bytes() for new, old in zip(frames, list_frame_files(source), strict=True)]
        assert same == copied
        assert (read_frames(target) == 90).all()


def test_two_images_that_would_get_one_name_are_an_error(tmp_path):
    source = tmp_path / "clip"
    source.mkdir()
    for suffix in (".png", ".jpg"):
        (source / f"1{suffix}").write_bytes(cv2.imencode(suffix, np.zeros((SIZE, SIZE, 3), np.uint8))[1])
    assert resize_clip(ClipToResize(source, tmp_path / "both"), SIZE).num_frames == 2
    problem = resize_clip(ClipToResize(source, tmp_path / "one", image_format="jpg"), SIZE).problem
    assert "images that differ in their suffix alone" in problem


@pytest.mark.parametrize(
    ("first", "then", "option"), [(None, "jpg", "png"), ("jpg", None, "jpg"), ("jpg", "png", "jpg")]
)
def test_frames_of_another_format_are_left_as_they_are_and_what_to_do_is_said(tmp_path, first, then, option):
    root, output = tiny.phoenix2014(tmp_path / "corpus"), tmp_path / "out"
    prepare("phoenix2014", root, output, True, frame_size=SIZE, image_format=first)
    before = {path: path.read_bytes() for path in sorted(output.rglob("*")) if path.is_file()}
    with pytest.raises(PreparationError, match=f"prepared as .*: add --image-format {option} to go on"):
        prepare("phoenix2014", root, output, True, frame_size=SIZE, image_format=then)
    assert {path: path.read_bytes() for path in sorted(output.rglob("*")) if path.is_file()} == before
    assert prepare("phoenix2014", root, output, True, frame_size=SIZE, image_format=option).resized == 0


def test_an_interrupted_preparation_goes_on_in_its_format(tmp_path):
    root, output = tiny.phoenix2014(tmp_path / "corpus"), tmp_path / "out"
    whole = prepare("phoenix2014", root, output, True, frame_size=SIZE, image_format="jpg")
    clip = whole.manifests[0].clip_folder(whole.manifests[0].clips[0])
    for path in clip.iterdir():
        path.unlink()
    clip.rmdir()
    with pytest.raises(PreparationError, match="--image-format jpg"):
        prepare("phoenix2014", root, output, True, frame_size=SIZE)
    assert prepare("phoenix2014", root, output, True, frame_size=SIZE, image_format="jpg").resized == 1


def test_the_doctor_repeats_the_option(tmp_path):
    root, output = tiny.phoenix2014(tmp_path / "corpus"), tmp_path / "out"
    for wanted, said in (("jpg", " --image-format jpg"), (None, "")):
        prepare("phoenix2014", root, output / str(wanted), True, frame_size=SIZE, image_format=wanted)
        options = CorpusToExamine("phoenix2014", root, output / str(wanted)).prepare_options
        assert options.endswith(f" --process-image --frame-size {SIZE}{said}")


def test_the_option_needs_frames_to_be_written(capsys):
    with pytest.raises(SystemExit):
        parse_args(["--dataset", "CSL", "--image-format", "jpg"])
    assert "--image-format" in capsys.readouterr().err
    assert parse_args(["--dataset", "CSL", "--process-image", "--image-format", "jpg"]).image_format == "jpg"
    assert parse_args(["--dataset", "CSL"]).image_format is None
