"""What a test takes from the checkpoint, from a file and from the command line."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import yaml

import main
from config.load import BASELINE, ConfigError, load_config, to_dict, to_yaml
from engine.run import run
from main import choose_config
from slr_network import load_model
from tests.helpers.config import tiny_config
from tests.helpers.network import tiny_network
from tests.helpers.published import SWITCHES, publish
from utils.checkpoint import CheckpointError, load_checkpoint, save_checkpoint

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


def test_the_system_is_the_checkpoints_as_its_network_is(tmp_path):
    """With a file that names none, which would be MSTFNet, and whatever the command line says."""
    trained = tiny_config(tmp_path, **{"system": "corrnet", "model_args.fusion_after": [3]})
    weights = str(tmp_path / "best.pt")
    save_checkpoint(weights, {"config": to_dict(trained), "model_state_dict": {}})
    for path in (None, "config/baseline.yaml"):
        for named in ({}, {"system": "tlp"}):
            found, notes = choose_config(path, {"phase": "test", "load_weights": weights, **named})
            assert (found.system, found.model_args) == ("corrnet", trained.model_args)
            said = f"system: corrnet, as in {weights}; what was given, tlp, does not count" in notes
            assert said == bool(named)
            said = f"system: corrnet, as in {weights}; what was given, tlp, does not count"
            assert (said in notes) == bool(named)  # a file names none, so nothing was wished for
    assert f"model_args.fusion: correlation, as in {weights}; what was given, none, does not count" in notes


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


def test_a_checkpoint_does_not_choose_the_program_that_scores(tmp_path):
    """A file that others wrote could name any program of this machine."""
    trained = tiny_config(tmp_path, evaluate_tool="sclite", sclite_path="/bin/sh")
    weights = str(tmp_path / "best.pt")
    save_checkpoint(weights, {"config": to_dict(trained), "model_state_dict": {}})
    words = {"phase": "test", "load_weights": weights}
    found = choose_config(None, words)[0]
    assert (found.evaluate_tool, found.sclite_path) == ("sclite", None)
    assert choose_config(None, words | {"sclite_path": "/my/sclite"})[0].sclite_path == "/my/sclite"


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


@pytest.mark.parametrize("network", ["vac", "smkd", "tlp", "corrnet", "corrnet-CSL-Daily", "mstfnet"])
@pytest.mark.parametrize("phase", ["test", "features"])
def test_published_weights_tell_their_network(tmp_path, network, phase):
    weights = str(tmp_path / "published.pt")
    publish(tiny_network(**SWITCHES[network], hidden_size=32), tmp_path / "published.pt")
    words = {"phase": phase, "load_weights": weights, "beam_width": "3"}
    size = {"c2d_type": "resnet18", "width": 16, "hidden_size": 32}
    for path in (None, "config/baseline.yaml", "config/CSL-Daily.yaml"):
        usual, _ = load_config(path or BASELINE, words)
        found, (*_, note) = choose_config(path, words)
        assert found.model_args == replace(usual.model_args, **SWITCHES[network] | size)
        assert found == replace(usual, model_args=found.model_args, system=network.split("-")[0])
        assert note.startswith(f"the network is as the weights of {weights} tell: ")
        assert "c2d_type=resnet18 " in note
        assert f" pooling={SWITCHES[network]['pooling']} " in note


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"fusion": "stf"}, ["model_args.fusion is stf by {} and none by the weights"]),
        ({"c2d_type": "resnet34"}, ["model_args.c2d_type is resnet34 by {} and resnet18 by the weights"]),
        (
            {"weight_norm": True, "hidden_size": 1024, "dropout": 0.5},
            [
                "model_args.hidden_size is 1024 by {} and 32 by the weights",
                "model_args.weight_norm is true by {} and false by the weights",
            ],
        ),
    ],
)
def test_what_contradicts_published_weights_is_an_error_that_names_both(tmp_path, said, named):
    """Be it what counts by default, in a file of the user or on the command line."""
    weights = str(tmp_path / "published.pt")
    publish(tiny_network(**SWITCHES["vac"], hidden_size=32), tmp_path / "published.pt")
    words = {"phase": "test", "load_weights": weights}
    (tmp_path / "own.yaml").write_text(yaml.dump({"dataset": "phoenix2014", "model_args": said}))
    typed = words | {f"model_args.{key}": str(value) for key, value in said.items()}
    own, line = str(tmp_path / "own.yaml"), "the command line"
    for path, overrides, where in ((own, words, own), (None, typed, line), ("config/baseline.yaml", typed, line)):
        with pytest.raises(ConfigError) as error:
            choose_config(path, overrides)
        listed = "; ".join(named).format(*[where] * len(named))
        assert str(error.value) == (
            f"the configuration and {weights} contradict each other: {listed}. Leave out what differs, since the "
            "weights tell their network, or take other weights"
        )


def test_a_system_that_contradicts_published_weights(tmp_path):
    publish(tiny_network(**SWITCHES["vac"], hidden_size=32), tmp_path / "published.pt")
    words = {"phase": "test", "load_weights": str(tmp_path / "published.pt")}
    (tmp_path / "own.yaml").write_text("system: smkd")
    for path, overrides in ((None, words | {"system": "smkd"}), (tmp_path / "own.yaml", words)):
        with pytest.raises(
            ConfigError, match=r"weight_norm is true by system smkd and false by the weights; .*share_cl"
        ):
            choose_config(path, overrides)
    (tmp_path / "own.yaml").write_text(
        "systems: {vac: {model_args: {pooling: lift}}, smkd: {model_args: {hfam: true}}}"
    )
    with pytest.raises(
        ConfigError, match=r"other: model_args.pooling is lift by \S+own.yaml and max by the weights. Lea"
    ):
        choose_config(tmp_path / "own.yaml", words | {"system": "vac"})
    assert choose_config(None, words | {"system": "vac"})[0].system == "vac"
    assert choose_config(None, words)[0].system == "vac"  # as the weights tell


def test_an_edited_file_of_this_project_counts_as_the_users_own(tmp_path, monkeypatch):
    publish(tiny_network(**SWITCHES["vac"], hidden_size=32), tmp_path / "published.pt")
    words = {"phase": "test", "load_weights": str(tmp_path / "published.pt")}
    (tmp_path / "baseline.yaml").write_text("dataset: phoenix2014\nmodel_args: {width: 64, hidden_size: 512}\n")
    monkeypatch.setattr("config.file_keys.FOLDER", tmp_path)
    with pytest.raises(ConfigError) as error:
        choose_config(tmp_path / "baseline.yaml", words)
    assert "model_args.hidden_size is 512" in str(error.value)
    assert "model_args.width" not in str(error.value)  # as it comes
    (tmp_path / "baseline.yaml").write_text("system: mstfnet")
    assert choose_config(tmp_path / "baseline.yaml", words)[0].system == "vac"
    (tmp_path / "baseline.yaml").write_text("system: smkd")
    with pytest.raises(ConfigError, match="weight_norm is true by system smkd"):
        choose_config(tmp_path / "baseline.yaml", words)


def test_what_weights_go_with_either_way_is_as_given(tmp_path):
    """A repeated classifier and three equal attentions serve networks that share them and such that do not."""
    publish(tiny_network(share_heads=True), tmp_path / "published.pt")
    content = load_checkpoint(tmp_path / "published.pt")
    held = content["model_state_dict"]
    held |= {n.replace("stse1", f"stse{i}"): w for n, w in held.items() if "stse1" in n for i in (2, 3)}
    torch.save(content, tmp_path / "published.pt")
    words = {"phase": "test", "load_weights": str(tmp_path / "published.pt")}
    for value in (True, False):
        given = {f"model_args.{key}": str(value) for key in ("share_heads", "share_classifier")}
        found, _ = choose_config(None, words | given)
        assert (found.model_args.share_heads, found.model_args.share_classifier) == (value, value)
        load_model(words["load_weights"], found.model_args, ["A", "B", "C", "D"])


def test_weights_without_a_network_of_the_family(tmp_path):
    words = {"phase": "test", "load_weights": str(tmp_path / "other.pt"), "model_args.width": "32"}
    torch.save({"Conv3d_1a_7x7.conv3d.weight": torch.zeros(64, 3, 7, 7, 7)}, tmp_path / "other.pt")
    found, (note,) = choose_config(None, words)
    assert found.model_args.width == 32
    assert note == f"the weights of {words['load_weights']} are of no network that is known here: what is given counts"
    with pytest.raises(CheckpointError, match=r"another kind of network: 0 of \d+ names"):
        load_model(words["load_weights"], found.model_args, ["A"])
    torch.save({"conv2d.layer1.0.ssem.alpha": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match=r"other\.pt holds the weights of SEN, which is not supported"):
        choose_config(None, words)
    torch.save({"model_state_dict": {}}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="no tensor is there"):
        choose_config(None, words)


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


@pytest.mark.parametrize("network", ["tlp", "corrnet"])
def test_published_weights_are_tested_as_a_checkpoint_of_the_same_network(prepared, tmp_path, network):
    model = tiny_network(7, **SWITCHES[network])
    publish(model, tmp_path / "published.pt")
    network_args = {f"model_args.{key}": value for key, value in SWITCHES[network].items()}
    config = tiny_config(prepared, tmp_path / "expected", **network_args, **{"loss_weights.AuxCTC": 0})
    config = replace(config, phase="test", load_weights=str(tmp_path / "best.pt"))
    save_checkpoint(tmp_path / "best.pt", {"model_state_dict": model.state_dict(), "config": to_dict(config)})
    run(config)
    words = ["--phase=test", f"--load-weights={tmp_path / 'published.pt'}", f"--work-dir={tmp_path / 'run'}"]
    words += ["--device=cpu", "num_worker=0", "feeder_args.input_size=64", f"prepared={prepared}"]
    main.main(main.parse_args(words))
    for name in ("output-hypothesis-test.ctm", "output-hypothesis-test-conv.ctm"):
        assert (tmp_path / "run" / name).read_text() == (tmp_path / "expected" / name).read_text() != ""
