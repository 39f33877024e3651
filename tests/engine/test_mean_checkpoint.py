"""The mean of checkpoints, worked out by hand, and checkpoints that have none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from config.load import to_dict
from engine.mean_checkpoint import average_checkpoints, list_last_checkpoints
from tests.helpers.config import tiny_config
from tests.helpers.shared import save_full_checkpoint
from utils.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from utils.errors import InputError
from utils.inspect_checkpoint import inspect_checkpoint

CONFIG = to_dict(tiny_config())
CALIBRATION = {"slope": 1.0, "offset": 0.0, "least_energy": 0.0, "least_motion": 0.0, "clips": 3, "glosses": 9}


def save(path: Path, weights: dict, **changes) -> Path:
    content = {"model_state_dict": weights, "config": CONFIG, "glosses": ["A", "B"]}
    save_checkpoint(path, content | changes)
    return path


def test_the_mean_by_hand(tmp_path):
    """Of three floats, of a number that float32 could not add up, of -0.0 and of a counter, which is no mean."""
    files = [
        save(
            tmp_path / f"{number}.pt",
            {"a": torch.tensor([first, large, -0.0]), "count": torch.tensor(number)},
            frame_size=number,
            optimizer_state_dict={"state": {}, "param_groups": []},
            train_state={"epoch": number},
            raw_state_dict={"a": torch.tensor([7.0, 7.0, 7.0]), "count": torch.tensor(7)},
            averaged_steps=5,
        )
        for number, first, large in ((4, 1.0, 2.0**24), (5, 2.0, 1.0), (6, 6.0, 1.0))
    ]
    mean = average_checkpoints(files)
    assert torch.equal(mean["model_state_dict"]["a"][:2], torch.tensor([3.0, (2.0**24 + 2) / 3]))
    assert mean["model_state_dict"]["a"].dtype == torch.float32
    assert torch.signbit(mean["model_state_dict"]["a"][2])
    assert mean["model_state_dict"]["count"] == 6
    assert mean.keys() == {"model_state_dict", "config", "glosses", "frame_size", "averaged"}
    assert (mean["frame_size"], mean["config"]) == (6, CONFIG)  # of the newest, which is the last
    assert mean["averaged"] == {"files": [str(path) for path in files], "clips": 0}
    save_checkpoint(tmp_path / "mean.pt", mean)
    assert load_checkpoint(tmp_path / "mean.pt")["averaged"] == mean["averaged"]


def test_what_a_mean_is_of_is_told(tmp_path):
    mean = {"files": ["a.pt", "b.pt"], "clips": 3}
    save(tmp_path / "mean.pt", {"a": torch.ones(1)}, averaged=mean)
    said = dict(inspect_checkpoint(tmp_path / "mean.pt"))
    expected = "the mean of 2 files: a.pt, b.pt; BatchNorm's statistics from 3 training clips"
    assert (said["average"], said["also holds"]) == (expected, "nothing")
    save(tmp_path / "mean.pt", {"a": torch.ones(1)}, averaged=mean | {"clips": 0})
    assert dict(inspect_checkpoint(tmp_path / "mean.pt"))["average"].endswith("BatchNorm's statistics averaged too")
    save(tmp_path / "mean.pt", {"a": torch.ones(1)}, averaged=mean | {"files": "a.pt"})
    with pytest.raises(CheckpointError, match=r"averaged\.files"):
        inspect_checkpoint(tmp_path / "mean.pt")


def refused(*files: Path) -> str:
    with pytest.raises(InputError) as refusal:
        average_checkpoints(files)
    assert str(refusal.value).count("\n") == 0
    return str(refusal.value)


def test_other_glosses_are_told(tmp_path):
    weights = {"a": torch.ones(1)}
    one = save(tmp_path / "one.pt", weights)
    others = (
        (["B", "A"], "the glosses have another order, number 1 is A in the one and B in the other"),
        (["A"], "the glosses are 2 in the one and 1 in the other; in the one alone: B"),
    )
    for glosses, said in others:
        other = save(tmp_path / "other.pt", weights, glosses=glosses)
        assert refused(one, other) == f"{one} and {other} have no mean: {said}"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_args.fusion": "correlation"}, "fusion correlation, not stf"),
        ({"model_args.width": 32}, "width 32, not 16"),
        ({"model_args.mask_padding": False}, "mask_padding False, not True"),
        ({"model_args.hfam": False, "loss_weights.AuxCTC": 0}, "hfam false, not true"),
    ],
)
def test_other_networks_are_told(tmp_path, changes, said):
    one = save_full_checkpoint(tmp_path / "one.pt")
    other = save_full_checkpoint(tmp_path / "other.pt", **changes)
    message = refused(one, other)
    systems = f"{other} (system mstfnet) has another network than {one} (system mstfnet)"
    assert f"{systems}, so they have no mean: " in message
    assert said.lower() in message.lower()


def test_other_weights_are_told(tmp_path):
    one = save(tmp_path / "one.pt", {"a": torch.ones(2), "b": torch.ones(1)})
    other = save(tmp_path / "other.pt", {"a": torch.ones(3), "b": torch.ones(1)})
    assert refused(one, other).endswith("so they have no mean: a is (3,) there, and (2,) here")
    fewer = save(tmp_path / "fewer.pt", {"a": torch.ones(2)})
    assert refused(one, fewer).endswith("b is missing there, and (1,) here")


def test_what_says_too_little_and_what_comes_twice(tmp_path):
    one = save(tmp_path / "one.pt", {"a": torch.ones(1)})
    published = tmp_path / "published.pt"
    torch.save({"model_state_dict": {"a": torch.ones(1)}}, published)
    assert f"{published} lacks config and glosses" in refused(one, published)
    assert "named twice" in refused(one, tmp_path / "." / "one.pt")
    other = save(tmp_path / "other.pt", {"a": torch.zeros(1)})
    best = save(tmp_path / "best.pt", {"a": torch.ones(1)}, calibration=CALIBRATION)
    with pytest.raises(InputError, match=r"best\.pt and .*one\.pt hold the same weights, which would count twice"):
        average_checkpoints([one, other, best])


def test_the_last_epochs_of_a_run(tmp_path):
    for name in ("epoch_9.pt", "epoch_10.pt", "epoch_8.pt", "best.pt", "last.pt", "epoch_x.pt"):
        (tmp_path / name).touch()
    assert [path.name for path in list_last_checkpoints(tmp_path, 2)] == ["epoch_9.pt", "epoch_10.pt"]
    with pytest.raises(InputError, match=r"3 checkpoints epoch_N\.pt, and the last 4 .*save_interval: 1.*keep: 4"):
        list_last_checkpoints(tmp_path, 4)
    with pytest.raises(InputError, match=r"best\.pt is no folder"):
        list_last_checkpoints(tmp_path / "best.pt", 2)
