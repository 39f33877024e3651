"""The doctor: every trap that a corpus can set, what it says about it, and its exit status."""

import json
import re
import shutil
from collections import namedtuple
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from dataset.synthetic.generate import generate
from preprocess import doctor
from preprocess.corpora.corpus import Corpus, Recording
from preprocess.corpora.registry import CORPORA
from preprocess.examination import source
from preprocess.examination.finding import Finding, Verdict, format_findings
from preprocess.examination.source import RELEASED_SIZES
from preprocess.options import REPOSITORY
from preprocess.prepare import prepare
from tests.preprocess import tiny_corpora as tiny

BUILDERS = {
    "phoenix2014": tiny.phoenix2014,
    "phoenix2014-T": tiny.phoenix2014_t,
    "CSL-Daily": tiny.csl_daily,
    "CSL": tiny.csl,
}
FRAMES = 24
SIZE = 64
PHOENIX = "phoenix-2014-multisigner"
PHOENIX_FRAMES = f"{PHOENIX}/features/fullFrame-210x260px"
DEV_CLIP = "03April_2010_Saturday_heute_default-1"
TRAIN_CLIP = "01April_2010_Thursday_heute_default-1"


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor printed: verdict and text of each row of its table, and the exit status."""

    status: int
    text: str
    verdicts: dict[str, str]
    rows: dict[str, str]

    def of(self, verdict: str) -> set[str]:
        return {check for check, found in self.verdicts.items() if found == verdict}


@pytest.fixture
def diagnose(capsys, tmp_path):
    def run(dataset: str, root: Path, folder: Path | None = None, *options: str) -> Diagnosis:
        fixed = ["--dataset", dataset, "--dataset-root", str(root), "--prepared", str(folder or tmp_path / "out")]
        capsys.readouterr()
        status = doctor.main(doctor.parse_args([*fixed, "--workers", "1", *options]))
        captured = capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err
        return parse(status, captured.out)

    return run


def parse(status: int, text: str) -> Diagnosis:
    verdicts, rows, last = {}, {}, ""
    for line in text.splitlines():
        row = re.match(r"((?:corpus|prepared)(?:: .+?)?) {2,}(ok|warning|error|not examined) {2,}(.+)", line)
        if row:
            last, verdicts[row[1]], rows[row[1]] = row[1], row[2], row[3]
        elif line.startswith(" ") and last:
            rows[last] += " " + line.strip()
    return Diagnosis(status, text, verdicts, rows)


def sound(dataset: str, root: Path) -> Path:
    """A tiny corpus whose clips are long enough for their labels, and whose images have the released size."""
    BUILDERS[dataset](root)
    width, height = RELEASED_SIZES[dataset]
    for folder in {path.parent for pattern in ("*.png", "*.jpg") for path in root.rglob(pattern)}:
        suffix = next(folder.iterdir()).suffix
        shutil.rmtree(folder)
        tiny.write_clip(folder, f"images{{:04d}}{suffix}", FRAMES, height, width)
    if dataset == "CSL-Daily":
        edit(root / "video_map.txt", "_T00|4|", f"_T00|{FRAMES}|")
        edit(root / "video_map.txt", "_T01|4|", f"_T01|{FRAMES}|")
    return root


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in {".png", ".jpg"})


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def spoil(path: Path) -> None:
    """Damage the middle of an image; its end stays."""
    data = bytearray(path.read_bytes())
    data[16:-16] = bytes(len(data) - 32)
    path.write_bytes(bytes(data))


@pytest.fixture
def phoenix(tmp_path) -> Path:
    return sound("phoenix2014", tmp_path / "corpus")


@pytest.fixture
def ready(tmp_path, phoenix) -> Path:
    """The same, prepared at 64x64."""
    prepare("phoenix2014", phoenix, tmp_path / "out", process_image=True, frame_size=SIZE)
    return tmp_path / "out"


# Clean corpora


@pytest.mark.parametrize("dataset", BUILDERS)
def test_built_corpora_are_clean_before_and_after_preparation(tmp_path, diagnose, dataset):
    """The only warnings are that papers report more clips, and that signs are missing from so small a train split."""
    root, out = tmp_path / "corpus", tmp_path / "out"
    generate(dataset, root, glosses=5, train=4, dev=1, test=1, seed=1, workers=2)
    true = {"corpus: number of clips", "corpus: glosses outside train", "prepared: glosses outside train"}
    before = diagnose(dataset, root)
    assert before.status == 0
    assert not before.of("error") | before.of("not examined")
    assert before.of("warning") <= true
    assert {"corpus: root and annotations", "corpus: images", "corpus: free disk"} <= before.of("ok")
    assert "preparation has not begun" in before.text
    prepare(dataset, root, out, process_image=True, workers=2)
    after = diagnose(dataset, root)
    assert after.status == 0
    assert not after.of("error") | after.of("not examined")
    assert after.of("warning") <= true
    assert {"corpus: images", "prepared: images", "prepared: references", "prepared: of this corpus"} <= after.of("ok")
    assert "ready to train: python main.py" in after.text.splitlines()[-1]


@pytest.mark.parametrize("dataset", BUILDERS)
@pytest.mark.parametrize("process_image", [True, False])
def test_tiny_corpora_have_no_error(tmp_path, diagnose, dataset, process_image):
    root = sound(dataset, tmp_path / "corpus")
    before = diagnose(dataset, root)
    assert (before.status, before.of("error"), before.of("not examined")) == (0, set(), set())
    assert before.of("warning") <= {"corpus: number of clips", "corpus: glosses outside train"}
    prepare(dataset, root, tmp_path / "out", process_image, frame_size=SIZE)
    after = diagnose(dataset, root)
    assert (after.status, after.of("error"), after.of("not examined")) == (0, set(), set())
    assert "prepared: crop" in after.of("warning")
    assert "64x64 pixels are smaller than the 224x224" in after.rows["prepared: crop"]
    assert ("corpus: images" in after.verdicts) == process_image  # otherwise those are the ones that training reads


def test_an_own_corpus_of_videos_before_and_after_preparation(tmp_path, diagnose):
    root, out = tmp_path / "videos", tmp_path / "out"
    root.mkdir()
    for number in range(4):
        path = str(root / f"{number}.mp4")
        writer = cv2.VideoWriter(path, cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"mp4v"), 25, (64, 48))
        for value in range(FRAMES):
            writer.write(np.full((48, 64, 3), 10 * value, np.uint8))
        writer.release()
    splits = ("train", "train", "dev", "test")
    rows = [f"clip{number},{number}.mp4,anna,HELLO YOU,{split}" for number, split in enumerate(splits)]
    (root / "labels.csv").write_text("\n".join(["id,path,signer,glosses,split", *rows]))
    before = diagnose("custom", root)
    assert (before.status, before.of("error"), before.of("warning")) == (0, set(), set())
    assert before.rows["corpus: clip folders"] == f"4 clips, {4 * FRAMES} frames"
    prepare("custom", root, out, process_image=True, frame_size=SIZE)
    after = diagnose("custom", root, out)
    assert (after.status, after.of("warning")) == (0, {"prepared: crop"})
    content = (root / "2.mp4").read_bytes()
    (root / "2.mp4").write_bytes(content[: len(content) // 2])
    (root / "3.mp4").write_text("no video")
    broken = diagnose("custom", root, tmp_path / "not prepared")
    assert broken.status == 1
    assert "2.mp4" in broken.text
    assert "3.mp4" in broken.text


def test_the_signer_independent_split(tmp_path, diagnose):
    root = sound("phoenix2014", tmp_path / "corpus")
    found = diagnose("phoenix2014-SI5", root)
    assert found.status == 1  # nobody there is Signer05
    assert "the train split has no recording" in found.text or "the dev split has no recording" in found.text


def test_numbers_of_a_clean_corpus(diagnose, phoenix):
    found = diagnose("phoenix2014", phoenix)
    assert found.rows["corpus: clip folders"] == f"6 clips, {6 * FRAMES} frames"
    assert found.rows["corpus: image sizes"] == "210x260 pixels"
    assert "6 clips, 10 glosses" in found.rows["corpus: root and annotations"]
    assert "left out 13April_2011_Wednesday_tagesschau_default-14" in found.rows["corpus: root and annotations"]
    assert "train: 3 clips, where papers report 5671" in found.rows["corpus: number of clips"]
    assert found.text.splitlines()[-1].startswith(
        "0 errors, 2 warnings: ready to prepare: python -m preprocess.prepare"
    )


@pytest.mark.parametrize("level", ["", "1"])
def test_both_layouts_of_phoenix2014_t(tmp_path, diagnose, level):
    root = tiny.phoenix2014_t(tmp_path / "corpus", level)
    assert diagnose("phoenix2014-T", root).rows["corpus: clip folders"] == "4 clips, 16 frames"


def test_csl_daily_wrong_row_is_told(tmp_path, diagnose):
    found = diagnose("CSL-Daily", sound("CSL-Daily", tmp_path / "corpus"))
    assert "S000005_P0004_T00, which does not exist, replaced by S000007_P0003_T00" in found.text
    assert found.verdicts["corpus: root and annotations"] == "ok"


# Root and annotations


def reader_fails(found: Diagnosis, *messages: str) -> None:
    assert found.status == 1
    assert found.of("error") == {"corpus: root and annotations"}
    assert len(found.of("not examined")) == 8
    assert not found.of("ok") | found.of("warning")
    for message in messages:
        assert message in found.rows["corpus: root and annotations"]
    assert found.text.splitlines()[-1] == "1 error, 0 warnings: training would fail"


@pytest.mark.parametrize("dataset", BUILDERS)
def test_missing_root(tmp_path, diagnose, dataset):
    reader_fails(
        diagnose(dataset, tmp_path / "nowhere"), f"corpus at {tmp_path / 'nowhere'}", "ln -sfn", "--dataset-root"
    )


def test_dangling_link(tmp_path, diagnose):
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    reader_fails(diagnose("CSL", tmp_path / "link"), f"a link to {tmp_path / 'gone'}, which does not exist")


def test_link_too_high_and_too_low(tmp_path, diagnose):
    root = tiny.phoenix2014_t(tmp_path / "PHOENIX-2014-T-release-v3/PHOENIX-2014-T")
    high = diagnose("phoenix2014-T", root.parent)
    reader_fails(high, "one or more levels too high", f"--dataset-root {root}")
    reader_fails(diagnose("phoenix2014-T", root / "features"), "one or more levels too low")


@pytest.mark.parametrize(
    ("dataset", "table"),
    [
        ("phoenix2014", f"{PHOENIX}/annotations/manual/test.corpus.csv"),
        ("phoenix2014-T", "annotations/manual/PHOENIX-2014-T.dev.corpus.csv"),
        ("CSL-Daily", "split_1.txt"),
        ("CSL-Daily", "video_map.txt"),
        ("CSL", "dev.txt"),
    ],
)
def test_missing_split_or_table(tmp_path, diagnose, dataset, table):
    root = BUILDERS[dataset](tmp_path / "corpus")
    (root / table).unlink()
    reader_fails(diagnose(dataset, root), Path(table).name)


def test_duplicate_ids(diagnose, phoenix):
    edit(
        phoenix / f"{PHOENIX}/annotations/manual/test.corpus.csv",
        "04April_2010_Sunday_heute_default-2|",
        f"{DEV_CLIP}|",
    )
    reader_fails(diagnose("phoenix2014", phoenix), f"duplicate recording {DEV_CLIP}: listed in dev and again in test")


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"id|folder", b"\0" * 5000, b"id|folder|signer|annotation\n"]
)
def test_annotations_of_nonsense(diagnose, phoenix, content):
    (phoenix / f"{PHOENIX}/annotations/manual/train.corpus.csv").write_bytes(content)
    reader_fails(diagnose("phoenix2014", phoenix), "train.corpus.csv")


def test_a_path_that_cannot_be_asked_for(tmp_path, diagnose):
    reader_fails(diagnose("phoenix2014", tmp_path / ("x" * 300)))
    assert diagnose("phoenix2014", tmp_path, tmp_path / ("x" * 300)).status == 1


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
    assert row.startswith("1 image in 1 clip can't be read:")
    assert f"the image {path.relative_to(phoenix)} {message}" in row


def test_full_decodes_everything_in_processes(diagnose, phoenix):
    for path in images(phoenix / PHOENIX_FRAMES / "dev")[2:-2]:
        spoil(path)
    found = diagnose("phoenix2014", phoenix, None, "--full", "--workers", "2")
    assert found.status == 1
    assert f"{FRAMES - 4} images in 1 clip can't be read" in found.rows["corpus: images"]
    assert f"and {FRAMES - 5} more" in found.rows["corpus: images"]
    for path in images(phoenix / PHOENIX_FRAMES / "dev"):
        shutil.copy(images(phoenix / PHOENIX_FRAMES / "test")[0], path)
    mended = diagnose("phoenix2014", phoenix, None, "--full", "--workers", "2")
    assert mended.rows["corpus: images"] == f"{6 * FRAMES} images decoded, all of them sound"


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
    monkeypatch.setattr(source.shutil, "disk_usage", lambda path: usage(10**6, 10**6 - 1000, 1000))
    found = diagnose("phoenix2014", phoenix)
    assert (found.status, found.of("error")) == (1, {"corpus: free disk"})
    assert f"for {6 * FRAMES} frames, 0.0 MB are free" in found.rows["corpus: free disk"]
    assert "--output" in found.rows["corpus: free disk"]


# Labels


def shorten(folder: Path, frames: int) -> None:
    for path in images(folder)[frames:]:
        path.unlink()


def test_short_training_clips_fail_unless_they_are_skipped(tmp_path, diagnose):
    """16 frames give 4 output steps; five glosses need 5. Only config/phoenix2014-T.yaml skips such clips."""
    root = sound("phoenix2014-T", tmp_path / "T")
    edit(root / "annotations/manual/PHOENIX-2014-T.train.corpus.csv", "DRUCK TIEF", "DRUCK TIEF A B C")
    shorten(root / "features/fullFrame-210x260px/train/11August_2010_Wednesday_tagesschau-2", 16)
    skipped = diagnose("phoenix2014-T", root)
    assert (skipped.status, skipped.verdicts["corpus: label lengths"]) == (0, "warning")
    row = skipped.rows["corpus: label lengths"]
    assert "11August_2010_Wednesday_tagesschau-2: 16 frames give 4 output steps, it needs 5" in row
    assert "skip_short is true in config/phoenix2014-T.yaml" in row


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


def write_video(path: Path, frames: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, (64, 48))
    for number in range(frames):
        writer.write(np.ascontiguousarray(tiny.image(number, 48, 64)))
    writer.release()
    return path


@pytest.fixture
def videos(tmp_path, monkeypatch) -> Path:
    """A corpus of three video files, of 24, 12 and 4 frames."""
    paths = {frames: write_video(tmp_path / f"videos/{frames}.avi", frames) for frames in (24, 12, 4)}

    def read(root: Path) -> Corpus:
        train = tuple(Recording(f"clip{n}", paths[n], "A", ("HOUSE", "TREE")) for n in (24, 12))
        dev = (Recording("clip4", paths[4], "A", ("HOUSE",)),)
        return Corpus({"train": train, "dev": dev}, ("HOUSE", "TREE"))

    monkeypatch.setitem(CORPORA, "CSL", read)
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
    found = diagnose("CSL", videos, None, *["--full"] * full)
    assert (found.status, found.of("error")) == (1, {"corpus: clip folders"})
    assert "no frames in 2 of 3 clips" in found.rows["corpus: clip folders"]
    assert "- the video 12.avi" in found.rows["corpus: clip folders"]


def test_only_some_videos_are_decoded_by_default(diagnose, videos, monkeypatch):
    monkeypatch.setattr("preprocess.examination.clips.VIDEO_SAMPLE", 0)
    found = diagnose("CSL", videos)
    assert found.rows["corpus: clip folders"] == "3 clips, 0 frames without those of 3 videos that were not decoded"
    assert {"corpus: images", "corpus: image sizes", "corpus: label lengths"} <= found.of("not examined")
    assert found.status == 0
    (videos / "4.avi").write_bytes(b"")
    found = diagnose("CSL", videos)
    assert (found.status, "the video 4.avi has zero bytes" in found.text) == (1, True)
    (videos / "4.avi").unlink()
    assert "no folder 4.avi" in diagnose("CSL", videos).text


# After preparation


def change(path: Path, **values: object) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | values), encoding="utf-8")


def clips_of(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))["clips"]


def test_a_prepared_corpus_does_without_the_released_one(tmp_path, diagnose, phoenix, ready):
    phoenix.rename(tmp_path / "elsewhere")
    found = diagnose("phoenix2014", phoenix, ready)
    assert found.status == 0
    assert found.of("not examined") == {"corpus: root and annotations"}
    assert f"as released, {phoenix}: not examined" in found.text
    assert found.rows["prepared: manifests"] == "clips: train 3, dev 1, test 2"
    assert found.rows["prepared: frame counts"] == "6 clips as the manifest says"


def test_what_is_wrong_with_the_released_corpus_is_a_warning_then(diagnose, phoenix, ready):
    truncate(images(phoenix / PHOENIX_FRAMES / "dev")[-1])
    found = diagnose("phoenix2014", phoenix, ready)
    assert (found.status, found.verdicts["corpus: images"]) == (0, "warning")
    images(ready / "frames/dev")[3].unlink()
    found = diagnose("phoenix2014", phoenix, ready)
    assert (found.status, found.verdicts["corpus: images"]) == (1, "error")


def test_frames_that_stayed_in_a_corpus_that_is_gone(tmp_path, diagnose, phoenix):
    prepare("phoenix2014", phoenix, tmp_path / "out")
    phoenix.rename(tmp_path / "elsewhere")
    found = diagnose("phoenix2014", phoenix)
    assert found.status == 1
    assert found.of("error") == {"corpus: root and annotations", "prepared: clip folders"}
    assert "no frames in 6 of 6 clips" in found.rows["prepared: clip folders"]


def test_an_interrupted_preparation(diagnose, phoenix, ready):
    for split in ("train", "dev", "test"):
        (ready / f"{split}.json").unlink()
    found = diagnose("phoenix2014", phoenix, ready)
    assert (found.status, found.of("error")) == (1, {"prepared: manifests"})
    assert f"no manifest {ready / 'dev.json'}" in found.rows["prepared: manifests"]
    assert "-> prepare again (how is said below)" in found.rows["prepared: manifests"]
    options = f"--dataset phoenix2014 --dataset-root {phoenix} --output {ready} --process-image"
    assert found.text.splitlines()[-2] == f"To prepare again: python -m preprocess.prepare {options}"
    assert len(found.of("not examined")) == 7
    assert "corpus: free disk" in found.of("ok")


NONSENSE = [
    b"",
    b"\xff\xfe",
    b"[]",
    b"[" * 100_000,
    b'{"clips": 5}',
    b'{"clips": [{"id": "\\ud800"}]}',
    b"9" * 9999,
    b"nul\0",
]


@pytest.mark.parametrize("content", NONSENSE)
def test_manifests_dictionary_and_references_of_nonsense(diagnose, phoenix, ready, content):
    for name in ("train.json", "gloss_dict.txt", "phoenix2014-groundtruth-dev.stm"):
        (ready / name).write_bytes(content)
    found = diagnose("phoenix2014", phoenix, ready)
    assert found.status == 1
    assert {"prepared: manifests", "prepared: dictionary", "prepared: references"} <= found.of("error")


def test_manifest_of_another_corpus_or_split(diagnose, phoenix, ready):
    change(ready / "train.json", dataset="CSL")
    shutil.copy(ready / "dev.json", ready / "test.json")
    found = diagnose("phoenix2014", phoenix, ready)
    assert found.status == 1
    row = found.rows["prepared: manifests"]
    assert f"{ready / 'train.json'} is of dataset CSL, not phoenix2014" in row
    assert f"{ready / 'test.json'} is of split dev, not test" in row
    assert f"1 id in two splits: {DEV_CLIP}" in row


def test_missing_test_manifest(diagnose, phoenix, ready):
    (ready / "test.json").unlink()
    found = diagnose("phoenix2014", phoenix, ready)
    assert (found.status, found.of("error")) == (1, {"prepared: manifests"})


def test_frames_missing_and_to_spare(diagnose, phoenix, ready):
    shorten(ready / "frames/train" / TRAIN_CLIP, FRAMES - 1)
    extra = images(ready / "frames/dev")[-1]
    shutil.copy(extra, extra.with_name("images9999.png"))
    shutil.rmtree(ready / "frames/test/04April_2010_Sunday_heute_default-1")
    found = diagnose("phoenix2014", phoenix, ready)
    assert found.of("error") == {"prepared: frame counts", "prepared: clip folders"}
    row = found.rows["prepared: frame counts"]
    assert f"1 clip has fewer frames than the manifest says: - train {TRAIN_CLIP}: 23 frames, not 24" in row
    assert f"1 clip has more frames than the manifest says: - dev {DEV_CLIP}: 25 frames, not 24" in row
    assert "no folder frames/test/04April_2010_Sunday_heute_default-1" in found.rows["prepared: clip folders"]
    assert found.status == 1


def test_frames_to_spare_are_a_warning(diagnose, phoenix, ready):
    extra = images(ready / "frames/dev")[-1]
    shutil.copy(extra, extra.with_name("images9999.png"))
    found = diagnose("phoenix2014", phoenix, ready)
    assert (found.status, found.verdicts["prepared: frame counts"]) == (0, "warning")


def test_damaged_prepared_images(diagnose, phoenix, ready):
    images(ready / "frames/dev")[7].write_bytes(b"")
    found = diagnose("phoenix2014", phoenix, ready)
    assert (found.status, found.of("error")) == (1, {"prepared: images"})
    assert f"the image frames/dev/{DEV_CLIP}/images0008.png has zero bytes" in found.rows["prepared: images"]
    assert "-> remove the folders of these clips, then prepare again" in found.rows["prepared: images"]


def test_prepared_frames_of_another_size(diagnose, phoenix, ready):
    tiny.write_clip(ready / f"frames/dev/{DEV_CLIP}", "images{:04d}.png", FRAMES, 32, 32)
    found = diagnose("phoenix2014", phoenix, ready)
    assert (found.status, found.verdicts["prepared: image sizes"]) == (0, "warning")
    assert f"1 clip of 32x32 pixels where 64x64 is usual: dev {DEV_CLIP}" in found.rows["prepared: image sizes"]


def test_dictionary_without_a_gloss(diagnose, phoenix, ready):
    edit(ready / "gloss_dict.txt", "SONNE\n", "")
    found = diagnose("phoenix2014", phoenix, ready)
    assert (found.status, found.of("error")) == (1, {"prepared: dictionary"})
    assert "dev: 1 gloss of its labels not in gloss_dict.txt: SONNE" in found.rows["prepared: dictionary"]


@pytest.mark.parametrize(
    ("split", "change_lines", "message"),
    [
        ("test", lambda lines: lines[:-1], "1 clip without reference: 04April_2010_Sunday_heute_default-2"),
        ("test", lambda lines: lines[::-1], "phoenix2014-groundtruth-test.stm is in another order than test.json"),
        ("dev", lambda lines: [lines[0].replace("SONNE", "MOND")], "other glosses in the reference: 03April"),
        ("dev", lambda lines: [*lines, lines[0].replace("03", "09", 1)], "1 clip only in the references: 09April"),
        ("train", lambda lines: [lines[0].replace("NORD", "loc-NORD"), *lines[1:]], "1 clip with other glosses"),
    ],
)  # fmt: skip
def test_references_that_are_not_the_manifest(diagnose, phoenix, ready, split, change_lines, message):
    path = ready / f"phoenix2014-groundtruth-{split}.stm"
    path.write_text("\n".join(change_lines(path.read_text().splitlines())) + "\n")
    found = diagnose("phoenix2014", phoenix, ready)
    assert (found.status, found.of("error")) == (1, {"prepared: references"})
    assert message in found.rows["prepared: references"]


def test_missing_references(diagnose, phoenix, ready):
    (ready / "phoenix2014-groundtruth-dev.stm").unlink()
    found = diagnose("phoenix2014", phoenix, ready)
    assert (found.status, found.of("error")) == (1, {"prepared: references"})
    assert "phoenix2014-groundtruth-dev.stm can't be read: No such file" in found.rows["prepared: references"]


def test_prepared_clips_too_short(diagnose, phoenix, ready):
    clips = clips_of(ready / "train.json")
    clips[0]["num_frames"] = 8
    change(ready / "train.json", clips=clips)
    found = diagnose("phoenix2014", phoenix, ready)
    assert (found.status, found.of("error")) == (1, {"prepared: label lengths"})
    assert f"{TRAIN_CLIP}: 8 frames give 2 output steps, it needs 3" in found.rows["prepared: label lengths"]


def test_a_corpus_that_changed_after_preparation(diagnose, phoenix, ready):
    edit(phoenix / f"{PHOENIX}/annotations/manual/dev.corpus.csv", "REGEN SONNE", "REGEN MOND")
    table = phoenix / f"{PHOENIX}/annotations/manual/test.corpus.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    shorten(phoenix / PHOENIX_FRAMES / "train" / TRAIN_CLIP, FRAMES - 1)
    found = diagnose("phoenix2014", phoenix, ready)
    assert (found.status, found.verdicts["prepared: of this corpus"]) == (0, "warning")
    row = found.rows["prepared: of this corpus"]
    assert f"dev: 1 clip with another label in the corpus: {DEV_CLIP}" in row
    assert "test: 1 clip only in the manifest: 04April_2010_Sunday_heute_default-2" in row
    assert f"train: 1 clip with another number of frames in the corpus: {TRAIN_CLIP}" in row


# The command line


def test_defaults_lie_in_the_repository():
    args = doctor.parse_args(["--dataset", "CSL-Daily"])
    assert args.dataset_root == REPOSITORY / "dataset/CSL-Daily"
    assert args.prepared == REPOSITORY / "preprocess/CSL-Daily"
    assert (args.full, args.workers >= 1) == (False, True)


def test_bad_options(capsys):
    for options in (["--dataset", "CSL", "--workers", "0"], ["--dataset", "phoenix"]):
        with pytest.raises(SystemExit) as stopped:
            doctor.parse_args(options)
        assert stopped.value.code == 2
    assert "--workers must be at least 1, not 0" in capsys.readouterr().err


def test_file_names_that_no_terminal_can_show(diagnose, phoenix):
    shutil.copy(images(phoenix / PHOENIX_FRAMES / "dev")[0], phoenix / PHOENIX_FRAMES / f"dev/{DEV_CLIP}/1/\udcff.png")
    (phoenix / PHOENIX_FRAMES / f"dev/{DEV_CLIP}/1/\udcff.png").write_bytes(b"")
    found = diagnose("phoenix2014", phoenix)
    assert found.status == 1
    assert "/1/\\udcff.png has zero bytes" in found.rows["corpus: images"]


def test_the_table_is_wrapped_but_not_its_commands_and_paths(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")  # of which 40 are for text, the least
    path = "/" + 49 * "p"
    what = "\n".join([" ".join(10 * ["word"]), f"- {path} is gone"])
    text = format_findings([Finding("corpus: images", Verdict.WARNING, what, "type:\n    a  command  " + 30 * "x")])
    assert text.split("\n") == [
        "check           verdict  what was found, and what to do",
        "corpus: images  warning  word word word word word word word word",
        "                         word word",
        f"                         - {path}",
        "                           is gone",
        "                         -> type:",
        "                             a  command  " + 30 * "x",
    ]
