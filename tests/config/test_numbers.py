"""Numbers that no run can have are one message, whatever key they stand in."""

import pytest

from config.keys import list_keys
from config.load import ConfigError, load_config

NUMBERS = ["frame_rate", "num_worker"]
NUMBERS += [key for key, value in list_keys() if isinstance(value, (int, float)) and not isinstance(value, bool)]
WORDS = "-1 -0.5 99999999999999999999 1e25 1e400 nan .nan inf -.inf true no"
IMPOSSIBLE = [*WORDS.split(), "9" * 5000]
SIGNED = {"insertion_bonus"}
"""Keys that may be below zero."""
CASES = [(key, word) for key in NUMBERS for word in IMPOSSIBLE if key not in SIGNED or word not in {"-1", "-0.5"}]


def test_there_are_numbers():
    assert {"num_epoch", "random_seed", "feeder_args.image_scale", "model_args.hidden_size"} <= set(NUMBERS)


@pytest.mark.timeout(30)
@pytest.mark.parametrize(("key", "word"), CASES)
def test_what_no_number_of_a_run_can_be(key, word, tmp_path):
    file = tmp_path / "a.yaml"
    section, _, name = key.rpartition(".")
    file.write_text(f"{section}: {{{name}: {word}}}\n" if section else f"{name}: {word}\n")
    for source, overrides in ((None, {key: word}), (file, {})):
        with pytest.raises(ConfigError, match=rf"1 mistake in .*\n  {key}: ") as error:
            load_config(source, overrides)
        assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    ("key", "most", "beyond"),
    [
        ("random_seed", 2**63 - 1, 2**63),
        ("batch_size", 65_536, 65_537),
        ("beam_width", 10_000, 10_001),
        ("num_worker", 512, 513),
        ("feeder_args.input_size", 4096, 4097),
        ("feeder_args.image_scale", 4096, 4096.5),
        ("feeder_args.max_frames", 10**9, 10**9 + 1),
        ("model_args.width", 512, 528),
        ("model_args.hidden_size", 8192, 8194),
        ("optimizer_args.base_lr", 1000, 1001),
    ],
)
def test_upper_ends(key, most, beyond):
    load_config(None, {key: most})
    with pytest.raises(ConfigError, match=f"{key}: {beyond} is not allowed"):
        load_config(None, {key: beyond})


def test_a_bonus_may_be_a_price():
    assert load_config(None, {"insertion_bonus": "-0.5"})[0].insertion_bonus == -0.5


def test_switches_are_no_numbers_in_lists_and_choices_either():
    with pytest.raises(ConfigError, match=r"optimizer_args\.step\.1: true is no number"):
        load_config(None, {"optimizer_args.step": "[1, yes]"})
    with pytest.raises(ConfigError, match=r"model_args\.conv_type: false is no number"):
        load_config(None, {"model_args.conv_type": "no"})
    assert load_config(None, {"resume": "1"})[0].resume


@pytest.mark.timeout(30)  # it was a minute when each was looked for among the keys
def test_thousands_of_mistakes_are_counted_and_ten_named(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("num_epoch: x\n" + "".join(f"num_epoch{index}: 1\n" for index in range(20_000)))
    with pytest.raises(ConfigError) as error:
        load_config(file, {"device": "cpu"})
    lines = str(error.value).splitlines()
    assert lines[0].startswith("20,001 mistakes in the configuration")
    assert len(lines) == 12
    assert "  num_epoch0: unknown key; did you mean num_epoch?" in lines
    assert lines[-1] == "  and 19,991 more"
    file.write_text(f"num_epoch: [{'x, ' * 20_000}]\noptimizer_args: {{step: [{'x, ' * 900}]}}\n{'k' * 900}: 1\n")
    with pytest.raises(ConfigError, match="902 mistakes") as error:
        load_config(file, {})
    assert len(str(error.value)) < 3000
