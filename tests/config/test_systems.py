"""Systems by name: their files, and what counts over what."""

from pathlib import Path

import pytest

from config.keys import list_keys
from config.layers import BLOCK, SYSTEMS, list_corpora, list_systems, read_corpus, read_system, read_yaml
from config.load import ConfigError, load_config, parse_stored_config, to_dict, to_yaml
from config.schema import Config
from main import main, parse_args

FOLDER = Path(__file__).parents[2] / "config"
BASELINE = FOLDER / "baseline.yaml"
SWITCHES = ("c2d_type", "fusion", "pooling", "hfam", "weight_norm", "share_classifier")
LOSSES = ("SeqCTC", "ConvCTC", "AuxCTC", "Dist", "Cu", "Cp")
TABLE = {
    "vac": (("resnet18", "none", "max", False, False, False), (1, 1, 0, 25, 0, 0), 40, (20, 35)),
    "smkd": (("resnet18", "none", "max", False, True, True), (1, 1, 0, 0, 0, 0), 40, (20, 35)),
    "tlp": (("resnet18", "none", "lift", False, False, False), (1, 1, 0, 25, 0.001, 0.001), 80, (40, 60)),
    "corrnet": (("resnet18", "correlation", "max", False, True, True), (1, 1, 0, 25, 0, 0), 40, (20, 35)),
    "mstfnet": (("resnet34", "stf", "lift", True, True, True), (1, 1, 1, 25, 0, 0), 80, (40, 60)),
}
"""The published switches, weights of the losses, epochs and drops of the learning rate."""
OWN = "dataset: mine\nprepared: ./mine\nnormalise: none\n"


@pytest.fixture
def file(tmp_path):
    """A function that writes a configuration."""

    def write(text: str) -> Path:
        (tmp_path / "mine.yaml").write_text(text)
        return tmp_path / "mine.yaml"

    return write


def list_set_keys(content: dict) -> dict:
    """The values that a file sets, by dotted key."""
    return {
        name: one
        for key, value in content.items()
        for name, one in (
            {f"{key}.{below}": of for below, of in value.items()} if isinstance(value, dict) else {key: value}
        ).items()
    }


def flatten(config: Config) -> dict:
    return list_set_keys(to_dict(config))


def test_each_system_has_a_file_and_each_file_a_name():
    assert sorted(list_systems()) == sorted(TABLE) == sorted(file.stem for file in SYSTEMS.glob("*.yaml"))
    assert not {*list_systems(), "systems"} & {*list_corpora()}


@pytest.mark.parametrize("dataset", list_corpora())
@pytest.mark.parametrize("name", TABLE)
def test_the_recipe_of_each_system_on_each_corpus(name, dataset):
    config, notes = load_config(BASELINE, {"system": name, "dataset": dataset})
    assert notes == []
    switches, losses, epochs, step = TABLE[name]
    network, optimizer = config.model_args, config.optimizer_args
    if dataset == "custom":  # own corpora are small, whatever is trained on them
        switches = ("resnet18", *switches[1:])
    assert tuple(getattr(network, key) for key in SWITCHES) == switches
    assert network.fusion_after == ((3, 4) if (name, dataset) == ("corrnet", "CSL-Daily") else (2, 3, 4))
    assert tuple(getattr(config.loss_weights, key) for key in LOSSES) == losses
    assert (config.num_epoch, optimizer.step, config.batch_size) == (epochs, step, 2)
    daily = dataset == "CSL-Daily"
    assert (optimizer.optimizer, optimizer.weight_decay) == ("Adam", 1e-4)
    assert (optimizer.base_lr, optimizer.gamma) == ((5e-5, 0.5) if daily else (1e-4, 0.2))
    assert config.feeder_args.temporal_scale == (0.0 if daily else 0.2)
    assert (config.dataset, config.system) == (dataset, name)
    # What is neither the system's nor particular to it on the corpus is as for every other system.
    ours = {*list_set_keys(read_system(name)), "system", "model_args.fusion_after"}
    of_mstfnet = flatten(load_config(BASELINE, {"dataset": dataset})[0])
    assert {key: value for key, value in flatten(config).items() if key not in ours} == {
        key: value for key, value in of_mstfnet.items() if key not in ours
    }


def test_without_a_name_every_key_is_as_mstfnets_file_and_the_defaults_have_it():
    values, defaults = list_set_keys(read_system("mstfnet")), flatten(Config())
    assert {key: defaults[key] for key in values} == values
    assert Config.system == "mstfnet"
    for dataset in list_corpora():
        assert load_config(BASELINE, {"dataset": dataset}) == load_config(
            BASELINE, {"dataset": dataset, "system": "mstfnet"}
        )


def test_baseline_sets_nothing_that_a_systems_file_sets_and_has_it_as_a_comment_with_mstfnets_value():
    lines = BASELINE.read_text(encoding="utf-8").splitlines()
    given = list_set_keys(read_yaml(BASELINE))
    for name in list_systems():
        assert not {*list_set_keys(read_system(name)), "system"} & given.keys()
        assert set(list_set_keys(read_system(name))) <= set(list_set_keys(read_system("mstfnet")))
    assert any(line.startswith("# system: mstfnet ") for line in lines)
    comments = [
        line.strip().removeprefix("# ").split(" #")[0].strip() for line in lines if line.strip().startswith("# ")
    ]
    for line in (SYSTEMS / "mstfnet.yaml").read_text(encoding="utf-8").splitlines():
        key = line.split("#")[0].strip()
        assert not key or key.endswith(":") or key in comments


@pytest.mark.parametrize("name", TABLE)
def test_a_systems_file_says_where_it_is_from_and_sets_only_what_may_be_set(name):
    text = (SYSTEMS / f"{name}.yaml").read_text(encoding="utf-8")
    assert "# Source: " in text
    assert "# Published WER" in text
    assert set(list_set_keys(read_system(name))) <= {key for key, _ in list_keys()}
    assert f"--system {name} " in text.splitlines()[0]


def test_what_counts_over_what(tmp_path, monkeypatch, file):
    """Each layer sets one key less than the one below it, so that each has one that it decides."""
    keys = ["keep", "save_interval", "log_interval", "eval_interval", "num_epoch", "max_skips"]

    def set_from(first: int, value: int) -> str:
        return ", ".join(f"{key}: {value}" for key in keys[first:])

    monkeypatch.setattr("config.layers.FOLDER", tmp_path)
    monkeypatch.setattr("config.layers.SYSTEMS", tmp_path / "systems")
    (tmp_path / "systems").mkdir()
    (tmp_path / "systems" / "tlp.yaml").write_text(f"{{{set_from(1, 11)}}}")
    block = f"systems: {{tlp: {{{set_from(3, 13)}}}, vac: {{keep: 99}}}}"
    (tmp_path / "own.yaml").write_text(f"{{prepared: x, normalise: none, {set_from(2, 12)}, {block}}}")
    path = file(f"{{dataset: own, system: tlp, {set_from(4, 14)}}}")
    config, notes = load_config(path, {"max_skips": "15"})
    assert [getattr(config, key) for key in keys] == [0, 11, 12, 13, 14, 15]
    assert notes == []


def test_a_block_counts_over_the_other_keys_of_its_own_file(file):
    """A corpus's own file may be the one that is named on the command line."""
    daily = FOLDER / "CSL-Daily.yaml"
    assert load_config(daily, {"system": "corrnet"})[0].model_args.fusion_after == (3, 4)
    assert load_config(daily, {})[0].model_args.fusion_after == (2, 3, 4)
    path = file(OWN + "num_epoch: 3\nsystems: {vac: {num_epoch: 4, device: 01}}\n")
    assert load_config(path, {})[0].num_epoch == 3
    config, _ = load_config(path, {"system": "vac"})
    assert (config.num_epoch, config.device) == (4, "01")
    assert load_config(path, {"system": "vac", "num_epoch": "5"})[0].num_epoch == 5


def test_the_system_is_named_in_a_file_or_on_the_command_line(file):
    path = file("dataset: phoenix2014-T\nsystem: corrnet\n")
    assert load_config(path, {})[0].model_args.fusion == "correlation"
    config, _ = load_config(path, {"system": "vac"})
    assert (config.system, config.model_args.fusion, config.model_args.weight_norm) == ("vac", "none", False)
    assert load_config(path, {"model_args.fusion": "none"})[0].model_args.fusion == "none"
    own = file(OWN + "system: tlp\nloss_weights: {Dist: 10}\n")
    weights = load_config(own, {})[0].loss_weights
    assert (weights.Dist, weights.Cu, weights.AuxCTC) == (10, 0.001, 0)


@pytest.mark.parametrize(
    ("name", "near"), [("corrnt", "corrnet"), ("CorrNet", "corrnet"), ("VAC", "vac"), ("mstf", "mstfnet")]
)
def test_an_unknown_system_is_one_error_with_the_nearest_name(file, name, near):
    line = rf"1 mistake .*\n  system: '{name}' is not allowed: .*'corrnet' or 'mstfnet'; did you mean {near}\?$"
    with pytest.raises(ConfigError, match=line):
        load_config(BASELINE, {"system": name})
    with pytest.raises(ConfigError, match=line):
        load_config(file(f"system: {name}\n"), {})
    with pytest.raises(SystemExit, match=line):
        main(parse_args(["--config", str(BASELINE), "--system", name]))


@pytest.mark.parametrize("name", ["[vac]", "null", "{a: 1}", "3"])
def test_what_is_no_name_of_a_system(file, name):
    with pytest.raises(ConfigError, match=r"1 mistake .*\n  system: .* is not allowed") as error:
        load_config(file(f"system: {name}\n"), {})
    assert "did you mean" not in str(error.value)


def test_a_long_name_is_a_short_message(file):
    with pytest.raises(ConfigError, match="there is no such system") as error:
        load_config(file(OWN + f"systems: {{{'c' * 1000}: {{}}}}\n"), {})
    assert len(str(error.value)) < 500


MISTAKES = [
    ("systems: 3", "systems: 3 is one value"),
    ("systems: {corrnt: {num_epoch: 3}}", "systems.corrnt: there is no such system; did you mean corrnet?"),
    ("systems: {vac: 3}", "systems.vac: 3 is one value"),
    ("systems: {vac: {num_epoc: 3}}", "systems.vac.num_epoc: unknown key; did you mean num_epoch?"),
    (
        "systems: {vac: {model_args: {fusin: none}}}",
        "systems.vac.model_args.fusin: unknown key; did you mean model_args.fusion?",
    ),
    ("systems: {vac: {model_args: {fusion: all}}}", "systems.vac.model_args.fusion: 'all' is not allowed"),
    ("systems: {vac: {model_args: 3}}", "systems.vac.model_args: 3 is one value"),
    ("systems: {vac: {batch_size: true}}", "systems.vac.batch_size: true is no number"),
    ("systems: {vac: {dataset: CSL}}", "systems.vac.dataset: it chooses which block counts"),
    ("systems: {vac: {system: tlp}}", "systems.vac.system: it chooses which block counts"),
    ("systems: {vac: {systems: {}}}", "systems.vac.systems: it chooses which block counts"),
]


@pytest.mark.parametrize("chosen", ["mstfnet", "vac"])
@pytest.mark.parametrize(("block", "mistake"), MISTAKES)
def test_a_mistake_in_a_block_is_one_line_that_names_its_file(tmp_path, monkeypatch, file, block, mistake, chosen):
    """Whichever system is chosen, and in the file of a corpus as in that of a run."""
    path = file(f"{OWN}{block}\n")
    monkeypatch.setattr("config.layers.FOLDER", tmp_path)
    for source, dataset in ((path, {}), (None, {"dataset": "mine"})):
        with pytest.raises(ConfigError) as error:
            load_config(source, {"system": chosen, **dataset})
        lines = str(error.value).splitlines()
        assert len(lines) == 2
        assert mistake in lines[1]
        assert lines[1].endswith(f"(in {path})")


def test_keys_of_a_block_need_not_fit_each_other_before_they_are_on_their_layers(file):
    block = "systems: {vac: {loss_weights: {SeqCTC: 0, ConvCTC: 0}, model_args: {fusion_after: [2, 2]}}, tlp: {}}\n"
    path = file(OWN + block)
    assert load_config(path, {})[0].model_args.fusion_after == (2, 3, 4)
    with pytest.raises(ConfigError, match="names each stage once"):
        load_config(path, {"system": "vac"})
    assert load_config(path, {"system": "tlp"})[0].loss_weights.SeqCTC == 1


def test_a_block_on_the_command_line_or_in_a_checkpoint_is_an_unknown_key():
    with pytest.raises(ConfigError, match="systems: unknown key; did you mean system"):
        load_config(None, {"systems.vac.num_epoch": "3"})
    with pytest.raises(ConfigError, match="systems: unknown key"):
        parse_stored_config(to_dict(Config()) | {"systems": {}}, "best.pt")


def test_a_section_whose_keys_are_all_comments_is_empty(file):
    config, _ = load_config(file("loss_weights:\n  # AuxCTC: 0.0\nsystems:\noptimizer_args:\n  step: [1]\n"), {})
    assert (config.loss_weights.AuxCTC, config.optimizer_args.step) == (1.0, (1,))
    for block in ("systems:\n  vac:\n", "systems:\n  vac:\n    model_args:\n"):
        assert load_config(file(block), {"system": "vac"})[0] == load_config(None, {"system": "vac"})[0]


@pytest.mark.parametrize("name", TABLE)
def test_the_file_of_a_system_is_its_name(name):
    """By its keys it would count over the corpus's file."""
    path = SYSTEMS / f"{name}.yaml"
    for typed in ({"dataset": "CSL-Daily"}, {"dataset": "CSL-Daily", "system": "tlp"}):
        assert load_config(path, typed) == load_config(None, {"system": name} | typed)


@pytest.mark.parametrize("name", TABLE)
def test_the_stored_configuration_of_each_system_reads_back(tmp_path, name):
    for dataset in ("phoenix2014", "CSL-Daily"):
        config, _ = load_config(BASELINE, {"system": name, "dataset": dataset, "model_args.fusion_after": "[4]"})
        (tmp_path / "config.yaml").write_text(to_yaml(config), encoding="utf-8")
        assert load_config(tmp_path / "config.yaml", {})[0] == config
        assert parse_stored_config(to_dict(config), "best.pt") == config


def test_a_checkpoint_from_before_there_were_systems_is_mstfnets(tmp_path, monkeypatch):
    """Whatever the file of its corpus has come to say."""
    (tmp_path / "mine.yaml").write_text(OWN + "system: corrnet\nmodel_args: {pooling: max}\n")
    monkeypatch.setattr("config.layers.FOLDER", tmp_path)
    stored = to_dict(Config()) | {"dataset": "mine", "prepared": "./mine", "normalise": "none"}
    del stored["system"]
    for section, keys in {
        "model_args": ("fusion", "fusion_after", "pooling", "hfam"),
        "loss_weights": ("Cu", "Cp"),
    }.items():
        stored[section] = {key: value for key, value in stored[section].items() if key not in keys}
    config = parse_stored_config(stored, "old.pt")
    assert (config.model_args, config.loss_weights, config.system) == (
        Config().model_args,
        Config().loss_weights,
        "mstfnet",
    )
    assert read_corpus("mine", [], []).keys["system"] == "corrnet"
    assert BLOCK not in to_dict(config)


def test_help_lists_the_key(capsys):
    with pytest.raises(SystemExit):
        parse_args(["--help"])
    assert "--system VALUE" in capsys.readouterr().out
