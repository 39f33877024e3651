"""Preparation: what it writes, going on after an interruption, and errors."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from dataset.frames import list_frame_files, read_frames
from dataset.manifest import Manifest
from dataset.vocabulary import Vocabulary
from preprocess.corpora.corpus import PreparationError
from preprocess.corpora.registry import CORPORA
from preprocess.options import parse_args
from preprocess.prepare import prepare
from tests.helpers import corpora as tiny
from tests.helpers.commands import prepare_by_command

BUILDERS = tiny.BUILDERS
SIZE = 64
DEV_CLIP = "phoenix-2014-multisigner/features/fullFrame-210x260px/dev/03April_2010_Saturday_heute_default-1/1"


@pytest.fixture
def corpus(tmp_path) -> Path:
    return tiny.phoenix2014(tmp_path / "corpus")


def clip_files(output: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of every image below `output`: what was written again has others."""
    files = sorted(output.glob("frames/*/*/[!.]*"))
    return {str(path.relative_to(output)): (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


@pytest.mark.parametrize("name", CORPORA)
@pytest.mark.parametrize("process_image", [True, False])
def test_everything_agrees_for_every_corpus(tmp_path, name, process_image):
    root, output = BUILDERS[name](tmp_path / "corpus"), tmp_path / "out"
    prepared = prepare(name, root, output, process_image, frame_size=SIZE)
    source = CORPORA[name].read(root)
    vocabulary = Vocabulary.load(output / "gloss_dict.txt")
    assert vocabulary == prepared.vocabulary
    assert [manifest.split for manifest in prepared.manifests] == list(source.splits)
    for split, recordings in source.splits.items():
        manifest = Manifest.load(output / f"{split}.json")
        stm = (output / f"{name}-groundtruth-{split}.stm").read_text(encoding="utf-8").splitlines()
        assert len(manifest.clips) == len(stm) == len(recordings)
        for clip, line, recording in zip(manifest.clips, stm, recordings, strict=True):
            assert clip.id == recording.id
            assert line.startswith(f"{clip.id} 1 {clip.signer} 0.0 1.79769e+308 ")
            assert clip.glosses == recording.glosses
            assert vocabulary.decode(vocabulary.encode(clip.glosses)) == clip.glosses
            frames = read_frames(manifest.clip_folder(clip), size=manifest.frame_size)
            assert frames.shape == (clip.num_frames, SIZE, SIZE, 3)
    assert not (output / "test.json").exists() or name != "CSL"


def test_stm_of_phoenix2014(tmp_path, corpus):
    prepare("phoenix2014", corpus, tmp_path / "out")
    lines = {split: (tmp_path / f"out/phoenix2014-groundtruth-{split}.stm").read_text() for split in ("train", "dev")}
    assert lines["dev"] == "03April_2010_Saturday_heute_default-1 1 Signer04 0.0 1.79769e+308 REGEN SONNE\n"
    labels = [line.split("1.79769e+308 ")[1] for line in lines["train"].splitlines()]
    assert labels == ["NORD WETTER REGEN", "REGEN HEUTE", "WIE-AUSSEHEN MORGEN"]


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_prepared_and_on_the_fly_frames_are_the_same(tmp_path, corpus, suffix):
    """Exactly for PNG; JPEG is written anew, which costs a little."""
    source = corpus / DEV_CLIP
    if suffix == "jpg":
        for path in source.iterdir():
            cv2.imwrite(str(path.with_suffix(".jpg")), cv2.imread(str(path)))
            path.unlink()
    prepare("phoenix2014", corpus, tmp_path / "raw", frame_size=SIZE)
    prepare("phoenix2014", corpus, tmp_path / "resized", process_image=True, frame_size=SIZE)
    raw, resized = (Manifest.load(tmp_path / kind / "dev.json") for kind in ("raw", "resized"))
    assert raw.clip_folder(raw.clips[0]) == source
    assert resized.clip_folder(resized.clips[0]).is_relative_to(tmp_path / "resized/frames/dev")
    assert {path.suffix for path in list_frame_files(resized.clip_folder(resized.clips[0]))} == {f".{suffix}"}
    expected = read_frames(source, size=SIZE)
    np.testing.assert_array_equal(read_frames(raw.clip_folder(raw.clips[0]), size=SIZE), expected)
    found = read_frames(resized.clip_folder(resized.clips[0]), size=SIZE)
    assert np.abs(found.astype(int) - expected.astype(int)).mean() <= (0 if suffix == "png" else 3)


def test_frames_that_have_the_size_are_copied(tmp_path):
    root = tiny.csl_daily(tmp_path / "corpus")
    prepare("CSL-Daily", root, tmp_path / "out", process_image=True, frame_size=64)
    name = "S000021_P0001_T00/000004.jpg"
    copied = (tmp_path / "out/frames/dev" / name).read_bytes()
    assert copied == (root / "sentence/frames_512x512" / name).read_bytes()


def test_bytes_behind_an_image_are_not_copied(tmp_path):
    root = tiny.csl_daily(tmp_path / "corpus")
    image = root / "sentence/frames_512x512/S000021_P0001_T00/000004.jpg"
    image.write_bytes(image.read_bytes() + b"behind the end")
    prepare("CSL-Daily", root, tmp_path / "out", process_image=True, frame_size=64)
    assert b"behind" not in (tmp_path / "out/frames/dev/S000021_P0001_T00/000004.jpg").read_bytes()
    assert prepare("CSL-Daily", root, tmp_path / "out", process_image=True, frame_size=64).resized == 0


def test_a_damaged_jpeg_is_named(tmp_path):
    root = tiny.csl_daily(tmp_path / "corpus")
    image = root / "sentence/frames_512x512/S000021_P0001_T00/000004.jpg"
    image.write_bytes(image.read_bytes()[:700] + b"\xff\xd9")
    with pytest.raises(PreparationError, match=r"1 of \d+ clips have no readable frames:\n.*000004\.jpg is damaged"):
        prepare("CSL-Daily", root, tmp_path / "out", process_image=True)


def test_manifests_of_resized_frames_can_be_moved(tmp_path, corpus):
    prepare("phoenix2014", corpus, tmp_path / "out", process_image=True, frame_size=SIZE)
    (tmp_path / "out").rename(tmp_path / "moved")
    manifest = Manifest.load(tmp_path / "moved/test.json")
    assert read_frames(manifest.clip_folder(manifest.clips[-1])).shape == (16, SIZE, SIZE, 3)


# Going on after an interruption


def test_a_second_run_writes_no_image_again(tmp_path, corpus, capsys):
    assert prepare_by_command(corpus, tmp_path / "out", "--process-image") == 0
    assert "6 clips resized now" in capsys.readouterr().out
    before = clip_files(tmp_path / "out")
    assert len(before) == 6 * 16
    assert prepare_by_command(corpus, tmp_path / "out", "--process-image") == 0
    assert "0 clips resized now" in capsys.readouterr().out
    assert clip_files(tmp_path / "out") == before


def delete_one(folder: Path) -> None:
    list_frame_files(folder)[5].unlink()


def empty_one(folder: Path) -> None:
    list_frame_files(folder)[5].write_bytes(b"")


def truncate_one(folder: Path) -> None:
    path = list_frame_files(folder)[5]
    path.write_bytes(path.read_bytes()[:-20])


def leave_unfinished(folder: Path) -> None:
    folder.rename(folder.with_name(f".{folder.name}.unfinished"))


@pytest.mark.parametrize("damage", [delete_one, empty_one, truncate_one, leave_unfinished])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_only_a_damaged_clip_is_done_again(tmp_path, corpus, capsys, damage, workers):
    output = tmp_path / "out"
    assert prepare_by_command(corpus, output, "--process-image") == 0
    before, manifest = clip_files(output), (output / "train.json").read_bytes()
    damage(output / "frames/train/01April_2010_Thursday_heute_default-2")
    capsys.readouterr()
    assert prepare_by_command(corpus, output, "--process-image", "--workers", workers) == 0
    assert "1 clip resized now" in capsys.readouterr().out
    after = clip_files(output)
    assert after.keys() == before.keys()
    written = {name for name in before if after[name] != before[name]}
    assert {Path(name).parent.name for name in written} == {"01April_2010_Thursday_heute_default-2"}
    assert len(written) == 16
    assert (output / "train.json").read_bytes() == manifest
    assert not list(output.rglob("*.unfinished"))


def test_another_size_resizes_all_again(tmp_path, corpus):
    assert prepare("phoenix2014", corpus, tmp_path / "out", True, frame_size=SIZE).resized == 6
    assert prepare("phoenix2014", corpus, tmp_path / "out", True, frame_size=32).resized == 6
    manifest = Manifest.load(tmp_path / "out/dev.json")
    assert manifest.frame_size == 32
    assert read_frames(manifest.clip_folder(manifest.clips[0])).shape == (16, 32, 32, 3)


def test_no_manifest_before_everything_is_there(tmp_path, corpus, capsys):
    """A damaged image fails the run, is named, and doesn't cost the clips that are sound."""
    folder = corpus / "phoenix-2014-multisigner/features/fullFrame-210x260px/train"
    damaged = sorted((folder / "01April_2010_Thursday_heute_default-1/1").iterdir())[7]
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-30])
    assert prepare_by_command(corpus, tmp_path / "out", "--process-image") == 1
    message = capsys.readouterr().err
    assert "error: 1 of 6 clips have no readable frames" in message
    assert f"{damaged} is truncated" in message
    assert not list((tmp_path / "out").glob("*.json"))
    assert not (tmp_path / "out/frames/train/01April_2010_Thursday_heute_default-1").exists()
    damaged.write_bytes(whole)
    assert prepare_by_command(corpus, tmp_path / "out", "--process-image", "--workers", "2") == 0
    assert "1 clip resized now" in capsys.readouterr().out
    assert len(Manifest.load(tmp_path / "out/train.json").clips) == 3


def test_a_failed_run_leaves_no_manifest_of_an_earlier_one(tmp_path, corpus):
    """It would describe frames that are half rewritten; a corpus that can't be read changes nothing."""
    assert prepare_by_command(corpus, tmp_path / "out", "--process-image") == 0
    assert prepare_by_command(tmp_path / "nowhere", tmp_path / "out", "--process-image") == 1
    assert (tmp_path / "out/dev.json").exists()
    sorted((corpus / DEV_CLIP).iterdir())[2].write_bytes(b"")
    assert prepare_by_command(corpus, tmp_path / "out", "--process-image", "--frame-size", "32") == 1
    assert not list((tmp_path / "out").glob("*.json"))


# Errors


@pytest.mark.parametrize("options", [[], ["--process-image"], ["--process-image", "--workers", "2"]])
def test_missing_and_empty_clip_folders_are_named(tmp_path, corpus, capsys, options):
    base = corpus / "phoenix-2014-multisigner/features/fullFrame-210x260px/test"
    missing, empty = (base / f"04April_2010_Sunday_heute_default-{number}" for number in (1, 2))
    for folder in (missing / "1", empty / "1"):
        for path in folder.iterdir():
            path.unlink()
    (missing / "1").rmdir()
    missing.rmdir()
    assert prepare_by_command(corpus, tmp_path / "out", *options) == 1
    message = capsys.readouterr().err
    assert "2 of 6 clips" in message
    assert f"no folder {missing}" in message
    assert f"in the folder {empty / '1'}" in message
    assert not list((tmp_path / "out").glob("*.json"))


def test_clip_of_differing_sizes_is_named(tmp_path, corpus, capsys):
    odd = sorted((corpus / DEV_CLIP).iterdir())[3]
    cv2.imwrite(str(odd), np.zeros((SIZE, SIZE, 3), np.uint8))
    assert prepare_by_command(corpus, tmp_path / "out", "--process-image") == 1
    assert f"{odd} is 64x64 pixels" in capsys.readouterr().err


def test_missing_root_is_one_message_without_traceback(tmp_path, capsys):
    assert prepare_by_command(tmp_path / "nowhere", tmp_path / "out") == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("error: no PHOENIX2014 corpus at ")
    assert "Traceback" not in captured.err
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.name == "nt", reason="a file in the place of a folder fails in another way")
def test_output_that_cannot_be_written(tmp_path, corpus, capsys):
    (tmp_path / "out").write_text("a file")
    assert prepare_by_command(corpus, tmp_path / "out") == 1
    assert "error: phoenix2014 was not prepared: " in capsys.readouterr().err


def test_unknown_dataset_and_bad_numbers(tmp_path, capsys):
    with pytest.raises(PreparationError, match="unknown dataset 'phoenix'; choose from phoenix2014,"):
        prepare("phoenix", tmp_path, tmp_path)
    with pytest.raises(PreparationError, match=r"workers \(0\)"):
        prepare("CSL", tmp_path, tmp_path, workers=0)
    with pytest.raises(SystemExit):
        parse_args(["--dataset", "CSL", "--workers", "none"])
    assert "a whole number from 1 to 512, not 'none'" in capsys.readouterr().err


def test_labels_that_cannot_be_scored_are_refused_now_and_not_after_training(tmp_path, corpus, capsys):
    table = corpus / "phoenix-2014-multisigner/annotations/manual/dev.corpus.csv"
    table.write_text(table.read_text().replace("SONNE", "SONNE;"))
    assert prepare_by_command(corpus, tmp_path / "out") == 1
    assert "error: phoenix2014 was not prepared: 03April_2010_Saturday_heute_default-1: " in capsys.readouterr().err
