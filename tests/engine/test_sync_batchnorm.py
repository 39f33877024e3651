"""BatchNorm over two processes is BatchNorm over the values of both, and how often the processes exchange something."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from engine.sync_batchnorm import SyncBatchNorm, convert_sync_batchnorm
from modules.convolution import SpatialConv
from modules.folding import fold_norms
from modules.recompute import Recompute
from tests.helpers.processes import in_two
from utils import ranks

# What the two processes have: other numbers of clips, of frames, one value alone.
SHAPES = [
    ((3, 4, 5, 6), (2, 4, 5, 6)),
    ((2, 4, 7), (1, 4, 3)),
    ((1, 4, 1), (2, 4, 1)),
    ((5, 4), (1, 4)),
]
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def values(shapes: tuple[tuple[int, ...], tuple[int, ...]], dtype: torch.dtype, mean: float = 3.0) -> list[Tensor]:
    """The values of each process, whose means differ; images lie channels-last."""
    generator = torch.Generator().manual_seed(len(shapes[0]))
    parts = [
        mean + rank + 2 * torch.randn(shape, generator=generator, dtype=torch.float64)
        for rank, shape in enumerate(shapes)
    ]
    parts = [part.to(dtype) for part in parts]
    return [part.contiguous(memory_format=torch.channels_last) if part.ndim == 4 else part for part in parts]


def in_a_row(parts: list[Tensor]) -> Tensor:
    """The values of both processes as one clip: (N, C, ...) each -> (1, C, all)."""
    return torch.cat([part.transpose(0, 1).flatten(1) for part in parts], 1)[None]


def layer(kind: Callable[[int], nn.Module], dtype: torch.dtype) -> nn.Module:
    norm = kind(4).to(dtype)
    state = {"weight": torch.tensor([0.5, 1.0, 2.0, -1.0]), "bias": torch.arange(4.0)}
    state |= {"running_mean": torch.arange(4.0), "running_var": 1 + torch.arange(4.0)}
    norm.load_state_dict(norm.state_dict() | state)
    return norm.train()


def learn(norm: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """What a pass forth and back gives, for a loss that weighs each value in its own way."""
    x = x.clone().requires_grad_()
    out = norm(x)
    (out.double() * x.detach().double().cos()).sum().backward()
    found = {"out": out.detach(), "x": x.grad, "weight": norm.weight.grad, "bias": norm.bias.grad}
    return found | {name: getattr(norm, name) for name in STATISTICS}


def learn_in_group(rank: int) -> dict:
    exchanges, reduce = [], dist.all_reduce
    dist.all_reduce = lambda tensor: exchanges.append(tensor.numel()) or reduce(tensor)
    found = {
        "float64": [
            learn(layer(SyncBatchNorm, torch.float64), values(shapes, torch.float64)[rank]) for shapes in SHAPES
        ],
        "exchanges": exchanges[:2],
        "far": learn(layer(SyncBatchNorm, torch.float32), values(SHAPES[0], torch.float32, 1000.0)[rank]),
        "half": learn(layer(SyncBatchNorm, torch.float32), values(SHAPES[0], torch.bfloat16)[rank]),
        "levels": [run_twice(rank, level, exchanges) for level in ("none", "blocks", "stages")],
        "folded": fold_in_group(exchanges),
    }
    dist.all_reduce = reduce
    told = torch.tensor(ranks.all_reduce_mean([float(rank), 3.0]))
    return found | {"told": told, "gathered": ranks.all_gather({"rank": rank})}


def run_twice(rank: int, level: str, exchanges: list[int]) -> dict:
    """A stage with two norms, one of which is used twice, and a part inside it that runs again too."""
    torch.manual_seed(0)
    first, second = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
    stage = convert_sync_batchnorm(
        nn.ModuleList([nn.Conv2d(4, 4, 3), first, nn.Conv2d(4, 4, 1), second]).double()
    ).train()
    recompute, runs = Recompute(level), []
    stage[1].register_forward_hook(lambda *_: runs.append(1))

    def compute(x: Tensor) -> Tensor:
        x = recompute.layers(stage[0](x), stage[1], nn.Sigmoid(), stage[2])
        return recompute.layers(x, stage[1], stage[3], nn.Sigmoid())

    stage.forward = compute
    x = values(SHAPES[0], torch.float64)[rank].requires_grad_()
    exchanges.clear()
    recompute.stage(stage, x).square().sum().backward()
    gradients = {name: weight.grad for name, weight in stage.named_parameters()}
    return {
        "runs": len(runs),
        "exchanges": len(exchanges),
        "all": gradients | {"x": x.grad} | dict(stage.named_buffers()),
    }


def fold_in_group(exchanges: list[int]) -> list:
    """Recognition exchanges nothing: the processes have other numbers of clips to recognise."""
    net = convert_sync_batchnorm(nn.Sequential(SpatialConv(4, 4, 3), nn.BatchNorm2d(4)))
    exchanges.clear()
    folded = fold_norms(copy.deepcopy(net))
    folded(torch.randn(1, 4, 5, 5))
    net.eval()(torch.randn(1, 4, 5, 5))
    return [list(exchanges), [type(part) for part in folded]]


@pytest.fixture(scope="module")
def found(once) -> list[dict]:
    """What each of the two processes found."""

    def learn_together(folder: Path) -> None:
        folder.mkdir()
        in_two(learn_in_group, folder)

    folder = once("sync_batchnorm", learn_together)
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]


def expect(parts: list[Tensor], dtype: torch.dtype = torch.float64) -> dict[str, Tensor]:
    """What PyTorch's BatchNorm learns from the values of both processes in float64."""
    return learn(layer(nn.BatchNorm1d, dtype), in_a_row(parts).to(dtype))


def compare(parts: list[dict], expected: dict[str, Tensor], rtol: float, atol: float) -> None:
    for name in ("out", "x"):
        together = in_a_row([part[name] for part in parts]).double()
        torch.testing.assert_close(together, expected[name], rtol=rtol, atol=atol, msg=name)
    for name in ("weight", "bias"):  # DDP adds these up
        torch.testing.assert_close((parts[0][name] + parts[1][name]).double(), expected[name], rtol=rtol, atol=atol)
    for name in STATISTICS:
        assert torch.equal(parts[0][name], parts[1][name])
        torch.testing.assert_close(parts[0][name].to(expected[name].dtype), expected[name], rtol=rtol, atol=atol)


@pytest.mark.parametrize("case", range(len(SHAPES)))
def test_two_processes_normalise_and_learn_as_one_with_the_values_of_both(found, case):
    expected = expect(values(SHAPES[case], torch.float64))
    compare([part["float64"][case] for part in found], expected, rtol=1e-9, atol=1e-12)
    assert expected["num_batches_tracked"] == 1
    assert expected["x"].abs().max() > 1e-2


def test_they_exchange_one_vector_forth_and_one_back(found):
    """Sums, sums of squares and the number of values; then the two sums of the gradient."""
    assert [part["exchanges"] for part in found] == [[9, 8], [9, 8]]


def test_a_mean_that_is_large_beside_the_deviation_loses_no_digits_in_float32(found):
    """Means of 1000 and 1001, deviation 2: sums of squares in float32 would be wrong in their third digit."""
    parts = values(SHAPES[0], torch.float32, 1000.0)
    together = in_a_row(parts)
    squares = together.square().mean((0, 2)) - together.mean((0, 2)).square()
    expected = expect([part.double() for part in parts])
    variance = together.double().var((0, 2), unbiased=False)
    assert ((squares - variance) / variance).abs().max() > 5e-3
    compare([part["far"] for part in found], expected, rtol=2e-4, atol=2e-4)  # values and means have a spacing of 6e-5
    running = 0.9 * (1 + torch.arange(4.0)) + 0.1 * together.double().var((0, 2))
    torch.testing.assert_close(found[0]["far"]["running_var"].double(), running, rtol=2e-5, atol=0)


def test_maps_in_half_precision_have_statistics_in_float32(found):
    parts = values(SHAPES[0], torch.bfloat16)
    expected = expect([part.double() for part in parts])
    for part in found:
        assert (part["half"]["out"].dtype, part["half"]["x"].dtype) == (torch.bfloat16, torch.bfloat16)
        for name in ("running_mean", "running_var"):
            torch.testing.assert_close(part["half"][name].double(), expected[name], rtol=1e-6, atol=1e-6)
    together = [in_a_row([part["half"][name] for part in found]).double() for name in ("out", "x")]
    for name, given in zip(("out", "x"), together, strict=True):
        assert (given - expected[name]).abs().max() < 2**-7 * expected[name].abs().max()


def test_what_runs_again_exchanges_nothing_and_counts_once(found):
    """Three uses of a norm, forth and back, however often they run."""
    for part in found:
        kept, *again = part["levels"]
        assert [level["runs"] for level in part["levels"]][:2] == [2, 4]
        assert again[1]["runs"] > 4
        assert [level["exchanges"] for level in part["levels"]] == [6, 6, 6]
        assert kept["all"]["1.num_batches_tracked"] == 2
        for level in again:
            for name, value in kept["all"].items():
                torch.testing.assert_close(level["all"][name], value, rtol=1e-12, atol=1e-14, msg=name)


def test_recognition_needs_no_other_process(found):
    for part in found:
        exchanges, kinds = part["folded"]
        assert exchanges == []
        assert kinds == [SpatialConv, nn.Identity]


def test_processes_tell_each_other_numbers_and_values(found):
    for part in found:
        assert part["told"].tolist() == [0.5, 3.0]
        assert part["gathered"] == [{"rank": 0}, {"rank": 1}]


def test_names_shared_layers_and_settings_survive_synchronising():
    norm = nn.BatchNorm1d(4, eps=1e-3, momentum=0.3).eval().requires_grad_(False)
    model = nn.ModuleDict({"a": norm, "b": norm, "c": nn.Sequential(nn.Linear(2, 2), nn.BatchNorm2d(3).double())})
    before = {name: value.clone() for name, value in model.state_dict().items()}
    weights = list(model.parameters())
    synced = convert_sync_batchnorm(model)
    assert list(synced.state_dict()) == list(before)
    assert all(value.dtype == before[name].dtype for name, value in synced.state_dict().items())
    assert all(one is other for one, other in zip(synced.parameters(), weights, strict=True))
    assert synced["a"] is synced["b"]
    assert (synced["a"].eps, synced["a"].momentum, synced["a"].training) == (1e-3, 0.3, False)
    assert isinstance(synced["c"][1], SyncBatchNorm)


def test_one_process_alone_has_pytorchs_own_norm():
    x = values(SHAPES[0], torch.float32)[0]
    ours, expected = learn(layer(SyncBatchNorm, torch.float32), x), learn(layer(nn.BatchNorm2d, torch.float32), x)
    assert all(torch.equal(value, expected[name]) for name, value in ours.items())
