"""The simulated GPU itself: what it refuses, and what it counts as a wait."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tests.helpers.simulated_cuda import CUDA, CudaTensor, SimulatedCuda, move
from utils.transfer import send

HERE = torch.tensor([2, 0, 1])
WAITING = {
    "item": lambda x: x[0].item(),
    "tolist": lambda x: x.tolist(),
    "bool": lambda x: bool(x[0] > 1),
    "int": lambda x: int(x[0]),
    "cpu": lambda x: x.cpu(),
    "to the cpu": lambda x: x.to("cpu"),
    "to cuda": lambda _: HERE.to(CUDA),
    "to cuda from memory that is not pinned": lambda _: HERE.to(CUDA, non_blocking=True),
    "to cuda, pinned, but asked to wait": lambda _: HERE.pin_memory().to(CUDA),
    "copy_": lambda x: x.copy_(HERE),
    "tensor": lambda _: torch.tensor([1, 2], device=CUDA),
    "new_tensor": lambda x: x.new_tensor([1]),
    "nonzero": lambda x: x.nonzero(),
    "masked_select": lambda x: x.masked_select(x > 0),
    "unique": lambda x: x.unique(),
    "indexed by a mask": lambda x: x[x > 0],
    "indexed by numbers of the CPU": lambda x: x[HERE],
    "repeat_interleave": lambda x: x.repeat_interleave(x),
    "where, of a tensor of the CPU": lambda x: torch.where(x > 0, x, torch.tensor(5)),
}
GOING_ON = {
    "send": lambda _: send(HERE, CUDA),
    "send of what is there": lambda x: send(x, CUDA),
    "to cuda, a part of what is pinned": lambda _: HERE.pin_memory()[1:].to(CUDA, non_blocking=True),
    "to the cpu later": lambda x: x.to("cpu", non_blocking=True),
    "arithmetic": lambda x: (2 * x + 1).float().mean(),
    "arange": lambda _: torch.arange(3, device=CUDA),
    "indexed by numbers": lambda x: x[x],
    "where": lambda x: torch.where(x > 0, x, 5),
    "masked_fill": lambda x: x.masked_fill(x > 0, 5),
    "parts": lambda x: x[1:].unbind(),
}


@pytest.mark.parametrize(("work", "times"), [(w, 1) for w in WAITING.values()] + [(w, 0) for w in GOING_ON.values()],
                         ids=[*WAITING, *GOING_ON])  # fmt: skip
def test_what_waits(work, times):
    with SimulatedCuda() as device:
        x = send(HERE, CUDA)
        with device.counting() as waits:
            work(x)
        assert waits.total() == times, waits
        assert all(place.startswith("tests/test_simulated_cuda.py") or "transfer" in place for place in waits)


def test_the_ctc_of_pytorch_waits_for_its_lengths_in_both_directions():
    with SimulatedCuda() as device:
        logits = send(torch.randn(5, 2, 4), CUDA).requires_grad_()
        sizes = torch.tensor([5, 4]), torch.tensor([1, 1])
        with device.counting() as waits:
            targets = send(torch.tensor([1, 2]), CUDA)
            F.ctc_loss(logits.log_softmax(-1), targets, *sizes, reduction="none").sum().backward()
        assert waits.total() == 6


def test_devices_are_not_mixed():
    with SimulatedCuda():
        x = send(torch.ones(3), CUDA)
        assert x.device == CUDA
        assert x.is_cuda
        assert (x * torch.tensor(2.0)).tolist() == [2, 2, 2]  # CUDA takes a single number too
        for mix in (lambda: x + torch.ones(3), lambda: torch.cat([x, torch.ones(3)]), lambda: torch.ones(3) * x):
            with pytest.raises(RuntimeError, match="on the CPU"):
                mix()
        with pytest.raises(TypeError, match="numpy"):
            x.numpy()
        with pytest.raises(RuntimeError, match="lengths must be on the CPU"):
            torch._VF._pack_padded_sequence(x[:, None, None], send(torch.tensor([3]), CUDA), False)


def test_gradients_cross_devices():
    with SimulatedCuda():
        x = torch.ones(3, requires_grad=True)
        there = x.to(CUDA) * 2
        (there.cpu() * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert x.grad.tolist() == [2, 4, 6]


def test_a_module_that_is_moved_computes_the_same():
    torch.manual_seed(0)
    layer = torch.nn.Sequential(torch.nn.Conv1d(2, 3, 3), torch.nn.BatchNorm1d(3), torch.nn.ReLU(inplace=True))
    x = torch.randn(2, 2, 7)
    expected = layer(x)
    layer[1].reset_running_stats()
    with SimulatedCuda():
        move(layer)
        out = layer(send(x, CUDA))
        assert isinstance(layer[0].weight, torch.nn.Parameter)
        assert isinstance(out, CudaTensor)
        out.sum().backward()
        assert layer[0].weight.grad.device == CUDA
        torch.testing.assert_close(out.detach().cpu(), expected.detach())
