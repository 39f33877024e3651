"""A step of training on a simulated GPU: nothing mixes devices, and the program waits for the GPU once."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
import torch
from torch.optim.swa_utils import update_bn

from config.sections import LossWeights, OptimizerArgs
from dataset.batch import Batch
from engine.moving_average import MovingAverage
from engine.norm_statistics import LearntNorms
from engine.training_step import TrainingStep, build_step
from modules.batch_norm import find_batch_norms
from slr_network import SLRModel
from tests.helpers.family import draw_clips
from tests.helpers.network import enliven, tiny_network
from tests.helpers.simulated_cuda import CUDA, SimulatedCuda, move

GLOSSES = 6
READ = {"engine/training_step.py __call__: tolist": 1}
"""The one wait: the loss and the gradient's norm are read, before the weights change."""


@pytest.fixture
def cuda():
    with SimulatedCuda() as device:
        yield device


def draw_batch(lengths: list[int], features: int = 0) -> Batch:
    """Clips of these lengths with one gloss, two, one, ..., of frames or of features, pinned as the loader does."""
    glosses = [1 + number % 2 for number in range(len(lengths))]
    video = draw_clips(lengths)
    if features:
        video = torch.randn(*video.shape[:2], features, generator=torch.Generator().manual_seed(2))
    targets = torch.arange(sum(glosses)) % GLOSSES + 1
    ids = tuple(f"clip{number}" for number in range(len(lengths)))
    return Batch(ids, video, torch.tensor(lengths), targets, torch.tensor(glosses)).pin_memory()


def network(**changes) -> SLRModel:
    torch.manual_seed(0)
    return enliven(tiny_network(GLOSSES + 1, hidden_size=32, dropout=0.0, **changes)).train()


def make_step(model: SLRModel, device: torch.device = CUDA, weights: dict | None = None, **args) -> TrainingStep:
    losses = LossWeights(**{**asdict(LossWeights()), **(weights or {})})
    return build_step(model, model, losses, OptimizerArgs(**args), device, 10, skip=True)


UNEQUAL = [[2, 7]]
CASES = {
    "unequal clips": ({}, UNEQUAL),
    "equal clips": ({}, [[7, 7]]),
    "one clip": ({}, [[3]]),
    "two batches": ({}, [[2, 7, 5], [1, 6]]),
    "correlation": ({"fusion": "correlation"}, UNEQUAL),
    "correlation, equal clips": ({"fusion": "correlation"}, [[7, 7]]),
    "no fusion": ({"fusion": "none"}, UNEQUAL),
    "max pooling": ({"pooling": "max"}, UNEQUAL),
    "no HFAM, two classifiers": ({"hfam": False, "share_classifier": False}, UNEQUAL),
    "unmasked": ({"mask_padding": False}, UNEQUAL),
}


@pytest.mark.parametrize(("switches", "lengths"), CASES.values(), ids=CASES)
def test_a_step_waits_once(cuda, switches, lengths):
    weights = {} if switches.get("hfam", True) else {"AuxCTC": 0.0}
    step = make_step(move(network(**switches)), weights=weights, max_gradient_norm=1.0)
    batches = [draw_batch(own) for own in lengths]
    with cuda.counting() as waits:
        result = step(batches)
    assert not result.skipped
    assert waits == READ


def test_a_step_on_features_waits_once(cuda):
    model = move(network())
    model.conv2d.requires_grad_(False)
    model.HFEAM.requires_grad_(False)
    step = make_step(model, weights={"AuxCTC": 0.0})
    with cuda.counting() as waits:
        step([draw_batch([2, 7], model.conv2d.out_channels)])
    assert waits == READ


def test_a_moving_average_of_the_weights_adds_no_wait(cuda):
    model = move(network())
    average = MovingAverage(model, 0.999)
    before = {name: values.elem.clone() for name, values in model.state_dict().items()}
    step = make_step(model)
    with cuda.counting() as waits:
        step([draw_batch([2, 7])])
        average.update(model)
    assert waits == READ
    for name, values in average.network.state_dict().items():
        trained = model.state_dict()[name].elem
        expected = 0.1 * before[name] + 0.9 * trained if trained.is_floating_point() else trained
        torch.testing.assert_close(values.elem, expected, msg=name)


def test_statistics_that_are_estimated_anew_are_those_of_the_cpu(cuda):
    batches = [draw_batch([2, 7]), draw_batch([5])]
    here, there = network(), move(network())
    for model in (here, there):
        norms = LearntNorms(find_batch_norms([model]), lambda batch, model=model: model(batch.video, batch.lengths))
        update_bn(batches, norms, model.device)
    found = there.state_dict()
    for name, values in here.state_dict().items():
        torch.testing.assert_close(found[name].elem, values, rtol=1e-4, atol=1e-5, msg=name)
    assert not torch.equal(here.conv2d.bn1.running_mean, network().conv2d.bn1.running_mean)


@pytest.mark.parametrize("overflow", [False, True])
def test_a_step_in_float16_waits_once_more_only_where_its_scale_overflows(cuda, overflow):
    """It asks then whether the scale can be halved."""
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127 if overflow else 2.0)
    step = replace(make_step(move(network())), scaler=scaler)
    with cuda.counting() as waits:
        result = step([draw_batch([2, 7])])
    assert result.overflow == result.skipped == overflow
    assert waits == (READ | {"engine/training_step.py __call__: item": 1} if overflow else READ)


def test_a_step_that_is_skipped_leaves_weights_and_statistics(cuda):
    model = move(network())
    step = make_step(model)
    before = {name: values.elem.clone() for name, values in model.state_dict().items()}
    short = draw_batch([2, 7])
    too_long = replace(short, targets=torch.tensor([1, 1, 1, 1, 1, 1]), target_lengths=torch.tensor([1, 5]))
    with cuda.counting() as waits:
        result = step([too_long])
    assert result.skipped
    assert waits == READ
    for name, values in model.state_dict().items():
        assert torch.equal(values.elem, before[name]), name


def test_the_gpu_learns_what_the_cpu_learns(cuda):
    batch = draw_batch([2, 7, 5])
    here, there = network(), network()
    expected = make_step(here, torch.device("cpu"), optimizer="SGD", base_lr=0.01)([batch])
    result = make_step(move(there), optimizer="SGD", base_lr=0.01)([batch])
    assert result.loss == pytest.approx(expected.loss, rel=1e-5)
    assert result.terms == pytest.approx(expected.terms, rel=1e-4)
    assert result.gradient_norm == pytest.approx(expected.gradient_norm, rel=1e-4)
    learnt = there.state_dict()
    for name, values in here.state_dict().items():
        torch.testing.assert_close(learnt[name].elem, values, rtol=1e-4, atol=1e-4, msg=name)
