"""The run that is tuned: its configuration, and posteriors that are computed again only where something has changed."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from config.load import ConfigError, to_dict
from dataset.manifest import Manifest
from evaluation.ctc.posteriors import RecognitionError
from evaluation.evaluate import evaluate, load_evaluation_data
from evaluation.load_network import load_networks
from evaluation.tuning.option_search import SearchOptions
from evaluation.tuning.scored_split import ScoredSplit, decoding_threads
from evaluation.tuning.tune_run import prepare_decoders
from evaluation.tuning.tuned_run import TunedRun, compute_posteriors, load_run_config
from tests.helpers.config import tiny_config
from utils.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from utils.errors import InputError

CPU = torch.device("cpu")


@pytest.fixture
def folder(prepared, random_checkpoint, tmp_path):
    """The folder of a run on a copy of the corpus, whose frames are those of the corpus."""
    shutil.copytree(prepared, tmp_path / "prepared", symlinks=True)
    (tmp_path / "run").mkdir()
    config = to_dict(tiny_config(tmp_path / "prepared"))
    save_checkpoint(tmp_path / "run/best.pt", load_checkpoint(random_checkpoint) | {"config": config})
    return tmp_path / "run"


@pytest.fixture
def counted(monkeypatch):
    """The splits that were recognised."""
    splits, recognise = [], TunedRun.recognise
    monkeypatch.setattr(TunedRun, "recognise", lambda run, *split: splits.append(split[0]) or recognise(run, *split))
    return splits


def open_run(folder, **overrides) -> TunedRun:
    return TunedRun(folder, load_run_config(folder, overrides), CPU)


def recognise(folder, **overrides):
    run = open_run(folder, **overrides)
    return run.recognise_once("dev", load_dev(run).loader)


def load_dev(run):
    return load_evaluation_data(run.config, "dev", run.vocabulary)


def test_the_second_time_nothing_is_recognised_and_the_posteriors_are_the_same(folder, counted):
    first, second = recognise(folder), recognise(folder, num_worker="1")
    assert counted == ["dev"]
    for name in ("blank", "glosses", "classes", "rest", "steps"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert sorted(path.name for path in folder.iterdir()) == ["best.pt", "posteriors-dev.npz"]


def change_weights(folder):
    content = load_checkpoint(folder / "best.pt")
    content["model_state_dict"]["classifier.weight"] *= 2
    save_checkpoint(folder / "best.pt", content)


def change_labels(folder):
    path = folder.parent / "prepared/dev.json"
    state = path.stat()
    manifest = Manifest.load(path)
    first = replace(manifest.clips[0], glosses=manifest.clips[0].glosses[::-1] * 2)
    replace(manifest, clips=(first, *manifest.clips[1:])).save(path)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def damage(folder):
    path = folder / "posteriors-dev.npz"
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("change", "overrides", "why"),
    [
        (change_weights, {}, "another checkpoint"),
        (change_labels, {}, "another corpus"),
        (lambda folder: os.utime(folder.parent / "prepared/dev.json"), {}, "another preparation"),
        (lambda _: None, {"precision": "bf16"}, "another precision"),
        (lambda _: None, {"feeder_args.image_scale": "0.9"}, "another clip transform"),
        (lambda _: None, {"feeder_args.frame_interval": "2"}, "another clip transform"),
        (damage, {}, "damaged"),
    ],
)
def test_what_has_changed_is_recognised_again(folder, counted, caplog, monkeypatch, change, overrides, why):
    recognise(folder)
    change(folder)
    monkeypatch.setattr("utils.log.LOGGER.propagate", True)
    with caplog.at_level("INFO"):
        recognise(folder, **overrides)
    assert counted == ["dev", "dev"]
    assert why in caplog.text
    recognise(folder, **overrides)
    assert counted == ["dev", "dev"]


def test_the_batch_counts_where_padding_is_not_masked(folder, counted):
    content = load_checkpoint(folder / "best.pt")
    content["config"]["model_args"]["mask_padding"] = False
    save_checkpoint(folder / "best.pt", content)
    for size in ("1", "3", "3"):
        recognise(folder, test_batch_size=size)
    assert counted == ["dev", "dev"]


@pytest.mark.parametrize("overrides", [{}, {"merge_repeats": "false", "normalise": "none"}, {"tta": "[flip]"}])
def test_the_score_is_that_of_the_evaluation(folder, counted, overrides, tmp_path):
    run = open_run(folder, **overrides)
    data = load_dev(run)
    model = load_networks(run.config, [folder / "best.pt"], run.vocabulary, 72, CPU)
    expected = evaluate(run.config, model, data, run.vocabulary, tmp_path)
    make = prepare_decoders(run.config, None, run.vocabulary)
    with decoding_threads() as pool:
        for _ in ("computed", "read from the file"):
            posteriors = run.recognise_once("dev", data.loader)
            split = ScoredSplit(data.references, posteriors, run.vocabulary, run.config, pool)
            assert split.score(make(SearchOptions(beam_width=10))) == expected.results["sequence"]
    assert counted == ["dev"]
    assert expected.results["sequence"].insertions > 0  # the network reads something


def test_an_interrupted_recognition_leaves_nothing(folder, monkeypatch):
    run = open_run(folder)
    data = load_dev(run)
    monkeypatch.setattr("evaluation.tuning.tuned_run.check_finite", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run.recognise_once("dev", data.loader)
    assert [path.name for path in folder.iterdir()] == ["best.pt"]


def test_output_that_is_not_finite_is_no_posterior(folder):
    run = open_run(folder)
    network = run.network
    with torch.no_grad():
        network.classifier.weight.fill_(float("nan"))
    with pytest.raises(RecognitionError, match="not finite"):
        list(compute_posteriors(network, load_dev(run).loader, ""))


def test_a_folder_without_a_best_network_is_named(tmp_path):
    with pytest.raises(InputError, match=r"there is no .*best\.pt: --run names the folder of a training"):
        load_run_config(tmp_path, {})
    (tmp_path / "best.pt").write_bytes(b"no checkpoint")
    with pytest.raises(CheckpointError):
        load_run_config(tmp_path, {})


def test_weights_alone_cannot_be_tuned(folder):
    content = load_checkpoint(folder / "best.pt")
    save_checkpoint(folder / "best.pt", {"model_state_dict": content["model_state_dict"]})
    with pytest.raises(InputError, match="holds no configuration"):
        load_run_config(folder, {})


def test_the_configuration_is_that_of_the_run_but_for_what_the_command_line_says(folder):
    content = load_checkpoint(folder / "best.pt")
    content["config"] |= {"sclite_path": "/bin/evil", "device": "0,1", "test_batch_size": 3}
    save_checkpoint(folder / "best.pt", content)
    config = load_run_config(folder, {"beam_width": "7", "frame_rate": "30"})
    assert (config.sclite_path, config.device, config.phase) == (None, "auto", "test")
    assert (config.test_batch_size, config.beam_width, config.frame_rate) == (3, 7, 30)
    assert config.model_args.width == 16


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("model_args.width", "32", "model_args: the network is that of"),
        ("load_weights", "other.pt", "load_weights: the network is that of"),
        ("lm", "x.arpa", "lm: this is searched"),
        ("decoding", "x.yaml", "decoding: this is searched"),
        ("beam_widht", "3", "beam_widht.*beam_width"),
        ("beam_width", "0", "beam_width"),
    ],
)
def test_keys_that_cannot_be_given_are_named(folder, key, value, said):
    with pytest.raises(ConfigError, match=said):
        load_run_config(folder, {key: value})
