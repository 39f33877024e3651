"""`python -m benchmarks.family`: trainings are stubs here, numbers are counted by hand."""

import json
import os
import re
import signal
import sys
import threading
from pathlib import Path

import pytest
import torch

import main as program
from benchmarks import family, family_costs, family_runs
from benchmarks.family_costs import list_sizes, load_variant, make_recognition, make_training_step, measure_costs
from benchmarks.family_page import choose_runs, format_page, read_scores
from benchmarks.family_runs import REFERENCE, VARIANTS, Settings, build_command, list_runs, make_corpus, train_all
from benchmarks.scores import format_interval, format_markdown, format_p
from config.load import load_config
from dataset.synthetic.generate import parse_args as parse_rendering
from preprocess.options import parse_args as parse_preparation
from tests.helpers.commands import wait_until
from tests.helpers.evaluation import SENTENCES, evaluation, make_report
from utils.errors import InputError
from utils.interruption import Interrupted

SETTINGS = Settings(30, (600, 150, 300), 9)
WRITE_REPORT = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
(folder / "report.json").write_text(json.dumps({"splits": {"dev": {"wer": 12.5}, "test": {"wer": 20}}}))
with (folder.parents[2] / "order.txt").open("a") as file:
    print(folder.parent.name, folder.name, file=file)
"""
SLOW_TO_SAVE = """
import pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])

def save(*_):
    time.sleep(0.5)
    (folder / "saved").touch()
    sys.exit(143)

signal.signal(signal.SIGTERM, save)
(folder / "begun").touch()
time.sleep(60)
"""


def stub(monkeypatch, code: str) -> None:
    """Let trainings run this code with their folder as the argument."""
    monkeypatch.setattr(
        family_runs, "build_command", lambda run, *_: [sys.executable, "-c", code, str(run.folder)]
    )  # fmt: skip


def test_the_learning_rate_falls_at_the_same_parts_as_in_the_quickstart():
    quickstart = load_config(family_runs.CONFIG, {})[0]
    assert Settings(30, (1, 1, 1), quickstart.num_epoch).learning_rate_steps == quickstart.optimizer_args.step
    assert Settings(30, (1, 1, 1), 18).learning_rate_steps == (12, 16)
    assert Settings(30, (1, 1, 1), 1).learning_rate_steps == (1, 1)


@pytest.mark.parametrize("name", VARIANTS)
def test_main_understands_each_training(name, tmp_path):
    (run,) = list_runs(tmp_path, [name], [3])
    args = program.parse_args(build_command(run, tmp_path, SETTINGS, "cpu")[2:])
    config = load_config(args.config, args.overrides)[0]
    assert (config.num_epoch, config.optimizer_args.step, config.random_seed) == (9, (6, 8), 3)
    assert (config.prepared, config.work_dir, config.resume) == (str(tmp_path / "prepared"), str(run.folder), True)
    quickstart = load_config(family_runs.CONFIG, {})[0]
    assert config.optimizer_args == quickstart.optimizer_args
    assert config.feeder_args == quickstart.feeder_args
    for key in ("c2d_type", "width", "hidden_size", "pretrained", "dropout"):
        assert getattr(config.model_args, key) == getattr(quickstart.model_args, key), key
    at_cost = load_variant(VARIANTS[name], list_sizes(30)["small"], "cpu")
    assert (at_cost.model_args, at_cost.loss_weights) == (config.model_args, config.loss_weights)


def test_the_variants_differ_in_the_parts_that_they_name():
    small = list_sizes(30)["small"]
    args = {name: load_variant(variant, small, "cpu") for name, variant in VARIANTS.items()}
    parts = {
        name: (c.model_args.fusion, c.model_args.pooling, c.model_args.hfam, c.model_args.share_heads)
        for name, c in args.items()
    }
    assert {name: part[:3] for name, part in parts.items()} == {
        "vac-conv-ctc": ("none", "max", False), "vac": ("none", "max", False), "smkd": ("none", "max", False),
        "tlp": ("none", "lift", False),
        "corrnet": ("correlation", "max", False), "mstfnet": ("stf", "lift", True), "no-fusion": ("none", "lift", True),
        "no-hfam": ("stf", "lift", False), "max-pooling": ("stf", "max", True), "shared-heads": ("stf", "lift", True),
    }  # fmt: skip
    with_heads = {name: part[3] for name, part in parts.items() if part[2]}
    assert with_heads == {name: name == "shared-heads" for name in with_heads}
    assert args["tlp"].loss_weights.Cu > 0
    assert [name for name, c in args.items() if not c.loss_weights.Dist] == ["vac-conv-ctc", "smkd"]


def test_the_corpus_is_made_once(tmp_path, monkeypatch):
    done = []

    def run(name, *words):
        args = (parse_rendering if name == "dataset.synthetic" else parse_preparation)(words)
        done.append((name, args))
        (args.out if name == "dataset.synthetic" else args.output).mkdir(parents=True)

    monkeypatch.setattr(family_runs, "run_module", run)
    (tmp_path / "corpus.part/half").mkdir(parents=True)
    for _ in range(2):
        make_corpus(tmp_path, SETTINGS, 2)
    (_, rendering), (_, preparation) = done
    assert (rendering.glosses, rendering.train, rendering.dev, rendering.test) == (30, 600, 150, 300)
    assert (preparation.frame_size, preparation.process_image, preparation.workers) == (72, True, 2)
    assert preparation.dataset_root == tmp_path / "corpus"
    assert not (tmp_path / "corpus/half").exists()
    (tmp_path / "prepared/.done").unlink()  # an interrupted preparation
    (tmp_path / "prepared").rmdir()
    make_corpus(tmp_path, SETTINGS, 2)
    assert [name for name, _ in done] == ["dataset.synthetic", "preprocess.prepare", "preprocess.prepare"]


def test_a_folder_keeps_its_settings(tmp_path):
    family_runs.open_folder(tmp_path / "new", SETTINGS)
    family_runs.open_folder(tmp_path / "new", SETTINGS)
    with pytest.raises(InputError, match=r"settings.json says .*'epochs': 9.* and this command .*'epochs': 10"):
        family_runs.open_folder(tmp_path / "new", Settings(30, (600, 150, 300), 10))


def test_half_a_training_goes_on(tmp_path, monkeypatch):
    """main.py writes a report after every epoch, and one with test at the end."""
    stub(monkeypatch, WRITE_REPORT)
    (run,) = list_runs(tmp_path, ["vac"], [0])
    run.folder.mkdir(parents=True)
    (run.folder / "report.json").write_text('{"splits": {"dev": {"wer": 50.0}}}')
    assert not run.is_done
    train_all([run], tmp_path, SETTINGS, "cpu", 1)
    assert run.is_done


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_is_trained_is_not_trained_again(tmp_path, monkeypatch, capsys, jobs):
    stub(monkeypatch, WRITE_REPORT)
    runs = list_runs(tmp_path, ["vac", "tlp"], [0, 1])
    train_all(runs[1:2], tmp_path, SETTINGS, "cpu", jobs)
    train_all(runs, tmp_path, SETTINGS, "cpu", jobs)
    trained = (tmp_path / "order.txt").read_text().splitlines()
    assert trained[0] == "tlp seed_0"
    assert sorted(trained[1:]) == ["tlp seed_1", "vac seed_0", "vac seed_1"]
    said = capsys.readouterr().out
    assert "1 of 4 trainings are done" in said
    assert "vac, seed 1: dev WER 12.50 %, test WER 20.00 %" in said


def test_a_training_that_fails_stops_no_other(tmp_path, monkeypatch):
    stub(monkeypatch, "import sys\nif 'vac' in sys.argv[1]: sys.exit('error: no clips')\n" + WRITE_REPORT)
    with pytest.raises(InputError, match=r"^vac, seed 0: exit status 1; it said last: error: no clips \(all of it: .*"):
        train_all(list_runs(tmp_path, ["vac", "tlp"], [0]), tmp_path, SETTINGS, "cpu", 1)
    assert (tmp_path / "order.txt").read_text() == "tlp seed_0\n"


def test_stopping_lets_the_trainings_save(tmp_path, monkeypatch):
    stub(monkeypatch, SLOW_TO_SAVE)
    runs = list_runs(tmp_path, ["vac", "smkd", "tlp"], [0])

    def stop():
        wait_until(lambda: all((run.folder / "begun").exists() for run in runs[:2]))
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(Interrupted, match="interrupted by SIGTERM; everything is saved"):
        train_all(runs, tmp_path, SETTINGS, "cpu", 2)
    thread.join()
    assert [(run.folder / "saved").exists() for run in runs] == [True, True, False]


BETTER = tuple(
    (name, "Signer09" if signer == "Bob" else signer, signed, signed) for name, signer, signed, _ in SENTENCES
)
WORSE = tuple((*sentence[:2], sentence[2], read[3]) for sentence, read in zip(BETTER, SENTENCES, strict=True))


def save_run(folder: Path, sentences) -> None:
    """A finished run whose dev and test were read like this."""
    folder.mkdir(parents=True)
    of_dev = tuple((name, "Ann", *rest) for name, _, *rest in sentences)  # everybody is known
    report = make_report(evaluation(of_dev, "dev"), evaluation(sentences, "test"))
    (folder / "report.json").write_text(json.dumps(report))
    (folder / "run.json").write_text(json.dumps({"starts": [{"commit": "0123456789"}]}))


@pytest.fixture
def finished(tmp_path):
    """MSTFNet reads everything and VAC makes 5 errors in 13 glosses, in three of five sentences; TLP is not trained."""
    runs = list_runs(tmp_path, ["vac", "mstfnet", "tlp"], [0, 1])
    for run in runs:
        if run.variant.name != "tlp" and (run.seed, run.variant.name) != (1, "mstfnet"):
            save_run(run.folder, BETTER if run.variant.name == REFERENCE else WORSE)
    return runs


def test_scores_by_hand(finished):
    chosen = choose_runs(finished)
    assert {name: [run.seed for run in runs] for name, runs in chosen.items()} == {"vac": [0], "mstfnet": [0]}
    scores = read_scores(chosen)
    vac = scores["vac"]["splits"]["test"]
    assert vac["rates"] == [pytest.approx(100 * 5 / 13)]
    assert [vac[kind] for kind in ("substitutions", "deletions", "insertions")] == [
        pytest.approx(100 * number / 13) for number in (2, 2, 1)
    ]
    assert vac["unseen_signer"] == pytest.approx(100 / 3)  # "A B" read as "A", and "D"
    assert vac["interval"][0] < vac["wer"] < vac["interval"][1]
    against = vac["against_reference"]
    assert against["points"] == pytest.approx(100 * 5 / 13)
    assert against["p"] == pytest.approx(2 / 2**4)  # four sentences differ, all in one direction
    assert scores["mstfnet"]["splits"]["test"]["wer"] == 0
    assert "against_reference" not in scores["mstfnet"]["splits"]["test"]
    assert scores["vac"]["best_epochs"] == [2]


def test_scores_of_two_seeds(finished):
    save_run(finished[4].folder, WORSE)  # MSTFNet's second seed
    assert finished[4].name == "mstfnet, seed 1"
    scores = read_scores(choose_runs(finished))
    found = scores["mstfnet"]["splits"]["dev"]
    assert found["rates"] == [0, pytest.approx(100 * 5 / 13)]
    assert (found["wer"], found["deletions"]) == (pytest.approx(100 * 2.5 / 13), pytest.approx(100 / 13))
    against = scores["vac"]["splits"]["dev"]["against_reference"]
    assert against["points"] == pytest.approx(100 * 2.5 / 13)
    assert against["p"] == 1.0  # of the seeds: the same runs, divided otherwise, are as far apart
    page = format_page(scores, {}, vars(SETTINGS))
    assert "seeds 0, 1" in page
    assert "| MSTFNet | 19.2 % ± 27.2 |" in page


def test_nothing_to_compare(tmp_path):
    with pytest.raises(InputError, match="no training with seed 4 is done"):
        choose_runs(list_runs(tmp_path, ["vac"], [4]))


def test_costs_of_a_small_size(monkeypatch):
    asked = []

    def measure(maker, arguments, device, threads):
        asked.append((maker, device, threads))
        return 100.0 + len(asked)

    monkeypatch.setattr(family_costs, "measure_peak_mib", measure)
    small = family_costs.Size("tiny", str(family_runs.CONFIG), 6, 2, 12)
    costs = measure_costs([VARIANTS[name] for name in ("vac", "mstfnet")], small, "cpu", 1)
    assert [maker for maker, _, _ in asked] == [make_training_step] * 2 + [make_recognition] * 2
    assert [costs[name]["step_mib"] for name in costs] == [101, 102]
    assert costs["vac"]["weights"] == costs["vac"]["weights_in_recognition"]  # no HFAM
    assert costs["mstfnet"]["weights"] > costs["mstfnet"]["weights_in_recognition"] > costs["vac"]["weights"]
    assert all(cost[key] > 0 for cost in costs.values() for key in ("step_seconds", "recognition_seconds"))


def test_a_step_of_the_costs_learns():
    config = load_variant(VARIANTS["vac"], list_sizes(5)["small"], "cpu")
    step = make_training_step(config, family_costs.Size("tiny", str(family_runs.CONFIG), 6, 2, 12))
    assert step().loss > step().loss > 0
    logits = make_recognition(config, family_costs.Size("tiny", str(family_runs.CONFIG), 6, 2, 12))()
    assert logits.shape == (3, 1, 6)  # 12 frames are three output steps
    assert not logits.requires_grad


def test_the_command_writes_the_page(finished, tmp_path, monkeypatch, capsys):
    threads = torch.get_num_threads()
    monkeypatch.setattr(
        family, "measure_costs", lambda variants, *_: {
            variant.name: dict.fromkeys(("weights", "weights_in_recognition"), 2_500_000.0)
            | dict.fromkeys(("step_seconds", "recognition_seconds"), 0.5 if variant.name == "vac" else 1.0)
            | dict.fromkeys(("step_mib", "recognition_mib"), 64.4)
            for variant in variants
        },
    )  # fmt: skip
    words = ["costs", "page", f"--out={tmp_path}", "--epochs=9", "--systems", "vac", "mstfnet", "--sizes", "small"]
    assert family.main(family.parse_args([*words, "--jobs=1", f"--threads={threads}"])) == 0
    page = (tmp_path / "family.md").read_text()
    assert page in capsys.readouterr().out
    lines = page.splitlines()
    assert lines[0].startswith("30 glosses, 600 sentences to train on, 150 in dev, 300 in test; 9 epochs, seeds 0; ")
    assert "trained at commit 0123456." in lines[0]
    rows = [line.split(" | ") for line in lines if line.startswith("| VAC ")]
    assert ["unseen signer" in line for line in lines if "best epoch" in line] == [True, False]  # test, dev
    assert [row[1] for row in rows[:2]] == ["38.5 %"] * 2
    assert rows[0][3:6] == ["15.4 %", "7.7 %", "33.3 %"]
    assert rows[0][6:] == ["+38.5", rows[0][7], "0.12", "2 |"]
    assert rows[2][1:] == ["2.50", "2.50", "500", "0.50", "64", "500.00", "0.50", "64 |"]
    numbers = json.loads((tmp_path / "family.json").read_text())
    assert numbers["scores"]["vac"]["splits"]["dev"]["glosses"] == 13
    assert list(numbers["costs"]["sizes"]) == ["small"]


def test_a_table_in_markdown():
    assert format_markdown(("", "WER"), [("VAC", "3.0")]) == "|  | WER |\n|---|---:|\n| VAC | 3.0 |"
    assert format_p(0.0004) == "< 0.001"
    assert format_interval(None, "{}") == "-"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trains"], r"no sections \['trains'\]; choose from corpus, train, costs, page"),
        (["--systems", "sen"], "invalid choice: 'sen'"),
        (["--seeds", "1", "1"], "--seeds names one twice"),
        (["--glosses", "31"], "must be a whole number from 5 to 30, not '31'"),
    ],
)
def test_words_that_make_no_sense(words, message, capsys):
    with pytest.raises(SystemExit):
        family.parse_args(words)
    assert re.search(message, capsys.readouterr().err)
