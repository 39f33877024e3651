"""Which system a configuration is of, and what an old file is told about it."""

import pytest

from config.layers import FOLDER, list_corpora, list_systems, read_system
from config.load import load_config, to_dict, to_yaml
from config.nearest_system import find_nearest_system, name_system
from tests.helpers.config import FILE_OF_ANOTHER_SYSTEM

BASELINE = FOLDER / "baseline.yaml"
ADVICE = "the file names no system"


@pytest.fixture
def advise(tmp_path):
    """A function that loads a file with this text, and gives the lines that advise on the system."""

    def load(text: str, **typed: str) -> list[str]:
        (tmp_path / "mine.yaml").write_text(text)
        return [note for note in load_config(tmp_path / "mine.yaml", typed)[1] if note.startswith(ADVICE)]

    return load


def describe(**overrides) -> str:
    """The line about `config/baseline.yaml` with these changes, whose keys have __ for the dot."""
    return name_system(
        to_dict(load_config(BASELINE, {key.replace("__", "."): value for key, value in overrides.items()})[0])
    )


@pytest.mark.parametrize("name", list_systems())
@pytest.mark.parametrize("dataset", sorted({*list_corpora()} - {"custom"}))
def test_a_system_is_itself_on_every_corpus(name, dataset):
    assert describe(system=name, dataset=dataset) == f"system: {name}"
    config = to_dict(load_config(BASELINE, {"system": name, "dataset": dataset})[0])
    assert not find_nearest_system(config).differing


@pytest.mark.parametrize("name", list_systems())
def test_a_system_is_known_by_its_switches_whatever_its_name(name):
    """Its label, its recipe and the sizes of its network decide nothing."""
    config = to_dict(load_config(BASELINE, {"system": name})[0])
    other = "vac" if name == "mstfnet" else "mstfnet"
    config |= {"system": other, "num_epoch": 7}
    config["model_args"] |= {"width": 16, "share_heads": False}
    config["optimizer_args"] |= {"base_lr": 0.5, "gamma": 0.5}
    assert name_system(config) == f"system: {name}"
    assert find_nearest_system(config).name == name
    assert find_nearest_system({"model_args": read_system(name)["model_args"]}).name == name


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        (
            {"system": "corrnet", "model_args__fusion": "none"},
            "corrnet, but for model_args.fusion: none (corrnet: correlation)",
        ),
        (
            {"system": "corrnet", "model_args__fusion_after": "[2]", "dataset": "CSL-Daily"},
            "corrnet, but for model_args.fusion_after: [2] (corrnet: [3, 4])",
        ),
        ({"system": "corrnet", "model_args__fusion_after": "[3, 4]", "dataset": "CSL-Daily"}, "corrnet"),
        (
            {"system": "corrnet", "model_args__fusion_after": "[3, 4]"},
            "corrnet, but for model_args.fusion_after: [3, 4] (corrnet: [2, 3, 4])",
        ),
        ({"system": "vac", "model_args__fusion_after": "[3]"}, "vac"),  # nothing follows any stage
        ({"system": "vac", "loss_weights__Dist": "0"}, "vac, but for loss_weights.Dist: 0.0 (vac: 25.0)"),
        ({"system": "smkd", "loss_weights__Dist": "25"}, "smkd, but for loss_weights.Dist: 25.0 (smkd: 0.0)"),
        (
            {
                "system": "vac",
                "model_args__weight_norm": "true",
                "model_args__share_classifier": "true",
                "loss_weights__Dist": "0",
            },
            "smkd",
        ),
        ({"model_args__c2d_type": "resnet18"}, "mstfnet, but for model_args.c2d_type: resnet18 (mstfnet: resnet34)"),
        (
            {"model_args__hfam": "false", "loss_weights__AuxCTC": "0"},
            "mstfnet, but for loss_weights.AuxCTC: 0.0 (mstfnet: 1.0), model_args.hfam: false (mstfnet: true)",
        ),
        ({"dataset": "custom"}, "mstfnet, but for model_args.c2d_type: resnet18 (mstfnet: resnet34)"),
        ({"dataset": "custom", "system": "tlp"}, "tlp"),
    ],
)  # fmt: skip
def test_the_nearest_system_and_what_differs(overrides, line):
    assert describe(**overrides) == f"system: {line}"


def test_of_equally_near_systems_the_nearer_network_counts():
    """CorrNet's baseline differs in one switch from SMKD, in its losses, and in one from CorrNet."""
    config = to_dict(load_config(BASELINE, {"system": "corrnet", "model_args.fusion": "none"})[0])
    del config["system"]
    assert name_system(config) == "system: smkd, but for loss_weights.Dist: 25.0 (smkd: 0.0)"


def test_where_nothing_is_trained_the_network_alone_counts():
    config = to_dict(load_config(BASELINE, {"system": "corrnet"})[0])
    config["loss_weights"] |= {"AuxCTC": 1.0}
    assert "AuxCTC" in name_system(config)
    assert name_system(config | {"phase": "test"}) == "system: corrnet"


def test_a_network_on_no_known_corpus():
    """As it is known of weights alone."""
    near = find_nearest_system({"model_args": {"fusion": "correlation", "fusion_after": (3, 4), "pooling": "max"}})
    assert near.describe() == "corrnet, but for model_args.fusion_after: [3, 4] (corrnet: [2, 3, 4])"
    assert near.switches == near.differing == {"model_args.fusion_after": ([3, 4], [2, 3, 4])}
    assert (
        find_nearest_system({"dataset": "mine", "model_args": {"weight_norm": False, "pooling": "lift"}}).name == "tlp"
    )


def change(old: str, new: str) -> str:
    assert old in FILE_OF_ANOTHER_SYSTEM
    return FILE_OF_ANOTHER_SYSTEM.replace(old, new)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (FILE_OF_ANOTHER_SYSTEM, "corrnet"),
        (change("  Dist: 25.0\n", ""), "smkd"),
        (change("share_classifier: True\n  weight_norm: True", "share_classifier: False\n  weight_norm: False"), "vac"),
        (
            change("  Dist: 25.0\n", "  Dist: 25.0\n  Cu: 0.001\n  Cp: 0.001\n").partition("  share_classifier")[0],
            "tlp",
        ),
        ("print_log: true\nmodel_args: {c2d_type: resnet18}\n", "corrnet"),
    ],
)
def test_an_old_file_is_told_the_system_that_it_may_be_of(advise, text, name):
    (line,) = advise(text)
    assert line.endswith(f"its keys are nearest to those of {name}, which --system {name} trains")
    assert "this trains mstfnet, but for " in line
    assert "model_args.c2d_type: resnet18 (mstfnet: resnet34)" in line
    for typed in ({"system": name}, {"system": "mstfnet"}, {"model_args.fusion": "stf"}, {"model_args.hfam": "true"}):
        assert advise(text, **typed) == []
    assert advise(f"system: mstfnet\n{text}") == []


def test_what_an_old_file_trains_by_its_systems_name(tmp_path):
    """The file still counts over the system's, where it says something else."""
    (tmp_path / "old.yaml").write_text(FILE_OF_ANOTHER_SYSTEM)
    config, notes = load_config(tmp_path / "old.yaml", {"system": "corrnet"})
    assert (
        find_nearest_system(to_dict(config)).describe(with_recipe=True)
        == "corrnet, but for num_epoch: 80 (corrnet: 40)"
    )
    assert notes[-1] == (
        "the file counts over --system, so this trains corrnet, but for num_epoch: 80 (corrnet: 40); take these keys "
        "out of the file to train the system"
    )
    assert len(notes) == 10
    assert len(load_config(tmp_path / "old.yaml", {"system": "corrnet", "num_epoch": "80"})[1]) == 9  # a wish


def test_a_runs_configuration_counts_over_a_system_and_the_log_says_so(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(load_config(BASELINE, {"system": "smkd", "dataset": "CSL-Daily"})[0]))
    assert load_config(path, {"system": "smkd"})[1] == load_config(path, {})[1] == []
    (note,) = load_config(path, {"system": "corrnet"})[1]
    assert "this trains corrnet, but for loss_weights.Dist: 0.0 (corrnet: 25.0), model_args.fusion: none" in note
    assert load_config(path, {"system": "corrnet", "phase": "test"})[1] == []


@pytest.mark.parametrize(
    "text",
    [
        change("c2d_type: resnet18", "c2d_type: resnet34"),  # an earlier MSTFNet's
        change("  Dist: 25.0\n", "  Dist: 25.0\n  AuxCTC: 1.0\n").replace("resnet18", "resnet34"),
        "print_log: true\nevaluate_tool: python\n",  # it says nothing of a network
        change("phase: train", "phase: test\nload_weights: x.pt").replace("load_weights: ''\n", ""),
        "model_args: {c2d_type: resnet18, weight_norm: false}\n",  # a file of this project
    ],
)
def test_whoever_does_not_need_the_advice_is_not_bothered(advise, text):
    assert advise(text) == []


@pytest.mark.parametrize("file", [*FOLDER.glob("*.yaml")], ids=lambda file: file.stem)
def test_no_file_of_this_project_is_advised(file):
    assert load_config(file, {})[1] == []
