"""`python -m benchmarks.word_errors`: trainings and readings are stubs here, numbers are counted by hand."""

import re

import pytest
import torch

import main as program
from benchmarks import word_errors, word_errors_weights
from benchmarks.family_runs import Settings, build_command, open_folder
from benchmarks.word_errors_weights import Networks, separate_weights, train_networks
from config.load import load_config
from utils.checkpoint import load_checkpoint, save_checkpoint
from utils.errors import InputError

SETTINGS = Settings(30, (600, 150, 300), 12)


@pytest.fixture
def networks(tmp_path) -> Networks:
    return Networks(tmp_path / "family", tmp_path / "out", 0.999, (0, 1, 2), SETTINGS)


def test_main_understands_each_training(networks):
    """The reference's training, with an average and the epochs after the first fall of the rate kept."""
    runs = networks.list_trainings()
    assert [run.seed for run in runs] == [0, 1, 2]
    args = program.parse_args(build_command(runs[2], networks.family, SETTINGS, "cpu")[2:])
    config = load_config(args.config, args.overrides)[0]
    assert (config.ema, config.save_interval, config.keep, config.random_seed) == (0.999, 1, 4, 2)
    assert config.optimizer_args.step == (8, 11)
    assert (config.system, config.model_args.share_heads) == ("mstfnet", False)
    assert config.prepared == str(networks.family / "prepared")
    assert config.work_dir == str(networks.out / "runs/ema-0.999/seed_2")


@pytest.mark.parametrize(("epochs", "last"), [(12, 4), (9, 3), (1, 1)])
def test_how_many_epochs_are_averaged(tmp_path, epochs, last):
    assert Networks(tmp_path, tmp_path, 0.9, (0,), Settings(30, (1, 1, 1), epochs)).last == last


def test_trained_weights_get_files_of_their_own(networks):
    for run in networks.list_trainings():
        run.folder.mkdir(parents=True)
        for epoch in range(9, 13):
            content = {
                "model_state_dict": {"a": torch.tensor([0.5])},
                "raw_state_dict": {"a": torch.tensor([epoch + run.seed / 10])},
                "averaged_steps": 7,
                "glosses": ["X"],
            }
            save_checkpoint(run.folder / f"epoch_{epoch}.pt", content)
    separate_weights(networks)
    folder = networks.find_trained(2)
    assert sorted(path.name for path in folder.iterdir()) == [
        "best.pt", "epoch_10.pt", "epoch_11.pt", "epoch_12.pt", "epoch_9.pt"
    ]  # fmt: skip
    for name, weight in (("epoch_9.pt", 9.2), ("best.pt", 12.2)):
        content = load_checkpoint(folder / name)
        assert content["model_state_dict"]["a"].item() == pytest.approx(weight)
        assert (content.keys(), content["glosses"]) == ({"model_state_dict", "glosses"}, ["X"])
    (folder / "epoch_9.pt").write_text("not written again")
    separate_weights(networks)
    assert (folder / "epoch_9.pt").read_text() == "not written again"


@pytest.fixture
def trained(monkeypatch) -> list:
    """The names of the trainings that are asked for, and of the folders in which a corpus is."""
    asked: list = []
    monkeypatch.setattr(
        word_errors_weights, "train_all", lambda runs, folder, *_: asked.append([run.name for run in runs])
    )  # fmt: skip
    monkeypatch.setattr(word_errors_weights, "make_corpus", lambda folder, *_: asked.append(folder.name))
    return asked


def test_what_the_family_lacks_is_made(networks, trained):
    train_networks(networks, "cpu", 1, 1)
    own = [f"ema-0.999, seed {seed}" for seed in (0, 1, 2)]
    assert trained == ["family", ["smkd, seed 0"], own]


def test_a_whole_family_folder_stays_as_it_is(networks, trained):
    open_folder(networks.family, SETTINGS)
    (networks.family / "prepared").mkdir()
    (networks.family / "prepared/.done").touch()
    (partner,) = networks.list_partners()
    partner.folder.mkdir(parents=True)
    (partner.folder / "report.json").write_text('{"splits": {"dev": {}, "test": {}}}')
    before = sorted(networks.family.rglob("*"))
    train_networks(networks, "cpu", 1, 1)
    assert len(trained) == 1
    assert sorted(networks.family.rglob("*")) == before


def test_a_family_folder_of_other_settings(networks, trained):
    open_folder(networks.family, Settings(30, (600, 150, 300), 9))
    with pytest.raises(InputError, match=r"settings.json says .*'epochs': 9.* and this command .*'epochs': 12"):
        train_networks(networks, "cpu", 1, 1)
    assert not trained


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train"], r"no sections \['train'\]; choose from trainings"),
        (["--ema", "1"], "must be a number above 0 and below 1, not '1'"),
        (["--ema", "nan"], "must be a number above 0 and below 1, not 'nan'"),
        (["--ema", "x"], "must be a number above 0 and below 1, not 'x'"),
        (["--seeds", "1", "1"], "--seeds names one twice"),
        (["--out", "x/../y", "--family", "y"], "--out and --family are the same folder"),
    ],
)
def test_words_that_make_no_sense(words, message, capsys):
    with pytest.raises(SystemExit):
        word_errors.parse_args(words)
    assert re.search(message, capsys.readouterr().err)
