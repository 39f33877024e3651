"""`python -m benchmarks.word_errors`: trainings and readings are stubs here, numbers are counted by hand."""

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import main as program
from benchmarks import word_errors, word_errors_costs, word_errors_weights
from benchmarks.family_costs import Size
from benchmarks.family_runs import CONFIG, Settings, build_command, open_folder
from benchmarks.word_errors_levers import list_readings
from benchmarks.word_errors_page import format_costs
from benchmarks.word_errors_weights import Networks, separate_weights, train_networks
from config.load import load_config
from tests.helpers.evaluation import SENTENCES, evaluation, make_report
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


@pytest.mark.parametrize(("epochs", "last"), [(12, 4), (9, 3), (2, 2)])
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
    folder = networks.find_trained(2).parent
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
        (["train"], r"no sections \['train'\]; choose from trainings, readings, costs, page"),
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


def test_the_page_of_what_was_read(tmp_path, capsys):
    """Mirrored clips mend two of five errors in 13 glosses for one seed and none for the other."""
    better = tuple((*of[:3], of[2] if of[0] in {"one", "two"} else of[3]) for of in SENTENCES)
    for lever, seed, sentences in (("plain", 0, SENTENCES), ("plain", 1, SENTENCES), ("flip", 0, better),
                                   ("flip", 1, SENTENCES), ("beam", 0, SENTENCES)):  # fmt: skip
        folder = tmp_path / "out/readings" / lever / f"seed_{seed}"
        folder.mkdir(parents=True)
        report = make_report(evaluation(sentences), evaluation(sentences, "test"))
        (folder / "report.json").write_text(json.dumps(report))
    run = tmp_path / "out/runs/ema-0.999/seed_0"
    run.mkdir(parents=True)
    (run / "run.json").write_text('{"starts": [{"commit": "0123456789"}]}')
    words = ["page", f"--out={tmp_path / 'out'}", "--levers", "flip", "beam", "--seeds", "0", "1"]
    assert word_errors.main(word_errors.parse_args(words)) == 0
    page = (tmp_path / "out/word_errors.md").read_text()
    assert page in capsys.readouterr().out
    lines = page.splitlines()
    assert lines[0].startswith(
        "30 glosses, 600 sentences to train on, 150 in dev, 300 in test; 12 epochs, seeds 0, 1, "
    )
    assert "trained at commit 0123456; ema 0.999, means of the last 4 epochs, a language model of order 4." in lines[0]
    assert lines[1] == "Not read to the end: beam."
    (row,) = [line.split(" | ") for line in lines if line.startswith("| mirrored clips too | 30.77 %")][:1]
    assert row[6:] == ["-7.69", row[7], "0.5", "0.5", "-15.4 +0.0 |"]
    numbers = json.loads((tmp_path / "out/word_errors.json").read_text())
    assert numbers["scores"]["dev"]["flip"]["against"]["points"] == pytest.approx(-100 * 2 / 26)
    assert numbers["options"] == numbers["costs"] == {}


def test_a_folder_keeps_its_settings(tmp_path):
    open_folder(tmp_path, SETTINGS)
    with pytest.raises(InputError, match=r"settings.json says .*'epochs': 12.* and this command .*'epochs': 9"):
        word_errors.main(word_errors.parse_args(["page", f"--out={tmp_path}", "--epochs=9"]))


def test_nothing_has_been_read(tmp_path):
    with pytest.raises(InputError, match="begin with the sections trainings, readings"):
        word_errors.main(word_errors.parse_args(["page", f"--out={tmp_path}"]))


def test_times_are_of_a_frame(networks, monkeypatch):
    """Two clips with ten frames together; how long a work takes is how many clips it reads."""
    read: list = []
    reader = SimpleNamespace(recognise_cropped=read.append)
    monkeypatch.setattr(word_errors_costs, "load_reader", lambda reading: reader)
    monkeypatch.setattr(word_errors_costs, "load_clips", lambda *_: [np.zeros(4), np.zeros(6)])
    monkeypatch.setattr(word_errors_costs, "measure_steps", lambda *_: {"plain": 1.0, "ema": 1.5})

    def count(works, *_):
        found = {}
        for name, work in works.items():
            before = len(read)
            work()
            found[name] = len(read) - before
        return found

    monkeypatch.setattr(word_errors_costs, "median_seconds", count)
    readings = [of_lever[0] for of_lever in list_readings(["plain", "flip"], networks).values()]
    found = word_errors_costs.measure_costs(readings, networks, 3)
    assert found["reading"] == {"plain": 0.2, "flip": 0.2}
    assert found["training"] == {"plain": 1.0, "ema": 1.5}
    assert format_costs(found).count("\n") == 3  # the page can show them
    assert "2 clips of dev with 10 frames" in found["about"]


def test_a_step_with_an_average_takes_the_weights_in(networks, monkeypatch):
    taken: list = []

    class Average:
        def __init__(self, model, decay):
            self.of = model, decay

        def update(self, model):
            taken.append((model is self.of[0], self.of[1]))

    tiny = Size("tiny", str(CONFIG), 6, 2, 12)
    monkeypatch.setattr(word_errors_costs, "list_sizes", lambda _: {"small": tiny})
    monkeypatch.setattr(word_errors_costs, "MovingAverage", Average)
    found = word_errors_costs.measure_steps(networks, 1)
    assert taken == [(True, 0.999)] * 2  # one of them warms up
    assert all(seconds > 0 for seconds in found.values())
