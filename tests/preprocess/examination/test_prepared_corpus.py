"""What the doctor says about a corpus after preparation."""

import json
import shutil
from pathlib import Path

import pytest

from preprocess.prepare import prepare
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
    truncate,
)


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
    assert "-> prepare again by the command below" in found.rows["prepared: manifests"]
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


def test_an_older_dictionary_in_two_unicode_forms_is_a_warning(diagnose, phoenix, ready):
    with (ready / "gloss_dict.txt").open("a", encoding="utf-8") as file:
        file.write("SU\u0308D\nSÜD\nABEND\u200b\n")
    found = diagnose("phoenix2014", phoenix, ready)
    assert (found.status, found.verdicts["prepared: dictionary"]) == (0, "warning")
    row = found.rows["prepared: dictionary"]
    assert "1 gloss in two Unicode forms, so with two ids, both of which are read as the gloss: SÜD" in row
    assert "1 gloss with what cannot be seen: 'ABEND\\u200b' (U+200B ZERO WIDTH SPACE)" in row
    assert "none where a network was trained on it" in row
