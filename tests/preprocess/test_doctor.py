"""The doctor: clean corpora, roots and annotations that are wrong, and its command line."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from dataset.synthetic.generate import generate
from preprocess import doctor
from preprocess.examination.check_result import CheckResult, Verdict, format_results
from preprocess.options import REPOSITORY
from preprocess.prepare import prepare
from tests.helpers import corpora as tiny
from tests.helpers.diagnosis import (
    BUILDERS,
    DEV_CLIP,
    FRAMES,
    PHOENIX,
    PHOENIX_FRAMES,
    SIZE,
    Diagnosis,
    edit,
    images,
    sound,
)
from tests.helpers.videos import SHARED, cut, make_video

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
    assert after.text.splitlines()[-1].endswith(" feeder_args.input_size=64")  # the command that trains
    assert ("corpus: images" in after.verdicts) == process_image  # otherwise those are the ones that training reads


def test_an_own_corpus_of_videos_before_and_after_preparation(tmp_path, diagnose):
    root, out = tmp_path / "videos", tmp_path / "out"
    root.mkdir()
    for number in range(4):
        make_video(root / f"{number}.mp4", (np.full((48, 64, 3), 10 * value, np.uint8) for value in range(FRAMES)))
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


def test_damaged_videos_are_named_with_their_frames(tmp_path, diagnose):
    root = tmp_path / "videos"
    root.mkdir()
    splits = {"mid.mp4": "train", "trim_0.2.mp4": "train", "third.mkv": "dev", "audio01.webm": "test"}
    for name in splits:
        shutil.copy(SHARED / name, root / name)
    cut(root / "audio01.webm", 0.9)
    rows = [f"{name[:3]},{name},anna,HELLO YOU,{split}" for name, split in splits.items()]
    (root / "labels.csv").write_text("\n".join(["id,path,signer,glosses,split", *rows]))
    found = diagnose("custom", root, None, "--full")
    assert found.status == 1
    assert "44 images in 1 clip damaged" in found.rows["corpus: images"]
    assert "mid.mp4 is damaged in 44 of 45 frames, 1 to 44 (0.04 to 1.80 s)" in found.rows["corpus: images"]
    assert "audio01.webm is cut short, 4755 bytes at its end are missing" in found.rows["corpus: clip folders"]
    assert "--allow-truncated" in found.rows["corpus: images"]


def test_the_signer_independent_split(tmp_path, diagnose):
    root = sound("phoenix2014", tmp_path / "corpus")
    found = diagnose("phoenix2014-SI5", root)
    assert found.status == 1  # nobody there is Signer05
    assert "phoenix2014-SI5 keeps Signer05 for dev and test. That leaves nothing for" in " ".join(found.text.split())


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
    assert "argument --workers: must be a whole number from 1 to 512, not '0'" in capsys.readouterr().err
    for option in (["--labels", "my.csv"], ["--seed", "0"]):
        with pytest.raises(SystemExit):
            doctor.parse_args(["--dataset", "CSL", *option])
        assert "--labels and --seed belong to --dataset custom" in capsys.readouterr().err
    assert doctor.parse_args(["--dataset", "custom"]).seed == 0


def test_file_names_that_no_terminal_can_show(diagnose, phoenix):
    shutil.copy(images(phoenix / PHOENIX_FRAMES / "dev")[0], phoenix / PHOENIX_FRAMES / f"dev/{DEV_CLIP}/1/\udcff.png")
    (phoenix / PHOENIX_FRAMES / f"dev/{DEV_CLIP}/1/\udcff.png").write_bytes(b"")
    found = diagnose("phoenix2014", phoenix)
    assert found.status == 1
    assert "/1/\\xFF.png has zero bytes" in found.rows["corpus: images"]


def test_the_table_is_wrapped_but_not_its_commands_and_paths(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")  # of which 40 are for text, the least
    path = "/" + 49 * "p"
    what = "\n".join([" ".join(10 * ["word"]), f"- {path} is gone"])
    text = format_results([CheckResult("corpus: images", Verdict.WARNING, what, "type:\n    a  command  " + 30 * "x")])
    assert text.split("\n") == [
        "check           verdict  what was found, and what to do",
        "corpus: images  warning  word word word word word word word word",
        "                         word word",
        f"                         - {path}",
        "                           is gone",
        "                         -> type:",
        "                             a  command  " + 30 * "x",
    ]
