"""Files that hold what no checkpoint holds: each is one clear error, and none is read for ever."""

from __future__ import annotations

import os
import random
import zipfile
from dataclasses import fields

import numpy as np
import pytest
import torch

from engine.train_state import EpochProgress, TrainState
from evaluation.reporting.history import EpochRecord
from tests.helpers.network import tiny_network
from utils import checkpoint_content
from utils.checkpoint import CheckpointError, extract_weights, load_checkpoint, load_weights
from utils.checkpoint_content import EpochEntry, ProgressEntry, TrainStateEntry
from utils.inspect_checkpoint import inspect_checkpoint

EPOCH = {"epoch": 1, "loss": 2.5, "learning_rate": 1e-3, "seconds": 4, "wer": 30.0, "conv_wer": None}
GOOD = {
    "model_state_dict": {"a.weight": torch.ones(2)},
    "raw_state_dict": {"a.weight": torch.zeros(2)},
    "averaged_steps": 4,
    "optimizer_state_dict": {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
    "scheduler_state_dict": {"last_epoch": 1},
    "scaler_state_dict": {},
    "train_state": {"epoch": 1, "best_wer": 30.0, "history": (EPOCH,), "progress": {"steps": 3}, "of_later": [1]},
    "random_states": {
        "python": random.Random(0).getstate(),
        "numpy": ("MT19937", [1, 2], 3, 0, 0.0),
        "torch": torch.get_rng_state(),
    },
    "random_states_of_others": [],
    "processes": 1,
    "config": {"dataset": "phoenix2014"},
    "glosses": ["A", "B"],
    "frame_size": 72,
    "trained_on": {"clips": 3, "digest": "0f"},
    "frame_rate": 25.0,
    "calibration": {"slope": 0.9, "offset": 1.7, "least_energy": -6.5, "least_motion": 0.0, "clips": 40, "glosses": 0},
    "rendered": True,
}


def refused(folder, content) -> str:
    torch.save(content, folder / "a.pt")
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(folder / "a.pt")
    return str(error.value)


def change(place: str, value) -> dict:
    """The good content with another value at a dotted place."""
    key, _, rest = place.partition(".")
    return GOOD | {key: GOOD[key] | {rest: value} if rest else value}


def test_the_good_one_is_read_as_it_is(tmp_path):
    torch.save(GOOD, tmp_path / "a.pt")
    assert load_checkpoint(tmp_path / "a.pt").keys() == GOOD.keys()
    for changed in (change("train_state.best_wer", float("inf")), change("train_state", {"best_wer": np.float64(17)})):
        torch.save(changed, tmp_path / "a.pt")
        load_checkpoint(tmp_path / "a.pt")


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("glosses", 3, "glosses is 3, where input should be a valid list"),
        ("glosses", [1, 2], "glosses.0 is 1, where input should be a valid string"),
        ("glosses", ["A", ""], "glosses.1 is ''"),
        ("glosses", [], "glosses is []"),
        ("glosses", "AB", "glosses is 'AB'"),
        ("glosses", None, "glosses is None"),
        ("glosses", ["A" * 10_000], "glosses.0 is 'AAAA"),
        ("frame_size", "72", "frame_size is '72', where input should be a valid integer"),
        ("frame_size", True, "frame_size is True"),
        ("frame_size", 0, "frame_size is 0"),
        ("frame_size", 10**9, "frame_size is 1000000000"),
        ("frame_size", 4097, "frame_size is 4097, where input should be less than or equal to 4096"),
        ("frame_size", 72.0, "frame_size is 72.0"),
        ("frame_rate", "25", "frame_rate is '25', where input should be a valid number"),
        ("frame_rate", 0.0, "frame_rate is 0.0"),
        ("config", [], "config is []"),
        ("config", {1: 2}, "config.1.[key] is 1"),
        ("processes", 0, "processes is 0"),
        ("model_state_dict", [torch.ones(2)], "model_state_dict is"),
        ("raw_state_dict", torch.ones(2), "raw_state_dict is"),
        ("averaged_steps", -1, "averaged_steps is -1"),
        ("optimizer_state_dict", {}, "it lacks optimizer_state_dict.state"),
        ("optimizer_state_dict.param_groups", [{"lr": 1}], "it lacks optimizer_state_dict.param_groups.0.params"),
        ("optimizer_state_dict.state", {"a": {}}, "optimizer_state_dict.state.a.[key] is 'a'"),
        ("optimizer_state_dict.state", {0: 3}, "optimizer_state_dict.state.0 is 3"),
        ("scheduler_state_dict", None, "scheduler_state_dict is None"),
        ("scaler_state_dict", {"scale": float("nan")}, "scaler_state_dict.scale is nan"),
        ("train_state", None, "train_state is None"),
        ("train_state.epoch", "1", "train_state.epoch is '1'"),
        ("train_state.step", -1, "train_state.step is -1"),
        ("train_state.epoch", 2**70, "train_state.epoch is 1180591620717411303424"),
        ("train_state.best_wer", None, "train_state.best_wer is None"),
        ("train_state.best_wer", float("nan"), "train_state.best_wer is nan"),
        ("train_state.progress", {"loss": float("inf")}, "train_state.progress.loss is inf"),
        ("train_state.history", ({"zz": 1},), "it lacks train_state.history.0.epoch"),
        ("train_state.history", (EPOCH | {"wer": "30"},), "train_state.history.0.wer is '30'"),
        ("random_states", 1, "random_states is 1"),
        ("random_states.torch", [1], "random_states.torch is [1]"),
        ("random_states_of_others", 1, "random_states_of_others is 1"),
        ("trained_on", {"clips": 3}, "it lacks trained_on.digest"),
        ("rendered", "perhaps", "rendered is 'perhaps'"),
        ("calibration", None, "calibration is None"),
        ("calibration", {"slope": 1.0}, "it lacks calibration.offset"),
        ("calibration.slope", 0.0, "calibration.slope is 0.0"),
        ("calibration.offset", 1e300, "calibration.offset is 1e+300"),
        ("calibration.least_energy", float("nan"), "calibration.least_energy is nan"),
        ("calibration.clips", 0, "calibration.clips is 0"),
        ("calibration.glosses", "150", "calibration.glosses is '150'"),
    ],
)
def test_an_entry_of_the_wrong_type_is_named(tmp_path, place, value, said):
    message = refused(tmp_path, change(place, value))
    assert f"a.pt is damaged or was changed: {said}" in message
    assert len(message) < 400


@pytest.mark.parametrize(("key", "value"), [("glosses", 3), ("frame_size", "72"), ("train_state", {"epoch": None})])
def test_what_is_read_of_a_file_without_a_configuration_is_checked_too(tmp_path, key, value):
    assert f"was changed: {key}" in refused(tmp_path, {"model_state_dict": {"a": torch.ones(1)}, key: value})


def test_what_is_checked_are_the_fields_that_are_written():
    for entry, record in ((EpochEntry, EpochRecord), (ProgressEntry, EpochProgress), (TrainStateEntry, TrainState)):
        assert entry.__annotations__.keys() == {field.name for field in fields(record)}


def double(value, times):
    for _ in range(times):
        value = {"a": value, "b": value}
    return value


@pytest.mark.timeout(60)
@pytest.mark.parametrize("place", ["config", "glosses", "anything"])
def test_containers_that_would_never_end(tmp_path, place):
    assert "containers hold more than 1,000,000 values" in refused(tmp_path, change(place, double(1, 28)))
    assert "containers lie more than 32 deep" in refused(tmp_path, change(place, double(1, 40)))
    within: list = []
    within.append(within)
    assert "containers lie more than 32 deep" in refused(tmp_path, change(place, {"a": within}))


def test_tensors_that_claim_more_than_the_file_has(tmp_path):
    for place in ("anything", "model_state_dict.a"):
        message = refused(tmp_path, GOOD | {place: torch.ones(1).expand(10**12)})
        assert "tensors claim more than 1,07" in message


def test_files_that_are_none(tmp_path):
    os.mkfifo(tmp_path / "fifo.pt")
    (tmp_path / "model.ONNX").write_bytes(b"\x08\x08")
    for path, said in (
        (tmp_path / "model.ONNX", "is an exported network, which test_one_video.py reads: name the checkpoint"),
        (tmp_path / "fifo.pt", "is a pipe or a device"),
        ("/dev/zero", "is a pipe or a device"),
        (tmp_path, "is a folder, not a checkpoint"),
        (tmp_path / "no.pt", "there is no checkpoint"),
        (f"{tmp_path}/a\0b.pt", "cannot be read: embedded null byte"),
        (tmp_path / ("a" * 300), "cannot be read"),
    ):
        with pytest.raises(CheckpointError, match=said):
            load_checkpoint(path)


def test_an_archive_that_unpacks_to_more_than_it_has(tmp_path):
    torch.save(GOOD, tmp_path / "good.pt")
    with zipfile.ZipFile(tmp_path / "good.pt") as good, zipfile.ZipFile(tmp_path / "a.pt", "w") as bomb:
        for name in good.namelist():
            bomb.writestr(name, good.read(name))
        bomb.writestr("a/data/9", bytes(10**7), zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match=r"a\.pt is damaged: it unpacks to 10,\d\d\d,\d\d\d bytes"):
        load_checkpoint(tmp_path / "a.pt")


NAME = "conv1d.temporal_conv.0.0.weight"


@pytest.fixture(scope="module")
def weights():
    return tiny_network().state_dict()


@pytest.mark.parametrize(
    ("name", "make", "said"),
    [
        (NAME, lambda w: w.to_sparse(), "is sparse, not an array of plain numbers"),
        (NAME, lambda w: torch.quantize_per_tensor(w, 0.1, 0, torch.qint8), "is quantised"),
        (NAME, lambda w: w.to(torch.complex64), "is complex"),
        (NAME, lambda w: w.to("meta"), "is without values"),
        (NAME, lambda w: w.long(), "is of the type int64, where float32 is needed"),
        (NAME, lambda w: w.bool(), "is of the type bool"),
        (NAME, lambda w: w.to(torch.float8_e4m3fn), "is of the type float8_e4m3fn"),
        ("conv2d.bn1.num_batches_tracked", lambda w: w.float(), "is of the type float32, where int64 is needed"),
        (NAME, lambda w: w * float("nan"), "holds values that are not finite"),
        (NAME, lambda w: w.double() + 1e300, "holds values that are not finite"),  # as float32
    ],
)
def test_weights_of_another_kind(tmp_path, weights, name, make, said):
    torch.save({"model_state_dict": weights | {name: make(weights[name])}}, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=rf"a\.pt: the weight {name} {said}"):
        load_weights(tiny_network(), tmp_path / "a.pt")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_number_formats_are_converted(weights, dtype):
    model = load_weights(tiny_network(), weights | {NAME: weights[NAME].to(dtype)})
    assert torch.equal(model.state_dict()[NAME], weights[NAME].to(dtype).float())


def test_a_weight_under_two_names(tmp_path, weights):
    twins = {f"module.{name}": weight.clone() for name, weight in weights.items()}
    load_weights(tiny_network(), weights | twins)
    twins[f"module.{NAME}"] += 1
    with pytest.raises(CheckpointError, match="holds a weight twice with different values"):
        load_weights(tiny_network(), weights | twins)


def test_views_of_one_storage_are_copied(tmp_path, weights):
    shape = weights[NAME].shape
    storage = torch.arange(2.0 * weights[NAME].numel()) / 1000
    torch.save(weights | {NAME: storage[::2].view(shape)}, tmp_path / "a.pt")
    model = load_weights(tiny_network(), tmp_path / "a.pt")
    assert torch.equal(model.state_dict()[NAME], storage[::2].view(shape))


def test_the_weights_of_any_file_are_described_or_refused(tmp_path, weights):
    torch.save(weights | {NAME: weights[NAME].to_sparse()}, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="is sparse"):
        inspect_checkpoint(tmp_path / "a.pt")
    long = "x" * 10**6
    with pytest.raises(CheckpointError) as error:
        extract_weights({long: 1, "a": weights[NAME].to_sparse()}, "a.pt")
    assert len(str(error.value)) < 300
    torch.save(GOOD | {long: long, "other": double(1, 10), "list": [long]}, tmp_path / "b.pt")
    assert sum(len(text) for _, text in inspect_checkpoint(tmp_path / "b.pt")) < 2000


def test_a_small_file_does_not_need_more_memory_than_the_bound(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoint_content, "MOST_BYTES", 0)
    torch.save({"model_state_dict": {"a": torch.ones(10).expand(1000, 10)}}, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="tensors claim more than"):
        load_checkpoint(tmp_path / "a.pt")
