"""What must hold for every network that the switches can build, published or not."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from modules.lift_pooling import LiftPooling
from modules.output import LiftNorms, SLROutput
from modules.resnet import ResNet
from slr_network import SLRModel
from tests.helpers.family import SPEC, SYSTEMS, criterion_of, draw_clips, tiny_system, weigh_losses
from tests.helpers.network import enliven, tiny_network

SIZE = 64
LENGTHS = [9, 1, 6]
PLACES = [(2,), (3,), (4,), (2, 3), (2, 4), (3, 4), (2, 3, 4)]
BACKBONES: list[dict[str, Any]] = [
    {"fusion": "none"},
    *({"fusion": fusion, "fusion_after": after} for fusion, after in product(("correlation", "stf"), PLACES)),
]
NETWORKS: list[dict[str, Any]] = [
    *(
        {"fusion": fusion, "pooling": pooling, "hfam": hfam}
        for fusion, pooling, hfam in product(("none", "correlation", "stf"), ("lift", "max"), (True, False))
    ),
    *({"fusion": fusion, "fusion_after": after} for fusion, after in product(("correlation", "stf"), [(3,), (2, 4)])),
]
HEADS = ("sequence", "conv", "level 2", "level 3", "level 4")


def name_switches(switches: dict[str, Any]) -> str:
    return "-".join(map(str, switches.values()))


def lively(**switches: Any) -> SLRModel:
    """A small network, in evaluation, of which every part counts, statistics of BatchNorm too; in float64."""
    torch.manual_seed(0)
    model = enliven(tiny_network(hidden_size=32, dropout=0.0, **switches)).double()
    model.train()(draw_clips([8]), torch.tensor([8]))
    return model.eval()


def each_alone(video: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Every clip of `draw_clips(LENGTHS)` with its own padding alone, and its length."""
    return [(video[b : b + 1, : SPEC.padded_length(n)], torch.tensor([n])) for b, n in enumerate(LENGTHS)]


def heads(output: SLROutput) -> dict[str, Tensor]:
    """The logits (T', B, V) of all heads that the network has."""
    logits = (output.sequence_logits, output.conv_logits, *(output.scale_logits or ()))
    return dict(zip(HEADS, logits, strict=False))


def assert_close(found: Tensor, expected: Tensor, name: str = "") -> None:
    assert expected.any(), name
    assert (found - expected).abs().max() < 1e-9 * expected.abs().max() + 1e-13, name


@pytest.mark.parametrize("switches", BACKBONES, ids=name_switches)
def test_a_few_frames_at_a_time_give_what_all_at_once_give(switches):
    model, video = lively(**switches, pooling="max", hfam=False), draw_clips([9])
    lengths = torch.tensor([9])
    whole = model.frame_features(video, lengths).detach()  # with gradients: all frames at once
    with torch.inference_mode():
        for chunk in (1, 3, 100):
            model.frame_chunk = chunk
            assert_close(model.frame_features(video, lengths), whole, f"{chunk} frames at a time")


@pytest.mark.parametrize("switches", NETWORKS, ids=name_switches)
def test_a_clip_in_a_batch_gives_what_it_gives_alone(switches):
    """Logits of all heads and gradients of all weights; one clip is a single frame."""
    model, video = lively(**switches), draw_clips(LENGTHS)
    with_scales = switches.get("hfam", True)
    together = heads(model(video, torch.tensor(LENGTHS), with_scales))
    alone = [heads(model(*clip, with_scales)) for clip in each_alone(video)]
    assert list(together) == list(HEADS if with_scales else HEADS[:2])
    squares = []
    for b, single in enumerate(alone):
        for head, logits in single.items():
            own = together[head][: len(logits), b]
            assert_close(own, logits[:, 0], head)
            squares.append(torch.stack([own.square().sum(), logits.square().sum()]))
    in_batch, apart = torch.stack(squares).sum(0)
    weights = dict(model.named_parameters())
    found = torch.autograd.grad(in_batch, list(weights.values()), retain_graph=True)
    expected = torch.autograd.grad(apart, list(weights.values()))
    for name, value, other in zip(weights, found, expected, strict=True):
        assert_close(value, other, name)


def record_norms(model: SLRModel) -> list[LiftNorms]:
    """A list that every lift pooling of the network adds its own norms to."""
    norms: list[LiftNorms] = []
    for part in model.modules():
        if isinstance(part, LiftPooling):
            part.register_forward_hook(lambda *call: norms.append(call[-1][1]))
    return norms


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_clip_has_its_share_of_the_loss(system):
    """CTC is a mean over clips, Dist one over steps; the squares of Cu and Cp of each pooling add up."""
    torch.manual_seed(0)
    model, criterion = tiny_system(system).double().eval(), criterion_of(system)
    labels, numbers = torch.tensor([1, 2, 3, 4]), torch.tensor([2, 1, 1])
    with_scales = model.HFEAM is not None
    norms, video = record_norms(model), draw_clips(LENGTHS)
    with torch.no_grad():
        terms = criterion(model(video, torch.tensor(LENGTHS), with_scales), labels, numbers)
        of_batch = list(norms)
        norms.clear()
        parts = [
            criterion(model(*clip, with_scales), label, numbers[b : b + 1])
            for b, (clip, label) in enumerate(zip(each_alone(video), labels.split(numbers.tolist()), strict=True))
        ]
    steps = [SPEC.output_length(n) for n in LENGTHS]
    assert set(weigh_losses(system)) == {name.rstrip("123") for name in terms} - {"total"}
    for name in terms.keys() - {"total", "Cu", "Cp"}:
        shares = steps if name == "Dist" else [1] * len(steps)
        expected = sum(share * part[name] for share, part in zip(shares, parts, strict=True)) / sum(shares)
        assert terms[name].item() == pytest.approx(expected.item(), rel=1e-9), name
    for place, both in enumerate(of_batch):
        for whole, own in zip(both, zip(*norms[place :: len(of_batch)], strict=True), strict=True):
            assert whole.item() == pytest.approx(torch.stack(own).norm().item(), rel=1e-9)
            assert whole > 0
    if system == "tlp":
        assert terms["Cu"].item() == pytest.approx(sum(norm.update.item() for norm in of_batch))
        assert terms["Cp"].item() == pytest.approx(sum(norm.prediction.item() for norm in of_batch))


@pytest.mark.parametrize("fusion", ["correlation", "stf"])
def test_reversed_time_reverses_the_features(fusion):
    """Of a network whose kernels over time, and weights of the next and the previous frame, are reversed as well."""
    torch.manual_seed(0)
    net = ResNet("resnet18", 16, fusion).double().eval()
    nn.init.uniform_(net.alpha, 0.5, 1.0)
    if fusion == "correlation":
        for i in (1, 2, 3):
            nn.init.uniform_(net.get_parameter(f"corr{i}.weights2"))
    frames = torch.randn(7, 3, SIZE, SIZE, dtype=torch.float64)
    with torch.no_grad():
        forwards = net(frames, 1)[0]  # (1, C, T)
        unchanged = net(frames.flip(0), 1)[0].flip(2)
        for name, weight in net.named_parameters():
            if ("t_convs" in name and weight.ndim == 5) or ("spatial_aggregation" in name and weight.ndim == 5):
                weight.copy_(weight.flip(2))  # (O, 1, k, ...)
            if name.endswith("weights2"):
                weight.copy_(weight.flip(0))
        backwards = net(frames.flip(0), 1)[0].flip(2)
    assert_close(backwards, forwards)
    assert (unchanged - forwards).abs().max() > 1e-6 * forwards.abs().max()
