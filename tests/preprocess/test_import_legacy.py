"""Files as earlier systems wrote them, converted."""

from pathlib import Path

import numpy as np
import pytest

from dataset.manifest import Manifest
from dataset.vocabulary import Vocabulary
from preprocess.import_legacy import main, parse_args
from tests.helpers import corpora as tiny
from tests.helpers.pickles import CreatesFolder

CLIPS = {"train": ("t1", "t2", "t3"), "dev": ("d1",), "test": ("e1", "e2")}


def entry(split: str, name: str) -> dict[str, object]:
    return {
        "fileid": name,
        "folder": f"{split}/{name}/1/*.png",
        "signer": "Signer01",
        "label": "loc-NORD  REGEN",
        "num_frames": 4,
        "original_info": f"{name}|{name}/1/*.png|Signer01|loc-NORD  REGEN",
    }


@pytest.fixture
def legacy(tmp_path) -> Path:
    np.save(tmp_path / "gloss_dict.npy", {"REGEN": [1, 6], "loc-NORD": [2, 6]})
    for split, names in CLIPS.items():
        info: dict[object, object] = {number: entry(split, name) for number, name in enumerate(names)}
        np.save(tmp_path / f"{split}_info.npy", {**info, "prefix": str(tmp_path / "corpus")})
        for name in names:
            tiny.write_clip(tmp_path / f"corpus/features/fullFrame-210x260px/{split}/{name}/1")
    return tmp_path


def convert(legacy: Path, *options: str) -> int:
    fixed = ["--dataset", "phoenix2014", "--legacy", str(legacy), "--output", str(legacy / "out")]
    return main(parse_args([*fixed, *options]))


def test_every_clip_is_kept_the_last_one_too(legacy):
    assert convert(legacy) == 0
    assert (legacy / "out/gloss_dict.txt").read_text().split() == ["REGEN", "loc-NORD"]
    for split, names in CLIPS.items():
        manifest = Manifest.load(legacy / f"out/{split}.json")
        stm = (legacy / f"out/phoenix2014-groundtruth-{split}.stm").read_text().splitlines()
        assert tuple(clip.id for clip in manifest.clips) == names
        assert tuple(line.split()[0] for line in stm) == names
        assert all(clip.num_frames == 4 and clip.glosses == ("loc-NORD", "REGEN") for clip in manifest.clips)
        label = "NORD REGEN" if split == "train" else "loc-NORD REGEN"
        assert all(line.endswith(f"1.79769e+308 {label}") for line in stm)


def test_the_folder_of_the_corpus_can_be_named(legacy, capsys):
    (legacy / "corpus").rename(legacy / "moved")
    assert convert(legacy) == 1
    assert "name the folder with --prefix-root" in capsys.readouterr().err
    assert convert(legacy, "--prefix-root", str(legacy / "moved")) == 0


def test_frames_are_counted(legacy, capsys):
    clip = legacy / "corpus/features/fullFrame-210x260px/test/e2/1"
    (clip / "images0004.png").unlink()
    assert convert(legacy) == 0
    assert "1 clip has another number of frames than stated: e2 (4, now 3)" in capsys.readouterr().out
    assert Manifest.load(legacy / "out/test.json").clips[-1].num_frames == 3


def test_problems_are_named(legacy, capsys):
    np.save(legacy / "gloss_dict.npy", {"REGEN": [1, 6]})
    assert convert(legacy) == 1
    assert "1 glosses are not in gloss_dict.npy: loc-NORD" in capsys.readouterr().err
    np.save(legacy / "dev_info.npy", {0: entry("dev", "d1"), 2: entry("dev", "d2"), "prefix": "."})
    assert convert(legacy) == 1
    assert "dev_info.npy: its keys must be 0, 1, 2" in capsys.readouterr().err
    np.save(
        legacy / "dev_info.npy", {0: {"fileid": "d1", "folder": "dev/d1/1/*.png"}, "prefix": str(legacy / "corpus")}
    )
    assert convert(legacy) == 1
    assert "dev_info.npy, entry 0 must have the texts fileid, folder, signer, label" in capsys.readouterr().err
    (legacy / "dev_info.npy").unlink()
    assert convert(legacy) == 1
    assert "there is no file" in capsys.readouterr().err


def test_code_in_the_files_is_not_run(legacy, capsys, monkeypatch):
    monkeypatch.chdir(legacy)
    np.save(legacy / "train_info.npy", {0: CreatesFolder("evil"), "prefix": "."})
    assert convert(legacy) == 1
    assert "is refused, and nothing in it was run" in capsys.readouterr().err
    assert not Path("evil").exists()


def test_a_dictionary_with_one_gloss_in_two_forms_keeps_its_ids(legacy, capsys):
    np.save(legacy / "gloss_dict.npy", {"SU\u0308D": [1, 6], "loc-NORD": [2, 6], "SÜD": [3, 1], "REGEN": [4, 6]})
    info = np.load(legacy / "dev_info.npy", allow_pickle=True).item()
    info[0] |= {"label": "SU\u0308D SÜD loc-NORD", "fileid": "d\u0308"}
    np.save(legacy / "dev_info.npy", info)
    assert convert(legacy) == 0
    vocabulary = Vocabulary.load(legacy / "out/gloss_dict.txt")
    assert vocabulary.glosses == ("SÜD", "loc-NORD", "SÜD", "REGEN")
    (clip,) = Manifest.load(legacy / "out/dev.json").clips
    assert vocabulary.encode(clip.glosses) == [1, 1, 2]
    assert "another number of frames" not in capsys.readouterr().out


def test_frames_that_are_stated_as_text_or_not_at_all_are_no_difference(legacy, capsys):
    """The files of CSL-Daily have text there."""
    for split, stated in (("train", "4"), ("dev", None), ("test", " 4")):
        info = np.load(legacy / f"{split}_info.npy", allow_pickle=True).item()
        for value in info.values():
            if isinstance(value, dict):
                value["num_frames"] = stated
        np.save(legacy / f"{split}_info.npy", info)
    assert convert(legacy) == 0
    assert "another number" not in capsys.readouterr().out
    info[0]["num_frames"] = "5"
    np.save(legacy / "test_info.npy", info)
    assert convert(legacy) == 0
    assert (
        f"1 clip has another number of frames than stated: {CLIPS['test'][0]} ('5', now 4)" in capsys.readouterr().out
    )


@pytest.mark.parametrize("name", ["../x", "/x", "a/b", "..", ".", "", " x", "-x", "a\nb", "a\\b", "a\0b", "x" * 101])
def test_the_name_of_a_corpus_leads_to_no_other_folder(legacy, capsys, name):
    before = sorted(legacy.rglob("*"))
    assert convert(legacy, f"--dataset={name}") == 1
    assert "the name of a corpus becomes part of file names" in capsys.readouterr().err
    assert sorted(legacy.rglob("*")) == before
