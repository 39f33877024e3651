"""The moving average of the weights: its numbers, what is evaluated, and what a checkpoint holds of it."""

from __future__ import annotations

import copy
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from dataset.manifest import Manifest
from engine.alignment_picture import draw_alignment
from engine.moving_average import MovingAverage, describe_networks, restore_networks
from engine.resume import check_changes, load_resumable
from engine.run import run
from engine.training_step import TrainingStep
from evaluation.evaluate import evaluate
from modules.bilstm import LayeredLSTM
from tests.helpers.config import tiny_config
from tests.helpers.network import tiny_network
from tests.helpers.processes import in_two
from tests.helpers.shared import save_full_checkpoint, share
from tests.helpers.training import assert_same_training, stop_after
from utils.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from utils.interruption import Interrupted

CPU = torch.device("cpu")
EMA = 0.5


class Small(nn.Module):
    """A layer with two names, a BatchNorm, and the same frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 1)
        self.again = self.linear
        self.norm = nn.BatchNorm1d(1)
        self.frozen = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1)).requires_grad_(False)


def set_to(model: nn.Module, value: float) -> None:
    """Give all that a training changes this value."""
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.fill_(value)
        for norm in (model.norm, model.frozen[1]):
            norm.running_mean.fill_(value)
            norm.running_var.fill_(value)
            norm.num_batches_tracked.fill_(int(value))


def test_the_average_is_the_formula_s():
    """By hand: 1/10 * 1 + 9/10 * 3 = 2.8, then 2/11 * 2.8 + 9/11 * 7; from 3/12 on the decay counts, 1/4."""
    model = Small()
    set_to(model, 1)
    average = MovingAverage(model, 0.25)
    expected = Fraction(1)
    for value, share_kept in ((3, (1, 10)), (7, (2, 11)), (2, (1, 4)), (5, (1, 4))):
        set_to(model, value)
        average.update(model)
        kept = Fraction(*share_kept)
        expected = kept * expected + (1 - kept) * value
        for own in (average.network.linear.weight, average.network.norm.bias, average.network.norm.running_var):
            assert own.item() == pytest.approx(float(expected), rel=1e-6)
        assert average.network.norm.num_batches_tracked == value
        assert average.network.frozen[1].running_mean == value  # nothing is averaged of what does not learn
    assert average.steps == 4
    assert average.network.again is average.network.linear
    assert not any(weight.requires_grad for weight in average.network.parameters())


def test_weights_of_the_lstm_lie_together_in_the_average_too(monkeypatch):
    """A copy of each weight lies by itself, and cuDNN would warn of that and copy them at every call."""
    joined = []

    def join(lstm: LayeredLSTM) -> None:
        joined.append(lstm)

    monkeypatch.setattr(LayeredLSTM, "flatten_parameters", join)
    model = tiny_network(7)
    joined.clear()
    assert MovingAverage(model, EMA).network.temporal_model.rnn in joined
    assert model.temporal_model.rnn not in joined


def test_what_is_frozen_keeps_every_bit():
    model = Small()
    with torch.no_grad():
        model.frozen[0].weight.fill_(-0.0)
        model.frozen[1].running_mean.fill_(-0.0)
    average = MovingAverage(model, 0.9)
    average.update(model)
    for number in (average.network.frozen[0].weight, average.network.frozen[1].running_mean):
        assert torch.signbit(number).all()


@pytest.fixture(scope="module")
def whole(prepared, once) -> Path:
    """Run folder of two epochs of four steps with an average, never interrupted."""
    return once("whole-ema", lambda folder: run(tiny_config(prepared, folder, ema=EMA)))


def test_what_is_learnt_is_the_same_and_the_average_is_that_of_all_steps_that_learnt(prepared, tmp_path, monkeypatch):
    """The second step counts as one that was skipped."""

    def note(self, batches):
        result = original(self, batches)
        states.append(copy.deepcopy(self.network.state_dict()))
        return replace(result, skipped=True) if len(states) == 2 else result

    states, original = [], TrainingStep.__call__
    monkeypatch.setattr(TrainingStep, "__call__", note)
    run(tiny_config(prepared, tmp_path / "plain", num_epoch=1))
    plain, states = states, []
    begun: list[dict] = []
    begin = MovingAverage.__init__

    def note_begin(self, model, decay):
        begun.append(copy.deepcopy(model.state_dict()))
        begin(self, model, decay)

    monkeypatch.setattr(MovingAverage, "__init__", note_begin)
    run(tiny_config(prepared, tmp_path / "averaged", num_epoch=1, ema=EMA))
    content = load_checkpoint(tmp_path / "averaged/last.pt")
    assert content["averaged_steps"] == 3
    for name, weight in plain[-1].items():
        assert torch.equal(content["raw_state_dict"][name], weight), name
    for name in plain[-1]:
        expected = begun[0][name]
        for steps, state in enumerate((states[0], states[2], states[3])):
            kept = min(EMA, (1 + steps) / (10 + steps))
            expected = kept * expected.double() + (1 - kept) * state[name].double()
        held = content["model_state_dict"][name]
        if held.is_floating_point():
            torch.testing.assert_close(held.double(), expected, rtol=1e-5, atol=1e-7, msg=name)
        else:
            assert torch.equal(held, states[-1][name])


def test_the_average_is_what_is_evaluated_and_drawn(whole, prepared, tmp_path, monkeypatch):
    seen = []

    def note(original, place, *arguments, **options):
        seen.append(copy.deepcopy(arguments[place].state_dict()))
        return original(*arguments, **options)

    monkeypatch.setattr("engine.trainer.evaluate", partial(note, evaluate, 1))
    monkeypatch.setattr("engine.curves.draw_alignment", partial(note, draw_alignment, 0))
    run(tiny_config(prepared, tmp_path / "run", num_epoch=1, ema=EMA))
    content = load_checkpoint(tmp_path / "run/last.pt")
    assert len(seen) == 2
    for weights in seen:
        for name, weight in content["model_state_dict"].items():
            assert torch.equal(weights[name], weight), name
    assert any(not torch.equal(weight, seen[0][name]) for name, weight in content["raw_state_dict"].items())
    best = load_checkpoint(whole / "best.pt")
    assert {"raw_state_dict", "calibration"} <= best.keys()  # calibrating leaves the trained weights in their place


@pytest.mark.parametrize("step", [1, 6])
def test_a_training_that_is_stopped_goes_on_with_its_average(whole, prepared, tmp_path, step):
    with stop_after(step), pytest.raises(Interrupted):
        run(tiny_config(prepared, tmp_path / "run", ema=EMA))
    assert load_checkpoint(tmp_path / "run/last.pt")["averaged_steps"] == step
    run(tiny_config(prepared, tmp_path / "run", resume=True, ema=EMA))
    assert_same_training(tmp_path / "run", whole)


def differing_networks() -> dict:
    """What a checkpoint holds of a network and of its average."""
    torch.manual_seed(1)
    average = MovingAverage(tiny_network(), EMA)
    average.steps = 7
    return describe_networks(tiny_network(), average)


def assert_holds(model: nn.Module, weights: dict) -> None:
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, weights[name]), name


def test_each_network_gets_its_weights_back():
    content = differing_networks()
    model = tiny_network()
    average = MovingAverage(tiny_network(), EMA)
    restore_networks(model, average, content, "last.pt")
    assert_holds(model, content["raw_state_dict"])
    assert_holds(average.network, content["model_state_dict"])
    assert average.steps == 7
    without = tiny_network()
    restore_networks(without, None, content, "last.pt")
    assert_holds(without, content["raw_state_dict"])  # training goes on with what was trained
    plain = {"model_state_dict": content["raw_state_dict"]}
    restore_networks(model, average, plain, "last.pt")
    assert_holds(average.network, content["raw_state_dict"])
    assert average.steps == 0


def test_trained_weights_that_do_not_fit_are_named():
    content = differing_networks()
    del content["raw_state_dict"]["classifier.weight"]
    with pytest.raises(CheckpointError, match=r"last\.pt \(raw_state_dict\)"):
        restore_networks(tiny_network(), None, content, "last.pt")


def test_another_decay_is_another_experiment_and_a_lost_half_is_named(whole, prepared, tmp_path):
    content, clips = load_checkpoint(whole / "last.pt"), Manifest.load(prepared / "train.json")
    for now in (0, 0.9):
        with pytest.raises(CheckpointError, match=rf"another experiment: ema: 0\.5 -> {now}.*--allow-changes"):
            check_changes(content, "last.pt", tiny_config(prepared, tmp_path, ema=now), clips, 1, CPU)
    assert check_changes(content, "last.pt", tiny_config(prepared, tmp_path, ema=EMA), clips, 1, CPU) == []
    del content["raw_state_dict"]
    save_checkpoint(tmp_path / "half.pt", content)
    with pytest.raises(CheckpointError, match=r"half\.pt cannot be resumed, it lacks raw_state_dict"):
        load_resumable(tmp_path / "half.pt", tuple(content["glosses"]))


def shared_by_two(rank: int) -> dict:
    """An average whose BatchNorm has other statistics in each process, before and after it is shared."""
    torch.manual_seed(0)
    model = tiny_network()
    average = MovingAverage(model, EMA)
    with torch.no_grad():
        model.conv2d.bn1.running_mean.fill_(rank + 1.0)
    average.update(model)
    own = average.network.conv2d.bn1.running_mean.clone()
    return {"own": own, "shared": average.share().conv2d.bn1.running_mean.clone()}


def test_processes_with_statistics_of_their_own_evaluate_those_of_the_first(tmp_path):
    first, second = in_two(shared_by_two, tmp_path)
    assert second["own"][0].item() == pytest.approx(1.8)
    assert torch.equal(first["own"], first["shared"])
    assert torch.equal(second["shared"], first["own"])


def test_an_average_is_shared_without_the_trained_weights(tmp_path):
    path = save_full_checkpoint(tmp_path / "best.pt")
    content = load_checkpoint(path)
    trained = {name: torch.zeros_like(weight) for name, weight in content["model_state_dict"].items()}
    save_checkpoint(path, content | {"raw_state_dict": trained, "averaged_steps": 3})
    shared = load_checkpoint(share(path, tmp_path / "model"))
    assert "raw_state_dict" not in shared
    for name, weight in content["model_state_dict"].items():
        assert torch.equal(shared["model_state_dict"][name], weight), name
