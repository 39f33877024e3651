"""The settings of the beam search in a configuration, and the file that `decoding` names."""

from __future__ import annotations

import pytest

from config.decoding import drop_language_model
from config.load import ConfigError, load_config, parse_stored_config, to_dict
from engine.checkpoint_config import load_evaluation_config
from engine.resumed_config import load_training_config
from tests.helpers.config import tiny_config
from utils.checkpoint import save_checkpoint

TUNED = "lm: models/lm.arpa\nlm_weight: 0.75\ninsertion_bonus: 1.5\nblank_penalty: 0.5\nbeam_width: 20\n"
KEYS = ("lm", "lm_weight", "insertion_bonus", "blank_penalty", "beam_width")


@pytest.fixture
def tuned(tmp_path):
    (tmp_path / "decoding.yaml").write_text(TUNED, encoding="utf-8")
    return str(tmp_path / "decoding.yaml")


@pytest.fixture
def expected(tmp_path):
    return (str(tmp_path / "models/lm.arpa"), 0.75, 1.5, 0.5, 20)


def read_keys(config):
    return tuple(getattr(config, key) for key in KEYS)


def test_all_is_off_where_nothing_is_said():
    assert read_keys(load_config(None, {})[0]) == (None, 0.3, 0.0, 0.0, 10)
    assert read_keys(load_config("config/baseline.yaml", {})[0]) == (None, 0.3, 0.0, 0.0, 10)


def test_a_language_model_alone_has_a_weight():
    assert load_config(None, {"lm": "lm.arpa"})[0].lm_weight == 0.3


def test_a_file_named_on_the_command_line_counts_over_the_runs_file_and_below_the_command_line(
    tuned, tmp_path, expected
):
    (tmp_path / "run.yaml").write_text("beam_width: 5\nlm_weight: 0.1\nlm: other.arpa\n", encoding="utf-8")
    config, notes = load_config(tmp_path / "run.yaml", {"decoding": tuned})
    assert read_keys(config) == expected
    assert config.decoding is None
    given = "lm {}, lm_weight {}, insertion_bonus {}, blank_penalty {}, beam_width {}".format(*expected)
    assert notes == [f"decoding: {tuned} gives {given}"]
    config = load_config(tmp_path / "run.yaml", {"decoding": tuned, "lm_weight": "0.2", "beam_width": "7"})[0]
    assert read_keys(config) == (expected[0], 0.2, 1.5, 0.5, 7)


def test_a_file_named_in_the_runs_file_counts_over_it_unless_the_command_line_names_another(tuned, tmp_path, expected):
    (tmp_path / "run.yaml").write_text(f"decoding: {tuned}\nbeam_width: 5\n", encoding="utf-8")
    (tmp_path / "other.yaml").write_text("beam_width: 30\n", encoding="utf-8")
    assert read_keys(load_config(tmp_path / "run.yaml", {})[0]) == expected
    other = load_config(tmp_path / "run.yaml", {"decoding": str(tmp_path / "other.yaml")})[0]
    assert read_keys(other) == (None, 0.3, 0.0, 0.0, 30)
    assert load_config(tmp_path / "run.yaml", {"decoding": "none"})[0].beam_width == 5


def test_a_test_without_a_file_takes_it_over_what_the_checkpoint_says(tuned, tmp_path, expected):
    trained = tiny_config(lm="old.arpa", lm_weight=0.5, insertion_bonus=9.0, beam_width=3)
    save_checkpoint(tmp_path / "best.pt", {"config": to_dict(trained), "model_state_dict": {}})
    words = {"phase": "test", "load_weights": str(tmp_path / "best.pt")}
    assert read_keys(load_evaluation_config(None, words)[0]) == ("old.arpa", 0.5, 9.0, 0.0, 3)
    assert read_keys(load_evaluation_config(None, words | {"decoding": tuned})[0]) == expected
    assert load_evaluation_config(None, words | {"decoding": tuned, "beam_width": "4"})[0].beam_width == 4
    # Whoever wants no language model need not say so of its weight too.
    assert read_keys(load_evaluation_config(None, words | {"lm": "none"})[0]) == (None, 0.3, 9.0, 0.0, 3)


def test_a_resumed_training_takes_the_file_over_what_the_checkpoint_says(tuned, tmp_path, expected):
    stored = to_dict(load_config(None, {"lm": "old.arpa", "beam_width": 3, "batch_size": 5})[0])
    save_checkpoint(tmp_path / "last.pt", {"config": stored, "precision": "fp32"})
    words = {"load_checkpoints": str(tmp_path / "last.pt")}
    assert load_training_config(None, words)[0].lm == "old.arpa"
    config = load_training_config(None, words | {"decoding": tuned})[0]
    assert (read_keys(config), config.batch_size) == (expected, 5)
    (tmp_path / "run.yaml").write_text(f"decoding: {tuned}\n", encoding="utf-8")
    assert read_keys(load_training_config(tmp_path / "run.yaml", words)[0]) == expected


def test_an_absolute_language_model_stays_where_it_is(tmp_path):
    (tmp_path / "decoding.yaml").write_text("lm: /models/lm.arpa\n", encoding="utf-8")
    assert load_config(None, {"decoding": str(tmp_path / "decoding.yaml")})[0].lm == "/models/lm.arpa"


@pytest.mark.parametrize("none", ["null", '""'])
def test_a_file_without_a_language_model_switches_it_off(none, tmp_path):
    (tmp_path / "decoding.yaml").write_text(f"lm: {none}\nlm_weight: 0.0\nblank_penalty: 1.0\n", encoding="utf-8")
    (tmp_path / "run.yaml").write_text("lm: lm.arpa\nlm_weight: 0.5\n", encoding="utf-8")
    config = load_config(tmp_path / "run.yaml", {"decoding": str(tmp_path / "decoding.yaml")})[0]
    assert read_keys(config) == (None, 0.0, 0.0, 1.0, 10)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"lm": "lm.arpa", "lm_weight": "-0.5"}, "lm_weight: -0.5 is not allowed"),
        ({"lm": "lm.arpa", "lm_weight": float("nan")}, "lm_weight: nan is not allowed: .*finite"),
        ({"insertion_bonus": float("inf")}, "insertion_bonus: inf is not allowed: .*finite"),
        ({"blank_penalty": "-1"}, "blank_penalty: -1 is not allowed"),
        ({"lm_weight": "0.5"}, "lm_weight is 0.5, but lm names no language model: name its ARPA file, or leave"),
        (
            {"lm": "lm.arpa", "decode_mode": "greedy"},
            r"decode_mode: greedy knows no language model, bonus or penalty \(lm lm.arpa\)",
        ),
        ({"blank_penalty": "1", "decode_mode": "max"}, r"decode_mode: max knows no .* \(blank_penalty 1.0\)"),
        (
            {"lm": "lm.arpa", "insertion_bonus": "1", "decode_backend": "ctcdecode"},
            r"decode_backend: ctcdecode knows no .* \(lm lm.arpa, insertion_bonus 1.0\): the built-in beam search does",
        ),
        ({"decoding": "nowhere.yaml"}, "decoding: there is no file 'nowhere.yaml'; `python -m evaluation.tune` writes"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_sentence(keys, message):
    with pytest.raises(ConfigError, match=message):
        load_config(None, keys)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lm_wieght: 1", "decoding.yaml: lm_wieght: unknown key; did you mean lm_weight"),
        ("batch_size: 4", "decoding.yaml: batch_size: unknown key; the file may have lm, lm_weight"),
        ("lm_weight: -2", "decoding.yaml: lm_weight: -2 is not allowed"),
        ("beam_width: .nan", "decoding.yaml: beam_width: '.nan' is not allowed"),
        ("- 1", "decoding.yaml must hold `key: value` lines"),
        ("lm: [", "decoding.yaml"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, text, message):
    (tmp_path / "decoding.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        load_config(None, {"decoding": str(tmp_path / "decoding.yaml")})


def test_a_file_of_a_run_names_it_and_no_block_of_it_does(tuned, tmp_path):
    (tmp_path / "run.yaml").write_text(f"systems:\n  mstfnet:\n    decoding: {tuned}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="decoding: its file counts over every block, and has no place in one"):
        load_config(tmp_path / "run.yaml", {})


def test_what_is_shared_needs_no_language_model():
    with_model = to_dict(load_config(None, {"lm": "lm.arpa", "insertion_bonus": 2.0, "beam_width": 30})[0])
    assert read_keys(parse_stored_config(drop_language_model(with_model), "")) == (None, 0.3, 0.0, 0.0, 30)
    without = to_dict(load_config(None, {"insertion_bonus": 2.0, "blank_penalty": 1.0})[0])
    assert drop_language_model(without) == without
