"""Values of keys that hold text count as they were written, on the command line and in files."""

from dataclasses import replace

import pytest

import main
from config.keys import is_list, is_text, list_keys, may_be_none
from config.load import ConfigError, load_config, parse_stored_config, to_dict, to_yaml
from config.older_keys import RENAMED_KEYS, RenamedKey
from config.schema import Config

WRITTEN = [
    "20261125_01",
    "0123",
    "12:30:45",
    "1.10",
    "2024-05-01",
    "2024-02-30",
    "on",
    "no",
    "1e5",
    "0x10",
    ".inf",
    "=",
    "<<",
]
"""What YAML 1.1 takes for a number, a date or a switch."""
ON_THE_COMMAND_LINE = [
    "exp #2",
    "# 2",
    "a: b",
    "[x",
    "{x}",
    "*a",
    "&a",
    "!x",
    "null",
    "~",
    "'x",
    '"x"',
    " x ",
    "x\n",
    "a\x85b",
    "\u2028",
    "\udce9",
    "%",
]
"""What YAML takes for something else, or refuses."""
TEXT = [key for key, _ in list_keys() if is_text(key) and not is_list(key)]


def value_of(config: Config, key: str):
    """The value of a dotted key."""
    for part in key.split("."):
        config = getattr(config, part)
    return config


@pytest.mark.parametrize("word", [*WRITTEN, *ON_THE_COMMAND_LINE])
def test_paths_on_the_command_line_are_text(word, tmp_path):
    arguments = ["--work_dir", word, f"--prepared={word}", f"device={word}", f"model_args.pretrained={word}"]
    config, _ = load_config(None, main.parse_args(arguments).overrides)
    assert (config.work_dir, config.prepared, config.device, config.model_args.pretrained) == (word,) * 4
    (tmp_path / "config.yaml").write_text(to_yaml(config), encoding="utf-8")
    assert load_config(tmp_path / "config.yaml", {})[0] == config
    assert parse_stored_config(to_dict(config), "best.pt") == config


@pytest.mark.parametrize("written", WRITTEN)
def test_paths_in_files_are_text(written, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(
        f"work_dir: {written}\ndevice: {written}  # of it\nignore_weights: [{written}, a]\nload_weights: {written}\n"
    )
    config, _ = load_config(file, {})
    assert (config.work_dir, config.device, config.load_weights) == (written,) * 3
    assert config.ignore_weights == (written, "a")
    assert load_config(None, {"ignore_weights": f"[{written}, a]"})[0].ignore_weights == (written, "a")
    file.write_text(f"feeder_args: {{features: {written}}}\n")
    assert load_config(file, {})[0].feeder_args.features == written
    assert load_config(None, {"feeder_args": f"{{features: {written}}}"})[0].feeder_args.features == written


@pytest.mark.parametrize("key", TEXT)
def test_every_key_of_text_holds_what_was_typed(key):
    """Where the key is a choice, the message does; so it does where the key names a file that is read at once."""
    try:
        config, _ = load_config(None, {"prepared": "x", "normalise": "none", key: "0123"})
    except ConfigError as error:
        said = "decoding: there is no file '0123'" if key == "decoding" else f"{key}: '0123' is not allowed"
        assert said in str(error)
    else:
        assert value_of(config, key) == "0123"


def test_which_keys_hold_text():
    assert {"work_dir", "device", "dataset", "load_weights", "phase", "feeder_args.features"} <= set(TEXT)
    assert is_text("ignore_weights")
    assert is_text("also_normalise")
    others = {"num_epoch", "resume", "optimizer_args.step", "model_args.conv_type", "loss_weights", "no_such_key"}
    assert not any(map(is_text, others))
    assert may_be_none("load_weights")
    assert not may_be_none("work_dir")


@pytest.mark.parametrize("word", ["null", "none", "None", "~", ""])
def test_no_value_only_where_a_key_may_have_none(word):
    config, _ = load_config(None, {"load_weights": word, "sclite_path": word})
    assert (config.load_weights, config.sclite_path) == (None, None)
    if word:
        assert load_config(None, {"work_dir": word})[0].work_dir == word
    else:
        with pytest.raises(ConfigError, match="work_dir: '' is not allowed"):
            load_config(None, {"work_dir": word})


def test_a_file_without_a_value_for_a_path_is_refused(tmp_path):
    file = tmp_path / "mine.yaml"
    for value in ("", "null", "~"):
        file.write_text(f"work_dir: {value}\nload_weights: {value}\n")
        with pytest.raises(ConfigError, match=r"1 mistake in .*\n  work_dir: None is not allowed"):
            load_config(file, {})


def test_numbers_lists_and_switches_are_read_as_yaml_reads_them(tmp_path):
    words = ["--num_epoch", "012", "optimizer_args.base_lr=1e-3", "--resume", "no", "optimizer_args.step=[1, 2]"]
    config, _ = load_config(None, main.parse_args([*words, "--device", "0,1"]).overrides)
    assert (config.num_epoch, config.resume, config.device) == (12, False, "0,1")
    assert (config.optimizer_args.base_lr, config.optimizer_args.step) == (1e-3, (1, 2))
    file = tmp_path / "mine.yaml"
    file.write_text("device: 0\nnum_epoch: 012\nresume: on\nbatch_size: 1_0\noptimizer_args: {base_lr: 1e-3}\n")
    config, _ = load_config(file, {})
    assert (config.device, config.num_epoch, config.resume, config.batch_size) == ("0", 12, True, 10)
    with pytest.raises(ConfigError, match=r"num_epoch: '12:30' is not allowed"):
        load_config(None, {"num_epoch": "12:30"})


def test_a_key_given_twice_is_an_error(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("num_epoch: 3\nbatch_size: 2\nmodel_args:\n  width: 16\nnum_epoch: 4\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml, line 5: num_epoch is already on line 1"):
        load_config(file, {})
    file.write_text("model_args:\n  width: 16\n  width: 32\n")
    with pytest.raises(ConfigError, match=r"line 3: width is already on line 2"):
        load_config(file, {})
    with pytest.raises(ConfigError, match=r"model_args: '\{width: 1, width: 2\}' cannot be read: .*width is already"):
        load_config(None, {"model_args": "{width: 1, width: 2}"})


def test_a_renamed_key_of_text_is_text(tmp_path, monkeypatch):
    monkeypatch.setitem(RENAMED_KEYS, "model_args.c2d_weights", RenamedKey("model_args.pretrained", {}))
    file = tmp_path / "mine.yaml"
    file.write_text("model_args: {c2d_weights: 0123}\n")
    for config, _ in (load_config(file, {}), load_config(None, {"model_args.c2d_weights": "0123"})):
        assert config.model_args.pretrained == "0123"


def test_what_a_checkpoint_holds_is_not_read_again():
    for value in (*WRITTEN, *ON_THE_COMMAND_LINE):
        config = replace(Config(), work_dir=value)
        assert parse_stored_config(to_dict(config), "best.pt") == config


@pytest.mark.parametrize("key", ["prepared", "work_dir", "load_weights", "feeder_args.features"])
def test_a_path_with_a_character_of_value_zero(key):
    with pytest.raises(ConfigError, match=rf"{key}: 'a\\x00b' holds a character of value zero"):
        load_config(None, {key: "a\0b"})
