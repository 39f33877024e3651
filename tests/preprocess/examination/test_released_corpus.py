"""What the doctor says about the frames, labels and videos of a corpus as it was released."""

import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from preprocess.corpora.corpus import Corpus, Recording
from preprocess.corpora.registry import CORPORA
from preprocess.examination import released_corpus
from tests.helpers import corpora as tiny
from tests.helpers.diagnosis import (
    DEV_CLIP,
    FRAMES,
    PHOENIX,
    PHOENIX_FRAMES,
    TRAIN_CLIP,
    edit,
    images,
    shorten,
    sound,
    spoil,
    truncate,
)

# Frames as released


def test_missing_and_empty_clip_folders(diagnose, phoenix):
    base = phoenix / PHOENIX_FRAMES / "test"
    shutil.rmtree(base / "04April_2010_Sunday_heute_default-1")
    for path in images(base / "04April_2010_Sunday_heute_default-2"):
        path.unlink()
    found = diagnose("phoenix2014", phoenix)
    assert (found.status, found.of("error")) == (1, {"corpus: clip folders"})
    row = found.rows["corpus: clip folders"]
    assert "no frames in 2 of 6 clips" in row
    assert f"no folder {PHOENIX_FRAMES}/test/04April_2010_Sunday_heute_default-1" in row
    assert f"in the folder {PHOENIX_FRAMES}/test/04April_2010_Sunday_heute_default-2/1" in row
    assert "-> unpack these clips from the download again" in row


def test_no_frames_at_all(diagnose, phoenix):
    shutil.rmtree(phoenix / f"{PHOENIX}/features")
    found = diagnose("phoenix2014", phoenix)
    assert (found.status, found.of("error")) == (1, {"corpus: clip folders"})
    assert "no frames in 6 of 6 clips" in found.rows["corpus: clip folders"]
    assert "and 3 more" in found.rows["corpus: clip folders"]
    sized = {"corpus: images", "corpus: image sizes", "corpus: free disk", "corpus: label lengths"}
    assert found.of("not examined") == sized


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "place", "message"),
    [(empty, 11, "has zero bytes"), (truncate, -1, "is truncated"), (truncate, 0, "is truncated")],
)
def test_damaged_images_that_a_sample_shows(diagnose, phoenix, damage, place, message):
    path = images(phoenix / PHOENIX_FRAMES / "dev")[place]
    damage(path)
    found = diagnose("phoenix2014", phoenix)
    assert (found.status, found.of("error")) == (1, {"corpus: images"})
    row = found.rows["corpus: images"]
    assert row.startswith("1 image in 1 clip damaged, or not fit to be read:")
    assert f"the image {path.relative_to(phoenix)} {message}" in row


def test_full_decodes_everything_in_processes(diagnose, phoenix):
    for path in images(phoenix / PHOENIX_FRAMES / "dev")[2:-2]:
        spoil(path)
    found = diagnose("phoenix2014", phoenix, None, "--full", "--workers", "2")
    assert found.status == 1
    assert f"{FRAMES - 4} images in 1 clip damaged" in found.rows["corpus: images"]
    assert f"and {FRAMES - 5} more" in found.rows["corpus: images"]
    for path in images(phoenix / PHOENIX_FRAMES / "dev"):
        shutil.copy(images(phoenix / PHOENIX_FRAMES / "test")[0], path)
    mended = diagnose("phoenix2014", phoenix, None, "--full", "--workers", "2")
    assert mended.rows["corpus: images"] == f"{6 * FRAMES} images decoded, all of them sound"


@pytest.mark.parametrize("full", [True, False])
def test_damage_that_libjpeg_only_warns_of(tmp_path, diagnose, full):
    """Half of a JPEG with an end marker behind it; without --full the first image of a clip is decoded, and another."""
    root = sound("CSL-Daily", tmp_path / "corpus")
    path = images(root / "sentence/frames_512x512/S000021_P0001_T00")[0 if not full else 11]
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + b"\xff\xd9")
    found = diagnose("CSL-Daily", root, None, *(["--full"] if full else []))
    assert (found.status, found.of("error")) == (1, {"corpus: images"})
    row = found.rows["corpus: images"]
    assert f"{path.relative_to(root)} is damaged (Corrupt JPEG data: premature end of data segment)" in row


def test_frames_that_must_be_converted_first(diagnose, phoenix):
    paths = images(phoenix / PHOENIX_FRAMES / "dev")
    cv2.imwrite(str(paths[0]), np.full((260, 210), 3000, np.uint16))
    cv2.imwrite(str(paths[1]), np.full((260, 210, 4), 200, np.uint8))
    found = diagnose("phoenix2014", phoenix, None, "--full")
    assert (found.status, found.of("error")) == (1, {"corpus: images"})
    assert "no value above 3000 of 65535" in found.rows["corpus: images"]
    assert "-evaluate multiply 16 -depth 8 *.png" in found.rows["corpus: images"]
    assert "and 1 more of this clip" in found.rows["corpus: images"]


def test_sizes_that_differ_within_a_clip_and_between_clips(diagnose, phoenix):
    folders = sorted((phoenix / PHOENIX_FRAMES / "train").glob("*/1"))
    tiny.write_clip(folders[0], "images{:04d}.png", 1, 40, 30)
    tiny.write_clip(folders[1], "images{:04d}.png", FRAMES, 40, 30)
    found = diagnose("phoenix2014", phoenix, None, "--full")
    assert (found.status, found.of("error")) == (1, {"corpus: image sizes"})
    row = found.rows["corpus: image sizes"]
    assert "images of different sizes in 1 clip" in row
    assert f"train {folders[0].parent.name}: 30x40, 210x260" in row
    assert f"1 clip of 30x40 pixels where 210x260 is usual: train {folders[1].parent.name}" in row


def test_an_odd_clip_is_a_warning(diagnose, phoenix):
    folder = next((phoenix / PHOENIX_FRAMES / "train").glob("*/1"))
    tiny.write_clip(folder, "images{:04d}.png", FRAMES, 40, 30)
    found = diagnose("phoenix2014", phoenix)
    assert (found.status, found.verdicts["corpus: image sizes"]) == (0, "warning")


def test_fewer_images_than_csl_daily_says(tmp_path, diagnose):
    root = sound("CSL-Daily", tmp_path / "corpus")
    for path in images(root / "sentence/frames_512x512/S000021_P0001_T00")[-3:]:
        path.unlink()
    found = diagnose("CSL-Daily", root)
    assert (found.status, found.verdicts["corpus: image counts"]) == (0, "warning")
    assert "1 clip has fewer frames than video_map.txt says" in found.rows["corpus: image counts"]
    assert "dev S000021_P0001_T00: 21 frames, not 24" in found.rows["corpus: image counts"]


def test_no_room_for_prepared_frames(diagnose, phoenix, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(released_corpus.shutil, "disk_usage", lambda path: usage(10**6, 10**6 - 1000, 1000))
    found = diagnose("phoenix2014", phoenix)
    assert (found.status, found.of("error")) == (1, {"corpus: free disk"})
    assert f"for {6 * FRAMES} frames, 0.0 MB are free" in found.rows["corpus: free disk"]
    assert "--output" in found.rows["corpus: free disk"]
    assert "only the room for resized frames is lacking" in found.text
    (phoenix / PHOENIX_FRAMES / "dev" / DEV_CLIP / "1").rename(phoenix / "elsewhere")
    assert "training would fail" in diagnose("phoenix2014", phoenix).text


# Labels


def test_short_training_clips_fail_unless_they_are_skipped(tmp_path, diagnose):
    """16 frames give 4 output steps; five glosses need 5. config/phoenix2014-T.yaml skips such clips."""
    root = sound("phoenix2014-T", tmp_path / "T")
    edit(root / "annotations/manual/PHOENIX-2014-T.train.corpus.csv", "DRUCK TIEF", "DRUCK TIEF A B C")
    shorten(root / "features/fullFrame-210x260px/train/11August_2010_Wednesday_tagesschau-2", 16)
    skipped = diagnose("phoenix2014-T", root)
    assert (skipped.status, skipped.verdicts["corpus: label lengths"]) == (0, "warning")
    row = skipped.rows["corpus: label lengths"]
    assert "11August_2010_Wednesday_tagesschau-2: 16 frames give 4 output steps, it needs 5" in row
    assert "skip_short is true in config/phoenix2014-T.yaml" in row


def test_csl_daily_as_shipped_has_a_clip_that_is_skipped(tmp_path, diagnose):
    """S006642_P0000_T00 of the real annotations has 10 frames, which give 3 output steps, and 4 glosses."""
    root = sound("CSL-Daily", tmp_path / "corpus")
    shorten(root / "sentence/frames_512x512/S000020_P0000_T00", 10)  # its label has 4 glosses too
    found = diagnose("CSL-Daily", root)
    assert (found.status, found.verdicts["corpus: label lengths"]) == (0, "warning")
    assert "skip_short is true in config/CSL-Daily.yaml" in found.rows["corpus: label lengths"]


def test_short_training_clips_of_other_corpora_are_errors(diagnose, phoenix):
    shorten(phoenix / PHOENIX_FRAMES / "train" / TRAIN_CLIP, 8)
    found = diagnose("phoenix2014", phoenix)
    assert (found.status, found.of("error")) == (1, {"corpus: label lengths"})
    assert f"{TRAIN_CLIP}: 8 frames give 2 output steps, it needs 3" in found.rows["corpus: label lengths"]
    assert "feeder_args.skip_short=true" in found.rows["corpus: label lengths"]


def test_short_clips_of_dev_are_a_warning(diagnose, phoenix):
    shorten(phoenix / PHOENIX_FRAMES / "dev", 4)
    found = diagnose("phoenix2014", phoenix)
    assert (found.status, found.verdicts["corpus: label lengths"]) == (0, "warning")
    assert f"{DEV_CLIP}: 4 frames give 1 output step, it needs 2" in found.rows["corpus: label lengths"]


def test_only_short_training_clips_are_an_error_even_if_skipped(tmp_path, diagnose):
    root = tiny.phoenix2014_t(tmp_path / "T")  # two glosses each in four frames
    found = diagnose("phoenix2014-T", root)
    assert found.status == 1
    assert "there is no clip to train on" in found.rows["corpus: label lengths"]


def test_glosses_outside_train(diagnose, phoenix):
    found = diagnose("phoenix2014", phoenix)
    assert found.verdicts["corpus: glosses outside train"] == "warning"
    assert "dev: 1 of 2 glosses never occur in train: SONNE" in found.rows["corpus: glosses outside train"]
    assert "test: 1 of 2 glosses never occur in train: SCHNEE" in found.rows["corpus: glosses outside train"]


@pytest.mark.parametrize("gloss", ["SONNE;", "@", "SONNE*", "{SONNE"])
def test_labels_that_cannot_be_scored(diagnose, phoenix, gloss):
    edit(phoenix / f"{PHOENIX}/annotations/manual/dev.corpus.csv", "SONNE", gloss)
    found = diagnose("phoenix2014", phoenix)
    assert (found.status, found.of("error")) == (1, {"corpus: labels can be scored"})
    assert f"{DEV_CLIP}: the gloss '{gloss}'" in found.rows["corpus: labels can be scored"]


def test_ids_that_differ_in_case_alone(tmp_path, diagnose):
    root = sound("CSL", tmp_path / "corpus")
    (root / "color/000/P03_s1_00_0").rename(root / "color/000/p01_s1_00_0")
    edit(root / "dev.txt", "P03_s1_00_0", "p01_s1_00_0")
    found = diagnose("CSL", root)
    assert (found.status, found.of("error")) == (1, {"corpus: labels can be scored"})
    assert "differ in case alone, which sclite takes for one: p01_s1_00_0" in found.text


# Videos


@pytest.fixture
def videos(tmp_path, monkeypatch) -> Path:
    """A corpus of three video files, of 24, 12 and 4 frames."""
    paths = {frames: tiny.write_video(tmp_path / f"videos/{frames}.avi", frames) for frames in (24, 12, 4)}

    def read(root: Path) -> Corpus:
        train = tuple(Recording(f"clip{n}", paths[n], "A", ("HOUSE", "TREE")) for n in (24, 12))
        dev = (Recording("clip4", paths[4], "A", ("HOUSE",)),)
        return Corpus({"train": train, "dev": dev}, ("HOUSE", "TREE"))

    monkeypatch.setitem(CORPORA, "CSL", replace(CORPORA["CSL"], read=read))
    return tmp_path / "videos"


def test_videos_are_decoded(diagnose, videos):
    found = diagnose("CSL", videos)
    assert (found.status, found.of("warning")) == (0, set())
    assert found.rows["corpus: clip folders"] == "3 clips, 40 frames"
    assert found.rows["corpus: images"] == "40 images decoded, all of them sound"
    assert found.rows["corpus: image sizes"] == "64x48 pixels"


@pytest.mark.parametrize("full", [True, False])
def test_a_video_that_is_cut_short(diagnose, videos, full):
    data = (videos / "12.avi").read_bytes()
    (videos / "12.avi").write_bytes(data[: len(data) // 2])
    (videos / "24.avi").write_bytes(b"")
    found = diagnose("CSL", videos, None, *(["--full"] if full else []))
    assert (found.status, found.of("error")) == (1, {"corpus: clip folders"})
    assert "no frames in 2 of 3 clips" in found.rows["corpus: clip folders"]
    assert "- the video 12.avi" in found.rows["corpus: clip folders"]


def test_only_some_videos_are_decoded_by_default(diagnose, videos, monkeypatch):
    monkeypatch.setattr("preprocess.examination.inspect_clips.VIDEO_SAMPLE", 0)
    found = diagnose("CSL", videos)
    assert found.rows["corpus: clip folders"] == "3 clips, 0 frames without those of 3 videos that were not decoded"
    assert {"corpus: images", "corpus: image sizes", "corpus: label lengths"} <= found.of("not examined")
    assert found.status == 0
    (videos / "4.avi").write_bytes(b"")
    found = diagnose("CSL", videos)
    assert (found.status, "the video 4.avi has zero bytes" in found.text) == (1, True)
    (videos / "4.avi").unlink()
    assert "no folder 4.avi" in diagnose("CSL", videos).text
