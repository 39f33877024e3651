"""One step of the optimiser on a model whose gradients can be computed by hand."""

from __future__ import annotations

import pytest
import torch
from torch.optim.lr_scheduler import LambdaLR

from engine.training_step import NonFiniteLossError, TrainingStep, group_batches
from tests.helpers.training import Slope, batch, criterion
from utils.errors import InputError


def step(**options) -> TrainingStep:
    model = Slope()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return TrainingStep(
        model, criterion, optimizer, LambdaLR(optimizer, lambda s: 0.5**s), torch.device("cpu"), **options
    )


def test_the_gradient_is_the_mean_over_all_clips_however_they_are_batched():
    for batches in ([batch(1, 2, 6)], [batch(1, 2), batch(6)], [batch(1), batch(2), batch(6)]):
        once = step()
        result = once(batches)
        assert result.loss == pytest.approx(2 * 3)
        assert result.terms["SeqCTC"] == pytest.approx(3)
        assert result.gradient_norm == pytest.approx(6)
        assert result.learning_rate == pytest.approx(0.1)
        assert float(once.network.weight) == pytest.approx(1 - 0.1 * 6)
        assert once([batch(1)]).learning_rate == pytest.approx(0.05)
        assert float(once.network.weight) == pytest.approx(1 - 0.1 * 6 - 0.05 * 2)


def test_gradients_are_scaled_down_to_their_limit():
    clipped = step(max_norm=2.0)
    assert clipped([batch(3)]).gradient_norm == pytest.approx(6)
    assert float(clipped.network.weight) == pytest.approx(1 - 0.1 * 2)
    assert clipped([batch(0.5)]).gradient_norm == pytest.approx(1)
    assert float(clipped.network.weight) == pytest.approx(1 - 0.1 * 2 - 0.05 * 1)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_stops_the_training_or_leaves_no_trace(value):
    with pytest.raises(NonFiniteLossError, match=r"on clip1 \(7 frames, 3 glosses\), clip(nan|inf) \(7 frames"):
        step()([batch(1, value)])
    lenient = step(skip=True)
    result = lenient([batch(1), batch(value)])
    assert result.skipped
    assert float(lenient.network.weight) == 1
    assert float(lenient.network.seen) == 0  # as running statistics are
    assert not lenient([batch(1)]).skipped
    assert float(lenient.network.weight) == pytest.approx(1 - 0.05 * 2)  # time went on for the learning rate
    assert float(lenient.network.seen) == 1


def test_want_of_memory_names_the_clips_and_what_helps():
    class Large(Slope):
        def forward(self, *_):
            return torch.empty(10**15)

    model = Large()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    large = TrainingStep(model, criterion, optimizer, LambdaLR(optimizer, lambda _: 1), torch.device("cpu"))
    with pytest.raises(InputError, match=r"clip2 \(7 frames, 3 glosses\), 1 frames each with padding; lower"):
        large([batch(2)])


def test_a_scale_that_overflows_is_halved_and_costs_a_step():
    scaled = step(scaler=torch.amp.GradScaler("cpu", init_scale=2.0**10))
    overflow = scaled([batch(1e37)])  # 2e37 * 1024 is more than float32 holds, as 65504 is for float16
    assert overflow.overflow
    assert overflow.skipped
    assert float(scaled.network.weight) == 1
    assert scaled.scaler.get_scale() == 2.0**9
    result = scaled([batch(1, 5)])
    assert not result.skipped
    assert result.gradient_norm == pytest.approx(6)
    assert float(scaled.network.weight) == pytest.approx(1 - 0.05 * 6)
    with pytest.raises(NonFiniteLossError):
        scaled([batch(float("nan"))])


def test_want_of_memory_for_the_optimiser_is_named_too():
    class Greedy(torch.optim.SGD):
        def step(self):
            torch.empty(10**15)

    model = Slope()
    optimizer = Greedy(model.parameters(), lr=0.1)
    greedy = TrainingStep(model, criterion, optimizer, LambdaLR(optimizer, lambda _: 1), torch.device("cpu"))
    with pytest.raises(InputError, match=r"on clip2 \(7 frames, 3 glosses\), clip3 \(.*set recompute=stages"):
        greedy([batch(2), batch(3)])


def test_batches_in_groups():
    assert list(group_batches("abcdefg", 3)) == [["a", "b", "c"], ["d", "e", "f"], ["g"]]
    assert list(group_batches("", 3)) == []
