from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from config.keys import list_keys
from config.load import ConfigError, list_corpora, load_config, parse_stored_config, to_dict, to_yaml
from config.older_keys import RENAMED_KEYS, RenamedKey
from config.schema import Config

FOLDER = Path(__file__).parents[2] / "config"
CORPORA = ["phoenix2014", "phoenix2014-SI5", "phoenix2014-T", "CSL-Daily", "CSL", "custom"]


def test_baseline_is_the_published_recipe():
    config, notes = load_config(FOLDER / "baseline.yaml", {})
    assert notes == []
    assert (config.dataset, config.num_epoch, config.batch_size, config.random_seed) == ("phoenix2014", 80, 2, 0)
    optimizer, feeder, model = config.optimizer_args, config.feeder_args, config.model_args
    assert (optimizer.optimizer, optimizer.base_lr, optimizer.weight_decay) == ("Adam", 1e-4, 1e-4)
    assert (optimizer.step, optimizer.gamma) == ((40, 60), 0.2)
    assert (feeder.input_size, feeder.flip, feeder.temporal_scale) == (224, 0.5, 0.2)
    assert (feeder.min_frames, feeder.max_frames) == (32, 230)
    assert (model.c2d_type, model.hidden_size, model.pretrained, model.share_heads) == (
        "resnet34",
        1024,
        "imagenet",
        True,
    )
    assert (config.decode_mode, config.beam_width, config.normalise) == ("beam", 10, "phoenix2014")
    weights = config.loss_weights
    assert (weights.SeqCTC, weights.ConvCTC, weights.AuxCTC, weights.Dist) == (1.0, 1.0, 1.0, 25.0)


def test_training_computes_within_blocks_again_unless_told_otherwise():
    assert Config().recompute == "blocks"


def test_baseline_lines_that_readmes_point_to():
    lines = (FOLDER / "baseline.yaml").read_text().splitlines()
    assert lines[0].startswith("# python main.py --config ./config/baseline.yaml")
    assert lines[2].startswith("dataset:")
    assert lines[15].startswith("evaluate_tool:")


def test_baseline_explains_every_key():
    lines = (FOLDER / "baseline.yaml").read_text().splitlines()
    explained = {line.strip().removeprefix("# ").split(":")[0] for line in lines if ": " in line and "#" in line}
    assert {key.rsplit(".", 1)[-1] for key, _ in list_keys()} <= explained


@pytest.mark.parametrize("name", CORPORA)
def test_each_corpus_by_its_file_and_by_line_3(name):
    by_file, _ = load_config(FOLDER / f"{name}.yaml", {})
    by_line, _ = load_config(FOLDER / "baseline.yaml", {"dataset": name})
    for config in (by_file, by_line):
        assert config.prepared == f"./preprocess/{name}"
        assert config.dataset_root == f"./dataset/{name.removesuffix('-SI5')}"
        assert config.normalise == ("phoenix2014" if name.startswith("phoenix") else "none")
        assert config.merge_repeats == name.startswith("phoenix")
        assert config.also_normalise == (("phoenix2014-T",) if name == "phoenix2014-T" else ())
        assert config.model_args.share_heads == (name in ("phoenix2014", "phoenix2014-SI5"))
        assert config.feeder_args.skip_short == (name in ("phoenix2014-T", "CSL-Daily", "custom"))
    daily = name == "CSL-Daily"
    assert by_line.optimizer_args.base_lr == (5e-5 if daily else 1e-4)
    assert by_line.optimizer_args.gamma == (0.5 if daily else 0.2)
    assert by_line.feeder_args.temporal_scale == (0.0 if daily else 0.2)


def test_repeats_stay_in_the_quickstart_and_in_a_corpus_of_ones_own():
    assert not load_config(FOLDER / "quickstart.yaml", {})[0].merge_repeats
    own, _ = load_config(None, {"dataset": "mine", "prepared": "./mine", "normalise": "none"})
    assert (own.merge_repeats, own.also_normalise) == (False, ())


def test_corpora_are_found():
    assert sorted(list_corpora()) == sorted(CORPORA)


def test_command_line_over_file_over_corpus_over_default(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("dataset: CSL-Daily\nbatch_size: 3\nnum_epoch: 4\noptimizer_args: {gamma: 0.9}\n")
    config, _ = load_config(file, {"batch_size": "5", "model_args.width": "32"})
    assert config.batch_size == 5  # command line over file
    assert config.num_epoch == 4  # file over default
    assert config.optimizer_args.gamma == 0.9  # file over corpus
    assert config.optimizer_args.base_lr == 5e-5  # corpus over default
    assert config.model_args.width == 32
    assert config.model_args.hidden_size == 1024  # default


def test_all_mistakes_at_once_with_suggestions(tmp_path):
    file = tmp_path / "wrong.yaml"
    file.write_text("num_epoc: 3\nbatch_size: 0\noptimizer_args: {base_lrr: 1}\nfeeder_args: {flip: often}\n")
    with pytest.raises(ConfigError) as error:
        load_config(file, {"decode_mode": "bem", "loss_weights": "3"})
    text = str(error.value)
    assert text.startswith("6 mistakes")
    assert "num_epoc: unknown key; did you mean num_epoch?" in text
    assert "optimizer_args.base_lrr: unknown key; did you mean optimizer_args.base_lr?" in text
    assert "batch_size: 0" in text
    assert "feeder_args.flip: 'often'" in text
    assert "decode_mode: 'bem'" in text
    assert "'greedy'" in text
    assert "loss_weights: 3 is one value" in text


def test_a_key_in_the_wrong_section_is_named_with_the_right_one():
    """Not `loader_timeout`, which has as many letters of it."""
    with pytest.raises(ConfigError, match=r"\n  pad_to: unknown key; did you mean feeder_args\.pad_to\?$"):
        load_config(None, {"pad_to": "32"})
    with pytest.raises(ConfigError, match=r"\n  feeder_args\.num_worker: unknown key; did you mean num_worker\?$"):
        load_config(None, {"feeder_args.num_worker": "auto"})


@pytest.mark.parametrize(
    ("word", "hint"),
    [("TF32", "; did you mean tf32?"), ("bfloat16", "; did you mean bf16?"), ("float32", ""), ("half", "")],
)
def test_a_wrong_precision_is_told_all_choices_and_the_nearest_where_one_is_near(word, hint):
    with pytest.raises(ConfigError) as error:
        load_config(None, {"precision": word})
    choices = "'default', 'tf32', 'fp32', 'bf16', 'fp16' or 'auto'"
    assert str(error.value).endswith(f"  precision: '{word}' is not allowed: input should be {choices}{hint}")


def test_a_key_on_the_command_line_hides_no_mistake_of_the_file(tmp_path):
    file = tmp_path / "wrong.yaml"
    file.write_text("model_args: 64\n")
    with pytest.raises(ConfigError, match=r"1 mistake .*\n  model_args: 64 is one value"):
        load_config(file, {"model_args.width": "32"})
    file.write_text("work_dir: x\n")
    assert load_config(file, {"work_dir": "y"})[0].work_dir == "y"


def test_values_that_contradict_each_other():
    with pytest.raises(ConfigError) as error:
        load_config(
            None,
            {
                "loss_weights": {"SeqCTC": 0, "ConvCTC": 0, "AuxCTC": 0},
                "optimizer_args": {"optimizer": "SGD", "nesterov": True, "momentum": 0},
                "feeder_args": {"min_frames": 300},
            },
        )
    text = str(error.value)
    assert "loss_weights: SeqCTC, ConvCTC and AuxCTC are all zero" in text
    assert "optimizer_args: nesterov needs a momentum" in text
    assert "feeder_args: min_frames 300 is above max_frames 230" in text
    with pytest.raises(ConfigError, match="freeze_bn keeps statistics that were loaded"):
        load_config(None, {"freeze_bn": True, "model_args.pretrained": "none"})
    assert load_config(None, {"freeze_bn": True})[0].freeze_bn


def test_a_loss_needs_the_part_of_the_network_that_it_trains():
    with pytest.raises(
        ConfigError, match=r"\n  loss_weights.AuxCTC is 1.0, a loss of HFAM, which the network does not"
    ):
        load_config(None, {"model_args.hfam": False})
    assert not load_config(None, {"model_args.hfam": False, "loss_weights.AuxCTC": 0})[0].model_args.hfam
    assert not load_config(None, {"model_args.hfam": False, "phase": "test"})[0].model_args.hfam  # no loss there
    for network in ({"model_args.pooling": "max"}, {"model_args.conv_type": 0}):
        with pytest.raises(ConfigError, match=r"loss_weights.Cu is 0.001, a loss of lift pooling, which the network"):
            load_config(None, network | {"loss_weights.Cu": 0.001})
    with pytest.raises(ConfigError) as error:  # all of them at once: TLP has both, and AuxCTC is a third
        load_config(None, {"system": "tlp", "model_args.pooling": "max", "loss_weights.AuxCTC": 1})
    for wrong in ("AuxCTC is 1.0", "Cu is 0.001", "Cp is 0.001"):
        assert f"loss_weights.{wrong}" in str(error.value)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("[2, 2]", "names each stage once"),
        ("[3, 2]", "names each stage once"),
        ("[1]", "greater than or equal to 2"),
        ("[4, 5]", "less than or equal to 4"),
        ("[]", "needs a stage in fusion_after"),
        ("3", "3 is not allowed: a list in brackets is needed"),
    ],
)
def test_places_of_fusions_that_there_are_not(value, said):
    with pytest.raises(ConfigError, match=rf"1 mistake .*\n  model_args(.*fusion_after)?.*{said}"):
        load_config(None, {"model_args.fusion_after": value})


def test_a_run_is_no_corpus():
    with pytest.raises(ConfigError, match="dataset: there is no corpus quickstart"):
        load_config(None, {"dataset": "quickstart"})


def test_an_unknown_corpus_is_named():
    with pytest.raises(ConfigError, match=r"phoenix2041.*did you mean phoenix2014"):
        load_config(None, {"dataset": "phoenix2041"})
    config, _ = load_config(None, {"dataset": "mine", "prepared": "./mine", "normalise": "none"})
    assert config.dataset == "mine"


def test_keys_of_earlier_systems_are_accepted_with_a_line(tmp_path):
    file = tmp_path / "old.yaml"
    file.write_text(
        "feeder: dataset.dataloader_video.BaseFeeder\nmodel: slr_network.SLRModel\nprint_log: true\nrandom_fix: true\n"
        "dataset: phoenix2014\ndevice: 0\nload_weights:\n"
        "feeder_args: {mode: train, datatype: video, num_gloss: -1, drop_ratio: 1.0, frame_interval: 1}\n"
        "model_args: {num_classes: 1296, c2d_type: resnet18, use_bn: 1}\n"
        "optimizer_args: {optimizer: Adam, base_lr: 0.0001, step: [40, 60], learning_ratio: 1, start_epoch: 0}\n"
    )
    config, notes = load_config(file, {})
    assert config.model_args.c2d_type == "resnet18"
    assert config.device == "0"
    assert config.load_weights is None
    assert notes[-1].startswith("the file names no system, so this trains mstfnet")
    assert sorted(note.split(" is ignored")[0] for note in notes[:-1]) == [
        "feeder",
        "feeder_args.drop_ratio",
        "feeder_args.mode",
        "feeder_args.num_gloss",
        "model",
        "model_args.num_classes",
        "model_args.use_bn",
        "optimizer_args.learning_ratio",
        "optimizer_args.start_epoch",
        "print_log",
        "random_fix",
    ]


def test_numbers_that_yaml_reads_as_text():
    config, _ = load_config(None, {"optimizer_args.base_lr": "1e-3"})
    assert config.optimizer_args.base_lr == 1e-3


def test_what_is_written_is_what_is_read(tmp_path):
    config, _ = load_config(FOLDER / "quickstart.yaml", {"device": "cpu", "ignore_weights": "[a, b]"})
    (tmp_path / "config.yaml").write_text(to_yaml(config))
    assert load_config(tmp_path / "config.yaml", {})[0] == config
    assert yaml.safe_load(to_yaml(config))["ignore_weights"] == ["a", "b"]


@pytest.mark.parametrize("text", ["[1, 2]", "a: [", ""])
def test_files_that_are_no_configuration(tmp_path, text):
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        load_config(file, {})


def test_an_empty_file_is_called_so(tmp_path):
    (tmp_path / "empty.yaml").write_text("# nothing yet\n")
    with pytest.raises(ConfigError, match=r"empty\.yaml must hold `key: value` lines, it is empty"):
        load_config(tmp_path / "empty.yaml", {})


def test_a_missing_file_is_named():
    with pytest.raises(ConfigError, match=r"no configuration file nowhere\.yaml"):
        load_config("nowhere.yaml", {})


def test_configurations_are_frozen():
    with pytest.raises(AttributeError):
        Config().num_epoch = 3


def test_a_stored_configuration_comes_back_as_it_was():
    config, _ = load_config(FOLDER / "baseline.yaml", {"dataset": "CSL-Daily"})
    for work_dir in ("2024-05-01", "./a #2", "null", "a: b", "1e5"):  # YAML would take these for something else
        changed = replace(config, work_dir=work_dir)
        assert parse_stored_config(to_dict(changed), "best.pt") == changed
    with pytest.raises(ConfigError, match=r"configuration in best.pt is a list, not sections"):
        parse_stored_config([1], "best.pt")
    with pytest.raises(ConfigError, match=r"1 mistake in the configuration in best.pt:\n  beam: unknown key"):
        parse_stored_config(to_dict(config) | {"beam": 1}, "best.pt")


def nest(levels: int) -> dict:
    """A dictionary that shares its parts, so that it stands for 2**levels values."""
    inside: dict = {"x": 1}
    for _ in range(levels):
        inside = {"x": inside, "y": inside}
    return inside


@pytest.mark.parametrize(
    "changes",
    [
        {3: 1},
        {"model_args": {3: 1}},
        {"x": nest(60)},
        {"model_args": nest(60)},
        {"work_dir": nest(60)},
        {"num_epoch": 10**5000},
        {"num_epoch": np.zeros(3)},
        {"checkpoint_stages": np.zeros(3)},
        {"dataset": [1]},
        {"x" * 10**6: 1},
    ],
)
def test_odd_values_in_a_checkpoint_are_one_short_message(changes):
    with pytest.raises(ConfigError, match=r"in best\.pt") as error:
        parse_stored_config(to_dict(Config()) | changes, "best.pt")
    assert len(str(error.value)) < 500


@pytest.mark.parametrize(("value", "today"), [("true", "stages"), ("false", "blocks")])
def test_a_key_of_an_earlier_version_is_read_under_its_name_of_today(tmp_path, value, today):
    """In files, on the command line and in checkpoints."""
    file = tmp_path / "old.yaml"
    file.write_text(f"checkpoint_stages: {value}\n")
    for config, notes in (load_config(file, {}), load_config(None, {"checkpoint_stages": value})):
        assert config.recompute == today
        assert notes == [f"checkpoint_stages is called recompute today, and read as recompute: {today}"]
    stored = {key: kept for key, kept in to_dict(Config()).items() if key != "recompute"}
    assert parse_stored_config(stored | {"checkpoint_stages": value == "true"}, "old.pt").recompute == today


def test_of_two_names_of_a_key_the_command_line_and_the_name_of_today_count(tmp_path):
    file = tmp_path / "old.yaml"
    file.write_text("checkpoint_stages: true\n")
    assert load_config(file, {"recompute": "none"})[0].recompute == "none"
    file.write_text("recompute: none\n")
    assert load_config(file, {"checkpoint_stages": "true"})[0].recompute == "stages"
    file.write_text("checkpoint_stages: true\nrecompute: none\n")
    config, notes = load_config(file, {})
    assert config.recompute == "none"
    assert notes == ["checkpoint_stages is called recompute today, and ignored, since recompute is given too"]


def test_a_corpus_file_may_hold_a_key_of_an_earlier_version(tmp_path, monkeypatch):
    monkeypatch.setattr("config.layers.FOLDER", tmp_path)
    (tmp_path / "mine.yaml").write_text("prepared: here\nnormalise: none\ncheckpoint_stages: true\n")
    config, notes = load_config(None, {"dataset": "mine"})
    assert config.recompute == "stages"
    assert notes == ["checkpoint_stages is called recompute today, and read as recompute: stages"]
    assert parse_stored_config({"dataset": "mine"}, "old.pt").recompute == "stages"


def test_a_renamed_key_keeps_its_value_as_it_was_given(tmp_path, monkeypatch):
    monkeypatch.setitem(RENAMED_KEYS, "model_args.c2d_weights", RenamedKey("model_args.pretrained", {}))
    file = tmp_path / "old.yaml"
    file.write_text("model_args: {c2d_weights: 'off'}\n")
    assert load_config(file, {})[0].model_args.pretrained == "off"  # not what YAML makes of it, which is no text


def test_a_renamed_key_with_a_value_it_never_had_is_a_mistake():
    with pytest.raises(ConfigError, match=r"checkpoint_stages: \[1\] is not allowed; .* choose one of blocks, stages"):
        load_config(None, {"checkpoint_stages": "[1]"})


@pytest.mark.parametrize("old", RENAMED_KEYS)
def test_renamed_keys_lead_to_keys_of_today(old):
    keys = dict(list_keys())
    assert old not in keys
    for value in RENAMED_KEYS[old].values.values():
        load_config(None, {RENAMED_KEYS[old].key: value})
    assert RENAMED_KEYS[old].key in keys
