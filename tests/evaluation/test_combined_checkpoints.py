"""Several checkpoints in the phase `test`: what can be combined, what is refused, and where it says what was done."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import main
from config.load import ConfigError, load_config, to_dict
from dataset.manifest import Manifest
from dataset.vocabulary import Vocabulary
from engine.run import run
from evaluation.ctm import read_ctm
from evaluation.ensemble import Ensemble
from evaluation.inference.combine import combine_recognisers
from evaluation.inference.recogniser import Recogniser
from evaluation.load_network import load_networks
from main import choose_config
from slr_network import build_model
from tests.helpers.config import tiny_config
from tests.helpers.network import enliven
from utils.checkpoint import CheckpointError, load_checkpoint, save_checkpoint

CPU = torch.device("cpu")


def save(path: Path, glosses, seed: int, changes: dict, **notes) -> str:
    """Save a checkpoint of random weights; `changes` are of its configuration, `notes` further entries."""
    config = tiny_config(**changes)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = enliven(build_model(config.model_args, len(glosses) + 1, pretrained=False))
    content = {"model_state_dict": model.state_dict(), "config": to_dict(config), "glosses": list(glosses)}
    save_checkpoint(path, content | {"frame_size": 72} | notes)
    return str(path)


@pytest.fixture(scope="module")
def glosses(prepared) -> tuple[str, ...]:
    return Vocabulary.load(prepared / "gloss_dict.txt").glosses


@pytest.fixture(scope="module")
def two(glosses, tmp_path_factory) -> list[str]:
    """Checkpoints of two systems, which see crops of two sizes."""
    folder = tmp_path_factory.mktemp("two")
    other = {"system": "vac", "model_args.hidden_size": 32, "feeder_args.input_size": 72, "beam_width": 3}
    return [save(folder / "a.pt", glosses, 1, {}), save(folder / "b.pt", glosses, 2, other)]


def choose(*names: str, **words: str):
    return choose_config(None, {"phase": "test", "load_weights": json.dumps(names), **words})


@pytest.fixture(scope="module")
def evaluated(two, prepared, tmp_path_factory) -> Path:
    """The folder of a test of both with mirrored clips."""
    folder = tmp_path_factory.mktemp("run") / "test"
    words = [f"prepared={prepared}", f"work_dir={folder}", "device=cpu", "num_worker=0", "test_batch_size=2"]
    main.main(main.parse_args(["--phase", "test", "--load-weights", *two, "--tta", "flip", *words]))
    return folder


def test_a_test_of_two_checkpoints_reads_what_one_recogniser_of_both_reads(two, prepared, evaluated):
    """Whose decoding `test_combination.py` holds against sums over all paths."""
    both = combine_recognisers({name: Recogniser.from_checkpoint(name, "cpu") for name in two}, ["flip"])
    plain = Recogniser.from_checkpoint(two[0], "cpu")
    manifest = Manifest.load(prepared / "test.json")
    entries = {entry.id: entry.words for entry in read_ctm(evaluated / "output-hypothesis-test.ctm")}
    assert any(len(words) > 1 for words in entries.values())
    differing = 0
    for clip in manifest.clips:
        found = both.recognise(manifest.clip_folder(clip))
        assert [word.gloss for word in entries[clip.id]] == list(found.glosses)
        for word, other in zip(entries[clip.id], found.words, strict=True):
            assert word[1:] == pytest.approx(other[1:], abs=1e-3)
        differing += found.words != plain.recognise(manifest.clip_folder(clip)).words
    assert differing


def test_the_report_and_the_log_say_what_was_combined(two, evaluated):
    named = f"{two[0]}, {two[1]} (hypotheses combined, of each clip as it is and mirrored)"
    report = json.loads((evaluated / "report.json").read_text(encoding="utf-8"))
    assert report["weights"] == named
    assert (report["config"]["load_weights"], report["config"]["tta"]) == (two, ["flip"])
    assert report["history"] == []
    assert named in (evaluated / "report.html").read_text(encoding="utf-8")
    log = (evaluated / "log.txt").read_text(encoding="utf-8")
    assert f"weights:         {named}" in log
    crops = f"each network sees the middle of the frames, as many pixels as in its training: {two[0]} 64, {two[1]} 72"
    assert crops in log
    assert crops in report["notes"]
    (start,) = json.loads((evaluated / "run-test.json").read_text(encoding="utf-8"))["starts"]
    assert start["command"]
    assert load_config(evaluated / "config-test.yaml", {})[0].weight_files == tuple(two)


def test_what_is_not_said_is_as_the_first_checkpoint_has_it(two):
    for names in (two, two[::-1]):
        config, notes = choose(*names)
        first = Recogniser.from_checkpoint(names[0], "cpu").config
        assert (config.system, config.model_args, config.beam_width) == (
            first.system, first.model_args, first.beam_width
        )  # fmt: skip
        assert config.work_dir == str(Path(names[0]).parent / "test-2-networks")
        assert config.weight_files == tuple(names)
        assert config.feeder_args.input_size == 72
        assert notes[0].endswith(f"is as in the training of {names[0]}")


def test_one_file_in_a_list_is_that_file(two):
    for given in (two[0], json.dumps(two[:1])):
        config, _ = choose_config(None, {"phase": "test", "load_weights": given})
        assert (config.load_weights, config.feeder_args.input_size) == (two[0], 64)
        assert config.work_dir == str(Path(two[0]).parent / "test")
    assert load_config(None, {"load_weights": "[]"})[0].weight_files == ()
    assert load_config(None, {"load_weights": ["a [1].pt"]})[0].load_weights == "a [1].pt"


def test_one_crop_for_networks_that_were_trained_on_one(glosses, two, prepared, tmp_path):
    """Then what is given counts for all, as for a single network."""
    other = save(tmp_path / "c.pt", glosses, 3, {})
    config, _ = choose(two[0], other, **{"feeder_args.input_size": "72", "prepared": str(prepared)})
    ensemble = load_networks(config, config.weight_files, Vocabulary(glosses), 72, CPU)
    assert [(view.corner, view.side) for view in ensemble.views] == [(0, 72)] * 2


def test_each_network_is_loaded_as_its_checkpoint_has_it(two, glosses):
    config, _ = choose(*two, tta="flip")
    ensemble = load_networks(config, two, Vocabulary(glosses), 72, CPU)
    assert isinstance(ensemble, Ensemble)
    for name, network in zip(two, ensemble.networks, strict=True):
        held = load_checkpoint(name)["model_state_dict"]
        assert all(torch.equal(held[key], weight) for key, weight in network.state_dict().items())
    assert [(v.network, v.corner, v.side, v.mirrored) for v in ensemble.views] == [
        (0, 4, 64, False), (0, 4, 64, True), (1, 0, 72, False), (1, 0, 72, True)
    ]  # fmt: skip
    (single,) = load_networks(config, two[:1], Vocabulary(glosses), 72, CPU).networks
    assert single.spec == ensemble.spec


def test_padding_is_masked_in_all_networks_or_in_none_and_the_log_says_so(two, glosses, tmp_path):
    other = save(tmp_path / "c.pt", glosses, 3, {"model_args.mask_padding": False})
    config, notes = choose(two[0], other)
    assert notes[-1] == f"warning: model_args.mask_padding is True, and the network of {other} was trained with False"
    ensemble = load_networks(config, config.weight_files, Vocabulary(glosses), 72, CPU)
    assert [network.mask_padding for network in ensemble.networks] == [True, True]


def test_a_published_network_beside_one_of_this_project(two, glosses, tmp_path):
    """It says nothing of its glosses and clips, which are the corpus's then, as when it is tested alone."""
    torch.manual_seed(5)
    weights = {"model_state_dict": build_model(tiny_config().model_args, len(glosses) + 1, False).state_dict()}
    save_checkpoint(tmp_path / "published.pt", weights)
    config, _ = choose(two[0], str(tmp_path / "published.pt"))
    ensemble = load_networks(config, config.weight_files, Vocabulary(glosses), 72, CPU)
    assert [view.side for view in ensemble.views] == [64, 64]


@pytest.mark.parametrize(
    ("changes", "notes", "said"),
    [
        (
            {"model_args.conv_type": 1},
            {},
            "the temporal chain (model_args.conv_type) is 2 in the one and 1 in the other",
        ),
        ({"feeder_args.frame_interval": 2}, {}, "feeder_args.frame_interval is 1 in the one and 2 in the other"),
        ({"feeder_args.image_scale": 2}, {}, "feeder_args.image_scale is 1.0 in the one and 2.0 in the other"),
        ({}, {"frame_rate": 30.0}, "the frame rate is 25.0 in the one and 30.0 in the other"),
        ({"frame_rate": 30}, {"frame_rate": 25.0}, "the frame rate is 25.0 in the one and 30.0 in the other"),
    ],
)
def test_networks_of_other_clips_or_steps(glosses, tmp_path, changes, notes, said):
    one = save(tmp_path / "one.pt", glosses, 1, {}, frame_rate=25.0)
    other = save(tmp_path / "other.pt", glosses, 2, changes, **{"frame_rate": 25.0} | notes)
    with pytest.raises(CheckpointError) as refused:
        choose(one, other)
    assert str(refused.value) == f"{one} and {other} cannot be combined: {said}"


def test_networks_of_other_glosses_or_another_order(two, glosses, tmp_path):
    swapped = [glosses[1], glosses[0], *glosses[2:]]
    other = save(tmp_path / "swapped.pt", swapped, 3, {})
    order = f"the glosses have another order, number 1 is {glosses[0]} in the one and {glosses[1]} in the other"
    with pytest.raises(CheckpointError) as refused:
        choose(two[0], other)
    assert str(refused.value) == f"{two[0]} and {other} cannot be combined: {order}"
    more = save(tmp_path / "more.pt", [*glosses[1:], "NEU", "ALT"], 3, {})
    extra = f"in the one alone: {glosses[0]}; in the other alone: ALT, NEU"
    with pytest.raises(CheckpointError) as refused:
        choose(two[0], two[1], more)  # the third, after two that agree
    assert str(refused.value).startswith(f"{two[0]} and {more} cannot be combined: the glosses are ")
    assert str(refused.value).endswith(f"in the one and {len(glosses) + 1} in the other; {extra}")


def test_a_network_counts_once(two, glosses, tmp_path):
    with pytest.raises(CheckpointError, match=f"{two[0]} is named twice: name each checkpoint once"):
        choose(*two, two[0])
    (tmp_path / "link.pt").symlink_to(two[0])
    with pytest.raises(CheckpointError, match=r"a\.pt and .*link\.pt are one file: name each checkpoint once"):
        choose(*two, str(tmp_path / "link.pt"))
    # The last epoch was the best one: two files, one network.
    save_checkpoint(tmp_path / "last.pt", load_checkpoint(two[0]) | {"processes": 2})
    config, _ = choose(*two, str(tmp_path / "last.pt"))
    with pytest.raises(CheckpointError, match=r"a\.pt and .*last\.pt hold the same weights: leave one of them out"):
        load_networks(config, config.weight_files, Vocabulary(glosses), 72, CPU)


def test_a_crop_larger_than_what_is_read(two, glosses, prepared):
    """Of a configuration that `load_evaluation_config` has not seen."""
    config = tiny_config(prepared, phase="test")
    with pytest.raises(ConfigError, match=r"input_size is 64, and the network of .*b\.pt sees 72 pixels"):
        load_networks(config, two, Vocabulary(glosses), 72, CPU)


@pytest.mark.parametrize("phase", ["train", "features"])
def test_nothing_is_combined_but_in_a_test(phase):
    with pytest.raises(ConfigError, match="load_weights names 2 checkpoints, which --phase test alone combines: name"):
        load_config(None, {"phase": phase, "load_weights": "[a.pt, b.pt]"})
    with pytest.raises(ConfigError, match="tta combines what --phase test recognises; neither a training, its evaluat"):
        load_config(None, {"phase": phase, "load_weights": "a.pt", "tta": "flip"})


def test_there_are_no_features_of_mirrored_frames():
    given = {"phase": "test", "load_weights": "a.pt", "feeder_args.datatype": "features", "feeder_args.features": "f"}
    with pytest.raises(ConfigError, match="tta mirrors frames, and there are no features of these"):
        load_config(None, given | {"tta": "[flip]"})
    assert len(load_config(None, given | {"load_weights": "[a.pt, b.pt]"})[0].weight_files) == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("flop", "tta.0: 'flop' is not allowed: input should be 'flip'; did you mean flip?"),
        ("[flip, flip]", "tta: flip is named twice"),
        ("3", "tta.0: '3' is not allowed: input should be 'flip'"),
    ],
)
def test_augmentations_that_are_none(given, said):
    with pytest.raises(ConfigError) as refused:
        load_config(None, {"phase": "test", "tta": given})
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--load-weights", "a.pt"], "a.pt"),
        (["--load-weights", "a.pt", "b.pt", "batch_size=3"], ("a.pt", "b.pt")),
        (["--load-weights", "runs/lr=1/a.pt", "./lr=1/b.pt", "model_args.width=32"], ("runs/lr=1/a.pt", "./lr=1/b.pt")),
        (["--load-weights", "a.pt", 'my "b", ü [1]: #2.pt', "c.pt"], ("a.pt", 'my "b", ü [1]: #2.pt', "c.pt")),
        (["load_weights=[a.pt, b.pt]"], ("a.pt", "b.pt")),
        (["--load-weights", "a.pt", "b.pt", "--load-weights", "c.pt"], "c.pt"),
        (["--load-weights", "none"], None),
    ],
)
def test_several_files_on_the_command_line(words, expected):
    args = main.parse_args(["--phase", "test", *words])
    assert load_config(None, args.overrides)[0].load_weights == expected
    assert main.parse_args(args.words).overrides == args.overrides  # for the processes of several GPUs


def test_the_folder_is_not_opened_where_checkpoints_do_not_agree(two, glosses, prepared, tmp_path):
    other = save(tmp_path / "other.pt", glosses, 3, {"model_args.conv_type": 1})
    words = ["--phase", "test", "--load-weights", two[0], other, f"prepared={prepared}", f"work_dir={tmp_path / 'out'}"]
    with pytest.raises(SystemExit, match=r"error: .*a\.pt and .*other\.pt cannot be combined"):
        main.main(main.parse_args(words))
    assert not (tmp_path / "out").exists()


def test_a_configuration_in_python_is_checked_as_well(two, glosses, prepared, tmp_path):
    other = save(tmp_path / "other.pt", glosses, 3, {"model_args.conv_type": 1})
    config = tiny_config(prepared, tmp_path / "out", phase="test", load_weights=[two[0], other])
    with pytest.raises(CheckpointError, match="cannot be combined"):
        run(config)
