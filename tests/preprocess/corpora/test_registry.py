"""The list of corpora, and how another one joins it: a reader, a line in the registry and a YAML."""

from pathlib import Path

import pytest
import yaml

import config.layers
from config.load import ConfigError, list_corpora, load_config
from dataset.manifest import SPLITS, Manifest
from preprocess import doctor
from preprocess.corpora.corpus import (
    Corpus,
    CorpusReader,
    PreparationError,
    check_root,
    check_unique,
    collect_glosses,
    make_recording,
    read_table,
)
from preprocess.corpora.registry import CORPORA, LANGUAGES, READERS, get_reference_rules
from preprocess.options import parse_args
from preprocess.prepare import main, prepare
from tests.helpers import corpora as tiny
from tests.helpers.paths import REPOSITORY

ROWS = {
    "train": ("a|Anna|loc-NORD REGEN", "b|Ben|REGEN"),
    "dev": ("c|Anna|loc-NORD",),
    "test": ("d|Ben|REGEN",),
}
FRAMES = 24


def read_fifth(root: Path) -> Corpus:
    check_root(root, FIFTH)
    splits = {}
    for split in SPLITS:
        rows = read_table(root / f"{split}.csv", "name|signer|glosses")
        splits[split] = tuple(
            make_recording(where, row["name"], root / "frames" / row["name"], row["signer"], row["glosses"])
            for where, row in rows
        )
    check_unique(splits)
    return Corpus(splits, collect_glosses(splits.values()))


def read_fifth_lengths(root: Path) -> dict[str, int]:
    return {row["name"]: int(row["frames"]) for _, row in read_table(root / "lengths.csv", "name|frames")}


FIFTH = CorpusReader(
    name="Fifth",
    read=read_fifth,
    title="The Fifth Corpus",
    page="https://example.org/fifth",
    released_folder="fifth-v1",
    marker="frames",
    root_name="fifth",
    language="fifth",
    image_size=(42, 52),
    published_clips={"train": 2, "dev": 1, "test": 1},
    reference_rules={"train": "phoenix2014"},
    lengths_file="lengths.csv",
    read_lengths=read_fifth_lengths,
)
SETTINGS = {
    "dataset": "Fifth",
    "dataset_root": "./dataset/fifth",
    "prepared": "./preprocess/Fifth",
    "normalise": "phoenix2014",
    "feeder_args": {"input_size": 64},
}


@pytest.fixture
def fifth(tmp_path, monkeypatch) -> Path:
    """Register the corpus, with a YAML in a folder of configurations, and build a tiny one."""
    monkeypatch.setitem(CORPORA, FIFTH.name, FIFTH)
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "Fifth.yaml").write_text(yaml.safe_dump(SETTINGS))
    monkeypatch.setattr(config.layers, "FOLDER", folder)
    root = tmp_path / "corpus"
    for split, rows in ROWS.items():
        tiny.write_lines(root / f"{split}.csv", "name|signer|glosses", *rows)
        for row in rows:
            tiny.write_clip(root / "frames" / row.partition("|")[0], frames=FRAMES)
    tiny.write_lines(root / "lengths.csv", "name|frames", *(f"{name}|{FRAMES}" for name in "abcd"))
    return root


def test_every_corpus_has_a_reader_and_a_configuration():
    assert set(list_corpora()) == set(CORPORA)
    assert len(CORPORA) == len(READERS)


def test_names_of_languages():
    assert LANGUAGES == {"phoenix": "phoenix2014", "phoenix-t": "phoenix2014-T", "csl-daily": "CSL-Daily", "csl": "CSL"}


def test_reference_rules():
    assert get_reference_rules("phoenix2014", "train") == "phoenix2014-sentence"
    assert get_reference_rules("phoenix2014", "dev") == "none"
    assert get_reference_rules("a corpus of someone else", "train") == "none"


def test_a_fifth_corpus_is_examined_and_prepared(tmp_path, fifth, diagnose):
    before = diagnose("Fifth", fifth)
    assert (before.status, before.of("error"), before.of("warning")) == (0, set(), set())
    assert before.rows["corpus: number of clips"] == "as many as papers report"
    assert before.rows["corpus: image sizes"] == "42x52 pixels"
    assert before.rows["corpus: image counts"] == "4 clips as lengths.csv says"
    out = tmp_path / "out"
    options = ["--dataset", "Fifth", "--dataset-root", str(fifth), "--output", str(out), "--process-image"]
    assert main(parse_args([*options, "--frame-size", "64", "--workers", "1"])) == 0
    train = Manifest.load(out / "train.json")
    assert [(clip.id, clip.num_frames) for clip in train.clips] == [("a", FRAMES), ("b", FRAMES)]
    for split, label in (("train", "NORD REGEN"), ("dev", "loc-NORD")):
        stm = (out / f"Fifth-groundtruth-{split}.stm").read_text(encoding="utf-8")
        assert stm.splitlines()[0].endswith(f"1.79769e+308 {label}")
    after = diagnose("Fifth", fifth, out)
    assert (after.status, after.of("error"), after.of("warning")) == (0, set(), set())
    assert "ready to train" in after.text.splitlines()[-1]


def test_a_fifth_corpus_is_configured(fifth):
    settings, notes = load_config(REPOSITORY / "config/baseline.yaml", {"dataset": "Fifth"})
    assert notes == []
    assert (settings.dataset, settings.normalise) == ("Fifth", "phoenix2014")
    assert settings.prepared == "./preprocess/Fifth"
    assert load_config(None, {"dataset": "Fifth"})[0].feeder_args.input_size == 64
    with pytest.raises(ConfigError, match="did you mean Fifth"):
        load_config(None, {"dataset": "Fift"})


def test_the_commands_know_a_fifth_corpus(fifth):
    for parse in (parse_args, doctor.parse_args):
        assert parse(["--dataset", "Fifth"]).dataset_root == REPOSITORY / "dataset/fifth"


def test_a_fifth_corpus_that_is_not_there(tmp_path, fifth):
    with pytest.raises(
        PreparationError, match=r"no The Fifth Corpus corpus at .*Download it from https://example\.org"
    ):
        prepare("Fifth", tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(PreparationError, match="one or more levels too high"):
        prepare("Fifth", tmp_path, tmp_path / "out")
