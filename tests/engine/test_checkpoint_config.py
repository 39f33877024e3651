"""What a test takes from the checkpoint, from a file and from the command line."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import main
from config.load import ConfigError, to_dict, to_yaml
from engine.run import run
from main import choose_config
from tests.helpers.config import tiny_config
from utils.checkpoint import load_checkpoint, save_checkpoint

OF_TRAINING = {
    "prepared": "./prepared",
    "device": "0,1",
    "work_dir": "./work_dir/run",
    "load_weights": "first.pt",
    "ignore_weights": ["classifier.weight"],
    "overwrite": True,
    "decode_mode": "greedy",
    "model_args.dropout": 0.2,
}


@pytest.fixture
def trained(tmp_path):
    """(configuration, file) of a checkpoint without a network."""
    config = tiny_config(**OF_TRAINING)
    save_checkpoint(tmp_path / "best.pt", {"config": to_dict(config), "model_state_dict": {}})
    return config, str(tmp_path / "best.pt")


def save_yaml(tmp_path, config):
    (tmp_path / "given.yaml").write_text(to_yaml(config))
    return str(tmp_path / "given.yaml")


@pytest.mark.parametrize("phase", ["test", "features"])
@pytest.mark.parametrize("key", ["load_weights", "load_checkpoints"])
def test_without_a_file_all_is_as_in_the_training_but_how_it_was_started(trained, tmp_path, phase, key):
    config, weights = trained
    found, notes = choose_config(None, {"phase": phase, key: weights})
    folder = str(tmp_path / phase)
    started = {"phase": phase, "device": "auto", "work_dir": folder, "overwrite": False, "ignore_weights": ()}
    assert found == replace(config, **started | {"load_weights": None, key: weights})
    assert notes == [f"no --config is given: what the command line does not say is as in the training of {weights}"]


def test_the_command_line_counts_but_for_the_network(trained):
    _, weights = trained
    words = {"phase": "test", "load_weights": weights, "work_dir": "w", "decode_mode": "beam", "device": "cpu"}
    words |= {"model_args.width": "32", "model_args.dropout": "0.5", "feeder_args.frame_interval": "2"}
    found, notes = choose_config(None, words | {"checkpoint_stages": "true"})
    assert (found.work_dir, found.decode_mode, found.device, found.recompute) == ("w", "beam", "cpu", "stages")
    assert found.model_args.width == 16
    assert "checkpoint_stages is called recompute today, and read as recompute: stages" in notes
    assert notes[-2:] == [
        f"model_args.width: 16, as in {weights}; what was given, 32, does not count",
        f"warning: feeder_args.frame_interval is 2, and the network of {weights} was trained with 1",
    ]


def test_with_a_file_the_file_counts_but_for_the_network(trained, tmp_path):
    config, weights = trained
    other = tiny_config(prepared=tmp_path, **{
        "model_args.width": 64, "model_args.share_heads": False, "model_args.mask_padding": False, "beam_width": 3,
        "feeder_args.input_size": 224, "model_args.pretrained": "imagenet", "work_dir": "elsewhere",
    })  # fmt: skip
    found, notes = choose_config(save_yaml(tmp_path, other), {"phase": "test", "load_weights": weights})
    assert found.model_args == config.model_args
    assert found == replace(other, phase="test", load_weights=weights, model_args=config.model_args)
    assert notes == [
        f"model_args.width: 16, as in {weights}; what was given, 64, does not count",
        f"model_args.share_heads: True, as in {weights}; what was given, False, does not count",
        f"model_args.mask_padding: True, as in {weights}; what was given, False, does not count",
        f"warning: feeder_args.input_size is 224, and the network of {weights} was trained with 64",
    ]


def test_padding_can_be_masked_otherwise_than_in_training_by_the_command_line_alone(trained, tmp_path):
    config, weights = trained
    words = {"phase": "test", "load_weights": weights, "model_args.mask_padding": "false"}
    for path in (None, save_yaml(tmp_path, config)):
        found, notes = choose_config(path, words)
        assert found.model_args == replace(config.model_args, mask_padding=False)
        assert notes[-1] == (
            f"warning: model_args.mask_padding is False, and the network of {weights} was trained with True"
        )
    with pytest.raises(ConfigError, match="features must not depend on the batch"):
        choose_config(None, words | {"phase": "features"})


def test_a_network_that_cannot_do_what_the_file_wants(tmp_path):
    config = tiny_config(**{"model_args.mask_padding": False})
    save_checkpoint(tmp_path / "best.pt", {"config": to_dict(config)})
    words = {"phase": "features", "load_weights": str(tmp_path / "best.pt")}
    with pytest.raises(ConfigError, match="features must not depend on the batch"):
        choose_config(save_yaml(tmp_path, tiny_config()), words)


def test_published_weights_say_nothing_so_what_is_given_counts(tmp_path):
    torch.save({"model_state_dict": {}}, tmp_path / "published.pt")
    words = {"phase": "test", "load_weights": str(tmp_path / "published.pt"), "model_args.width": "32"}
    found, notes = choose_config(None, words)
    assert (found.model_args.width, found.model_args.c2d_type, found.work_dir) == (
        32,
        "resnet34",
        "./work_dir/baseline",
    )
    assert notes == []


def test_mistakes_are_errors_whatever_the_configuration_comes_from(trained):
    _, weights = trained
    words = {"phase": "test", "load_weights": weights}
    with pytest.raises(ConfigError, match="num_epoc: unknown key; did you mean num_epoch"):
        choose_config(None, words | {"num_epoc": "3"})
    with pytest.raises(ConfigError, match="checkpoint_stages: 'both' is not allowed"):
        choose_config(None, words | {"checkpoint_stages": "both"})
    with pytest.raises(ConfigError, match="model_args: 3 is one value"):
        choose_config(None, words | {"model_args": "3"})


def test_a_run_that_is_tested_by_its_folder(trained, tmp_path):
    """--phase test --resume has always taken the last.pt of work_dir."""
    config, _ = trained
    save_checkpoint(tmp_path / "last.pt", {"config": to_dict(config)})
    found, notes = choose_config(None, {"phase": "test", "resume": "true", "work_dir": str(tmp_path)})
    assert found.model_args == config.model_args
    assert f"model_args.width: 16, as in {tmp_path / 'last.pt'}; what was given, 64, does not count" in notes


def test_a_checkpoint_alone_is_tested_as_it_was_trained(random_checkpoint, prepared, tmp_path):
    """By the command, beside a file of the training, with frames of another size than the checkpoint says."""
    weights = tmp_path / "run/best.pt"
    config = tiny_config(prepared, weights.parent, decode_mode="greedy")
    content = load_checkpoint(random_checkpoint) | {"config": to_dict(config), "frame_size": 256}
    save_checkpoint(weights, content)
    (tmp_path / "run/log.txt").write_text("of the training\n")
    main.main(main.parse_args(["--phase", "test", "--load-weights", str(weights), "--device=cpu"]))
    run(replace(config, phase="test", load_weights=str(weights), work_dir=str(tmp_path / "expected")))
    for split in ("dev", "test"):
        name = f"output-hypothesis-{split}.ctm"
        assert (tmp_path / "run/test" / name).read_text() == (tmp_path / "expected" / name).read_text() != ""
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["best.pt", "log.txt", "test"]
    assert (tmp_path / "run/log.txt").read_text() == "of the training\n"
    log = (tmp_path / "run/test/log.txt").read_text()
    assert f"writing to {tmp_path / 'run/test'}" in log
    assert f"warning: the prepared frames have 72 pixels a side, those of {weights} 256" in log
