"""The file of options: read back by the configuration, with a language model that is found from anywhere."""

from __future__ import annotations

from pathlib import Path

from config.decoding import read_decoding
from evaluation.tuning.decoding_file import write_decoding_file
from evaluation.tuning.option_search import SearchOptions

OPTIONS = SearchOptions(0.25, -1.5, 0.75, 20)
KEYS = {"lm_weight": 0.25, "insertion_bonus": -1.5, "blank_penalty": 0.75, "beam_width": 20}


def test_the_configuration_reads_the_options_and_finds_the_language_model(tmp_path, monkeypatch):
    run, lm = tmp_path / "work dir/run", tmp_path / "models/müller # 1.arpa"
    run.mkdir(parents=True)
    lm.parent.mkdir()
    lm.touch()
    monkeypatch.chdir(tmp_path)
    path = Path("work dir/run/decoding.yaml")
    assert write_decoding_file(path, OPTIONS, Path("models/müller # 1.arpa"), ["x"]) is None
    monkeypatch.chdir(run)
    held = read_decoding(str(run / "decoding.yaml"))
    assert {key: held[key] for key in KEYS} == KEYS
    assert Path(held["lm"]).samefile(lm)
    tmp_path.joinpath("elsewhere").mkdir()
    moved = tmp_path.rename(tmp_path.with_name(tmp_path.name + "-moved"))
    assert Path(read_decoding(str(moved / "work dir/run/decoding.yaml"))["lm"]).is_file()


def test_the_way_to_the_language_model_starts_from_the_real_folder(tmp_path):
    (tmp_path / "disk/deep/run").mkdir(parents=True)
    (tmp_path / "run").symlink_to(tmp_path / "disk/deep/run")
    (tmp_path / "lm.arpa").touch()
    write_decoding_file(tmp_path / "run/decoding.yaml", OPTIONS, tmp_path / "lm.arpa", [])
    assert Path(read_decoding(str(tmp_path / "run/decoding.yaml"))["lm"]).samefile(tmp_path / "lm.arpa")


def test_without_a_language_model_the_key_has_no_value(tmp_path):
    write_decoding_file(tmp_path / "decoding.yaml", SearchOptions(), None, [])
    assert read_decoding(str(tmp_path / "decoding.yaml"))["lm"] is None


def test_comments_stay_comments_whatever_they_hold(tmp_path):
    write_decoding_file(tmp_path / "decoding.yaml", OPTIONS, None, ["a\nlm_weight: 9\x85beam_width: 1\u2028x: y"])
    assert read_decoding(str(tmp_path / "decoding.yaml")) == {"lm": None, **KEYS}


def test_an_older_file_is_kept_unless_it_says_the_same(tmp_path):
    path = tmp_path / "decoding.yaml"
    path.write_text("mine\n", encoding="utf-8")
    assert write_decoding_file(path, OPTIONS, None, ["new"]) == tmp_path / "decoding-1.yaml"
    assert (tmp_path / "decoding-1.yaml").read_text(encoding="utf-8") == "mine\n"
    assert write_decoding_file(path, OPTIONS, None, ["new"]) is None
    assert write_decoding_file(path, SearchOptions(), None, ["new"]) == tmp_path / "decoding-2.yaml"
    assert len(list(tmp_path.iterdir())) == 3
