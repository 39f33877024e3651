"""`python -m utils.inspect_checkpoint`."""

import json
import pickle

import numpy as np
import pytest
import torch

from tests.helpers.network import tiny_network
from tests.helpers.paths import PARITY
from tests.helpers.pickles import CreatesFolder
from utils.checkpoint import save_checkpoint
from utils.inspect_checkpoint import inspect_checkpoint, main, parse_args

WEIGHTS = tiny_network(hidden_size=32, share_heads=True).state_dict()


def said(path) -> dict[str, str]:
    return dict(inspect_checkpoint(path))


def test_a_checkpoint_of_this_project(tmp_path):
    content = {
        "model_state_dict": WEIGHTS,
        "train_state": {"epoch": 7, "best_wer": 12.5, "best_epoch": 6},
        "config": {"dataset": "CSL-Daily"},
        "glosses": ["A", "B", "C", "D"],
        "frame_size": 72,
        "rendered": True,
        "calibration": {
            "slope": 1.0,
            "offset": 0.0,
            "least_energy": 6.0,
            "least_motion": 0.3,
            "clips": 40,
            "glosses": 1,
        },
        "optimizer_state_dict": {"state": {}, "param_groups": []},
        "random_states": {},
    }
    save_checkpoint(tmp_path / "best.pt", content)
    lines = said(tmp_path / "best.pt")
    expected = {
        "kind": "a checkpoint of this project",
        "corpus": "built-in rendered corpus, in the layout of CSL-Daily",
        "confidences": "calibrated on 40 clips and 1 gloss of dev",
        "epoch": "7",
        "best WER": "12.50 % on dev, in epoch 6",
        "system": "none of the published ones; the nearest is mstfnet, which has c2d_type=resnet34 "
        "width=64 hidden_size=1024",
        "backbone": "resnet18",
        "fusion": "stf",
        "fusion after": "[2,3,4]",
        "pooling": "lift",
        "hfam": "true",
        "width": "16",
        "hidden size": "32",
        "conv type": "2",
        "weight norm": "true",
        "share classifier": "true",
        "share heads": "true",
        "classes": "5",
        "glosses": "4: A, B, C, D",
        "frames": "72x72 before the crop",
        "also holds": "optimizer_state_dict (state, param_groups), random_states (empty)",
    }
    assert {key: lines[key] for key in expected} == expected
    size = (tmp_path / "best.pt").stat().st_size / 2**20
    assert lines["file"] == f"{tmp_path / 'best.pt'}, {size:.1f} MiB"
    numbers = sum(w.numel() for w in WEIGHTS.values())
    assert lines["weights"].startswith(f"{numbers:,} numbers in {len(WEIGHTS)} tensors (")
    assert "float32" in lines["weights"]


def test_a_checkpoint_whose_weights_are_an_average_says_so(tmp_path):
    content = {"model_state_dict": WEIGHTS, "raw_state_dict": WEIGHTS, "averaged_steps": 12, "config": {"ema": 0.99}}
    save_checkpoint(tmp_path / "best.pt", content)
    lines = said(tmp_path / "best.pt")
    assert lines["average"] == (
        "the weights are a moving average over 12 steps, ema 0.99; the trained ones stand in raw_state_dict, for "
        "resuming"
    )
    assert lines["also holds"] == "nothing"
    assert lines["weights"].startswith(f"{sum(w.numel() for w in WEIGHTS.values()):,} numbers in {len(WEIGHTS)} tens")
    del content["raw_state_dict"], content["averaged_steps"]
    save_checkpoint(tmp_path / "best.pt", content)
    assert "average" not in said(tmp_path / "best.pt")


@pytest.mark.parametrize(
    ("backbone", "system"),
    [
        ("resnet18", "none of the published ones; the nearest is mstfnet, which has c2d_type=resnet34"),
        ("resnet34", "mstfnet (MSTFNet)"),
    ],
)
def test_a_published_checkpoint(tmp_path, backbone, system):
    """Every name of the published weights; HFAM's three attentions are equal, as those for PHOENIX2014 are."""
    shapes = json.loads((PARITY / f"published_state_dict_{backbone}.json").read_text())
    weights = {f"module.{name}": torch.zeros(shape) for name, shape in shapes.items()}
    content = {"epoch": 39, "model_state_dict": weights, "rng_state": {"numpy": np.random.get_state()}}
    torch.save(content, tmp_path / "dev_17.10_epoch39_model.pt")
    lines = said(tmp_path / "dev_17.10_epoch39_model.pt")
    expected = {
        "kind": "a checkpoint as this family of repositories publishes them",
        "corpus": "not recorded",
        "epoch": "39",
        "best WER": "not recorded",
        "system": system,
        "backbone": backbone,
        "width": "64",
        "hidden size": "1024",
        "conv type": "2",
        "share classifier": "true",
        "share heads": "true",
        "classes": "1296",
        "glosses": "none: the dictionary must be given with --dict",
        "frames": "size not recorded",
        "also holds": "rng_state (numpy)",
    }
    assert {key: lines[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("changes", "key", "value"),
    [
        ({"conv_type": 0}, "conv type", "0"),
        ({"conv_type": 1}, "conv type", "1"),
        ({"weight_norm": False}, "weight norm", "false"),
        ({"weight_norm": False}, "classes", "5"),
        ({"share_classifier": False}, "share classifier", "false"),
        ({"share_heads": False}, "share heads", "false"),
        ({"backbone": "resnet34"}, "backbone", "resnet34"),
        ({"width": 32}, "width", "32"),
        ({"fusion": "none"}, "fusion", "none"),
        ({"fusion": "none"}, "fusion after", "not told by the weights"),
        ({"fusion_after": (3, 4)}, "fusion after", "[3,4]"),
        ({"pooling": "max"}, "pooling", "max"),
        ({"hfam": False}, "hfam", "false"),
    ],
)
def test_a_bare_state_dict_and_what_its_weights_tell(tmp_path, changes, key, value):
    torch.save(tiny_network(**changes).state_dict(), tmp_path / "weights.pt")
    lines = said(tmp_path / "weights.pt")
    assert lines["kind"] == "a bare state dict"
    assert lines[key] == value
    assert lines["also holds"] == "nothing"


def test_weights_of_something_else(tmp_path):
    torch.save({"epoch": 3, "state": 1, "options": [], "a.weight": torch.zeros(2)}, tmp_path / "other.pt")
    lines = said(tmp_path / "other.pt")
    assert lines["system"] == lines["backbone"] == lines["classes"] == "not told by the weights"
    assert lines["weights"] == "2 numbers in 1 tensors (1 float32)"


def test_weights_of_a_system_that_is_not_supported(tmp_path):
    torch.save(WEIGHTS | {"conv2d.layer1.0.ssem.alpha": torch.ones(1)}, tmp_path / "sen.pt")
    lines = said(tmp_path / "sen.pt")
    assert lines["system"] == "SEN, which is not supported"
    assert "backbone" not in lines


def test_the_command_prints_it_and_on_request_every_weight(tmp_path, capsys):
    torch.save(WEIGHTS, tmp_path / "weights.pt")
    main(parse_args([str(tmp_path / "weights.pt")]))
    short = capsys.readouterr().out
    assert "backbone          resnet18\n" in short
    assert "confidences       not calibrated: shares of the n-best list\n" in short
    assert "conv2d.alpha" not in short
    main(parse_args([str(tmp_path / "weights.pt"), "--keys"]))
    listed = capsys.readouterr().out.splitlines()
    assert [line.split() for line in listed if line.startswith("conv2d.alpha ")] == [
        ["conv2d.alpha", "(3,)", "float32"]
    ]
    assert len([line for line in listed if "float32" in line or "int64" in line]) == len(WEIGHTS) + 1


def test_the_command_lists_every_gloss_on_request(tmp_path, capsys):
    glosses = [f"GLOSS{number}" for number in range(1, 21)]
    torch.save({"model_state_dict": WEIGHTS, "glosses": glosses}, tmp_path / "best.pt")
    main(parse_args([str(tmp_path / "best.pt")]))
    assert "GLOSS20" not in capsys.readouterr().out
    main(parse_args([str(tmp_path / "best.pt"), "--glosses"]))
    listed = capsys.readouterr().out.splitlines()[-20:]
    assert [line.split() for line in listed] == [[str(number), f"GLOSS{number}"] for number in range(1, 21)]


def test_files_that_cannot_be_read_end_with_one_message(tmp_path):
    def refused(name: str) -> str:
        with pytest.raises(SystemExit) as stop:
            main(parse_args([str(tmp_path / name)]))
        return str(stop.value)

    torch.save({"model_state_dict": CreatesFolder(tmp_path / "created")}, tmp_path / "evil.pt")
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(CreatesFolder(tmp_path / "created")))
    assert "evil.pt is refused, and nothing in it was run: it asks for posix.mkdir" in refused("evil.pt")
    assert "evil.pkl is refused, and nothing in it was run" in refused("evil.pkl")
    assert not (tmp_path / "created").exists()
    torch.save(WEIGHTS, tmp_path / "whole.pt")
    (tmp_path / "half.pt").write_bytes((tmp_path / "whole.pt").read_bytes()[:100_000])
    assert "half.pt is refused, and nothing in it was run: it is truncated, damaged" in refused("half.pt")
    assert refused("nowhere.pt").startswith("error: there is no checkpoint")
    torch.save({"epoch": 3}, tmp_path / "empty.pt")
    assert refused("empty.pt").endswith("empty.pt: no tensor is there, only epoch")
    assert "is a folder, not a checkpoint" in refused("")
