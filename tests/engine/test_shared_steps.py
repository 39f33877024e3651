"""Steps of two processes that share their gradients."""

from __future__ import annotations

import pytest
import torch
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import LambdaLR

from engine.training_step import NonFiniteLossError, TrainingStep
from tests.engine.test_training_step import Slope, batch, criterion
from tests.engine.two_processes import in_two
from utils.log import LOGGER

CPU = torch.device("cpu")


def shared_step(skip: bool) -> TrainingStep:
    model = DistributedDataParallel(Slope())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return TrainingStep(model, criterion, optimizer, LambdaLR(optimizer, lambda _: 1), CPU, skip=skip)


def not_finite_in_the_second(rank: int) -> dict:
    clips = [batch(1), batch(float("inf"), 2)][rank]
    said: list[str] = []
    LOGGER.info = lambda text, *values: said.append(text % values)
    try:
        shared_step(skip=False)([clips])
        error = None
    except NonFiniteLossError as refusal:
        error = str(refusal)
    lenient = shared_step(skip=True)
    skipped = lenient([clips])
    again = lenient([[batch(1), batch(3)][rank]])
    return {
        "error": error,
        "log": said,
        "skipped": (skipped.skipped, again.skipped),
        "weight": lenient.network.module.weight.item(),
        "seen": float(lenient.network.module.seen),
    }


def test_the_process_whose_loss_is_not_finite_is_the_one_whose_clips_are_named(tmp_path):
    first, second = in_two(not_finite_in_the_second, tmp_path)
    assert first == second
    assert "SeqCTC inf, total inf on clipinf (7 frames, 3 glosses), clip2 (7 frames, 3 glosses). A" in first["error"]
    assert "clip1 " not in first["error"]
    (line,) = first["log"]
    assert line == f"a step was skipped: {first['error']}"
    assert first["skipped"] == (True, False)
    assert first["weight"] == pytest.approx(
        1 - 0.1 * 2 * (1 + 3) / 2
    )  # of the second step, the mean of both processes' clips
    assert first["seen"] == 1  # of the second step alone
