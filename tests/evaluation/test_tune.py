"""The command that tunes a run, from its folder to the file of options."""

from __future__ import annotations

import shutil

import pytest

from config.decoding import read_decoding
from config.load import to_dict
from evaluation.ctm import read_stm, write_stm
from evaluation.tune import main, parse_args
from evaluation.tuning import tune_run
from tests.helpers.commands import call_main, run_python
from tests.helpers.config import tiny_config
from utils.checkpoint import load_checkpoint, save_checkpoint
from utils.plain_json import read_json


@pytest.fixture
def run_folder(prepared, random_checkpoint, tmp_path):
    """The folder of a run whose network has random weights."""
    return save_run(tmp_path / "run", random_checkpoint, tiny_config(prepared))


def save_run(folder, checkpoint, config):
    folder.mkdir()
    save_checkpoint(folder / "best.pt", load_checkpoint(checkpoint) | {"config": to_dict(config)})
    return folder


@pytest.fixture
def arpa(prepared, tmp_path):
    """A language model in which the glosses that the vocabulary has are equally probable."""
    glosses = (prepared / "gloss_dict.txt").read_text(encoding="utf-8").split()
    lines = ["-99 <s> 0", "-1 </s>", *(f"-1 {gloss} 0" for gloss in glosses)]
    text = f"\\data\\\nngram 1={len(lines)}\n\n\\1-grams:\n" + "\n".join(lines) + "\n\n\\end\\\n"
    (tmp_path / "lm.arpa").write_text(text, encoding="utf-8")
    return tmp_path / "lm.arpa"


def tune(*arguments) -> None:
    main(parse_args(["--device", "cpu", *map(str, arguments)]))


def refuse(capsys, *arguments) -> str:
    with pytest.raises(SystemExit) as stop:
        tune(*arguments)
    return str(stop.value)


def test_the_options_that_it_writes_are_tested_as_it_says(prepared, run_folder, arpa, tmp_path, capsys):
    tune("--run", run_folder, "--lm", arpa)
    said = capsys.readouterr().out
    assert sorted(path.name for path in run_folder.iterdir()) == ["best.pt", "decoding.yaml", "posteriors-dev.npz"]
    options = read_decoding(str(run_folder / "decoding.yaml"))
    assert set(options) == {"lm", "lm_weight", "insertion_bonus", "blank_penalty", "beam_width"}
    assert "dev after tuning is optimistic" in said
    assert f"--load-weights {run_folder}/best.pt --decoding {run_folder}/decoding.yaml" in said
    # A network with random weights inserts at random, which fewer words stop.
    assert options["insertion_bonus"] < 0 or options["lm_weight"] > 0
    words = ["--phase", "test", "--load-weights", str(run_folder / "best.pt")]
    for way, name in ((["--decoding", str(run_folder / "decoding.yaml")], "B  tuned"), ([], "A  without")):
        call_main(prepared, tmp_path / name, *words, *way)
        splits = read_json(tmp_path / name / "report.json")["splits"]
        for split in ("dev", "test"):
            table = said.partition(f"\n{split} ")[2]
            assert table.partition(name)[2].split()[0] == f"{splits[split]['wer']:.2f}"


def test_the_command_that_it_says_and_its_file_name_what_was_otherwise_than_in_the_run(run_folder, prepared, capsys):
    tune("--run", run_folder, "--no-test", "tta=[flip]", "beam_width=3", f"prepared={prepared}")
    command = capsys.readouterr().out.partition("to use them: ")[2].strip()
    assert command.endswith(f"decoding.yaml 'tta=[flip]' prepared={prepared}")
    first = (run_folder / "decoding.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first.endswith(f"by `python -m evaluation.tune` with tta=[flip] prepared={prepared}.")


def test_test_is_recognised_once_and_only_where_it_is_wanted_and_there(prepared, run_folder, tmp_path, monkeypatch):
    recognised = []
    recognise = tune_run.TunedRun.recognise
    monkeypatch.setattr(
        tune_run.TunedRun, "recognise", lambda run, *split: recognised.append(split[0]) or recognise(run, *split)
    )
    tune("--run", run_folder, "--no-test")
    assert recognised == ["dev"]
    tune("--run", run_folder)
    assert recognised == ["dev", "test"]
    shutil.copytree(prepared, tmp_path / "without", ignore=shutil.ignore_patterns("test.json"))
    tune("--run", run_folder, f"prepared={tmp_path / 'without'}")
    assert recognised == ["dev", "test"]  # it is the same dev at another place


def test_an_interrupted_search_leaves_the_posteriors_alone(run_folder, monkeypatch):
    (run_folder / "decoding.yaml").write_text("beam_width: 3\n", encoding="utf-8")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(tune_run, "search_options", interrupt)
    with pytest.raises(KeyboardInterrupt):
        tune("--run", run_folder)
    assert (run_folder / "decoding.yaml").read_text(encoding="utf-8") == "beam_width: 3\n"
    assert sorted(path.name for path in run_folder.iterdir()) == ["best.pt", "decoding.yaml", "posteriors-dev.npz"]


def test_a_run_that_decodes_in_another_way_is_tuned_for_the_beam_search(prepared, random_checkpoint, tmp_path, capsys):
    for key, value, said in (
        ("decode_mode", "greedy", "decodes greedily"),
        ("decode_backend", "ctcdecode", "decodes by ctcdecode"),
    ):
        folder = save_run(tmp_path / value, random_checkpoint, tiny_config(prepared, **{key: value}))
        tune("--run", folder, "--no-test")
        out = capsys.readouterr().out
        assert said in out
        assert f"--{key.replace('_', '-')} {'beam' if key == 'decode_mode' else 'builtin'}" in out


def test_features_are_recognised_as_frames_are(prepared, run_folder, random_checkpoint, tmp_path, capsys):
    call_main(prepared, tmp_path / "f", "--phase", "features", "--load-weights", str(random_checkpoint))
    tune("--run", run_folder, "--no-test")
    of_frames = capsys.readouterr().out.partition("95 % interval")[2].partition("options:")[0]
    on_features = tiny_config(
        prepared, **{"feeder_args.datatype": "features", "feeder_args.features": str(tmp_path / "f/features")},
        phase="test", load_weights=str(random_checkpoint),
    )  # fmt: skip
    folder = save_run(tmp_path / "on features", random_checkpoint, on_features)
    tune("--run", folder, "--no-test")
    assert capsys.readouterr().out.partition("95 % interval")[2].partition("options:")[0] == of_frames
    content = load_checkpoint(folder / "best.pt")
    content["model_state_dict"]["conv2d.conv1.weight"] *= 2
    save_checkpoint(folder / "best.pt", content)
    assert "were computed with something else" in refuse(capsys, "--run", folder, "--no-test")


def test_what_is_missing_is_said_before_anything_is_recognised(prepared, run_folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(tune_run.TunedRun, "recognise", None)
    assert "there is no language model" in refuse(capsys, "--run", run_folder, "--lm", tmp_path / "none.arpa")
    said = refuse(capsys, "--run", run_folder, "evaluate_tool=sclite", "sclite_path=/nowhere/sclite")
    assert said.startswith("evaluation.tune: ")
    assert "/nowhere/sclite" in said
    assert "is not prepared" in refuse(capsys, "--run", run_folder, f"prepared={tmp_path / 'none'}")
    assert "best.pt" in refuse(capsys, "--run", tmp_path)
    assert sorted(path.name for path in run_folder.iterdir()) == ["best.pt"]


def test_a_split_without_a_gloss_cannot_be_tuned_on(prepared, run_folder, tmp_path, capsys):
    shutil.copytree(prepared, tmp_path / "silent")
    path = tmp_path / "silent/phoenix2014-groundtruth-dev.stm"
    write_stm(path, [type(reference)(reference.id, reference.signer, ()) for reference in read_stm(path)])
    said = refuse(capsys, "--run", run_folder, "--no-test", f"prepared={tmp_path / 'silent'}")
    assert said == "evaluation.tune: no gloss is signed in dev: there is nothing to tune on"


def test_wrong_options_are_refused_without_pytorch():
    done = run_python("-X", "importtime", "-m", "evaluation.tune", "--run", "x", "word", check=False)
    assert done.returncode == 2
    assert "'word' is not of the form key=value" in done.stderr
    assert "torch" not in done.stderr
