"""Heat: the formulas against other ways to compute them, and networks that come out of it as they went in."""

import gc
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from dataset.batch import Collate, Sample
from evaluation.heat.gradcam import contrast, evaluation_mode, gradcam, gradcam_plus_plus, layer_hooks, trace_layer
from evaluation.heat.request import METHODS, HeatRequest
from evaluation.inference.reading import ReadingError
from modules.stages import STAGES
from slr_network import SLRModel
from tests.helpers.network import tiny_network

FRAMES, SIDE = 9, 64


def make_network(**switches) -> SLRModel:
    torch.manual_seed(0)
    network = tiny_network(7, **switches)
    if network.conv2d.fusions:
        with torch.no_grad():
            network.conv2d.alpha.copy_(torch.tensor([0.5, -0.4, 0.3])[: len(network.conv2d.alpha)])
    return network


@pytest.fixture(scope="module")
def model() -> SLRModel:
    return make_network()


@pytest.fixture(scope="module")
def batch(model):
    video = np.random.default_rng(0).integers(0, 256, (FRAMES, 3, SIDE, SIDE), np.uint8)
    return Collate(model.spec)([Sample("", video, ())])


def tiny():
    """Two convolutions and a linear score of two frames, small enough to write the derivatives down."""
    torch.manual_seed(1)
    maps = torch.rand(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, dtype=torch.float64)
    score = (maps.square().mean((2, 3)) @ weight).sum()  # d score / d maps = 2 * maps * weight / 20
    return maps, weight, score


def test_gradcam_on_derivatives_written_by_hand():
    maps, weight, score = tiny()
    (gradient,) = torch.autograd.grad(score, maps)
    expected = np.zeros((2, 4, 5))
    a, w = maps.detach().numpy(), weight.numpy()
    for t in range(2):
        for y in range(4):
            for x in range(5):
                weighted = (w[k] * 2 * a[t, k].mean() / 20 * a[t, k, y, x] for k in range(3))
                expected[t, y, x] = max(sum(weighted), 0)
    assert (expected > 0).any() and (expected == 0).any()
    np.testing.assert_allclose(gradcam(maps.detach(), gradient).numpy(), expected, rtol=1e-12)


def test_gradcam_plus_plus_on_derivatives_by_autograd():
    """Equation 10 of the paper with the derivatives of exp(score) by autograd instead of equation 19."""
    maps = torch.rand(1, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    score = (maps * torch.randn(1, 3, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))).sum()
    (first,) = torch.autograd.grad(score.exp(), maps, create_graph=True)
    expected = torch.zeros(2, 2, dtype=torch.float64)
    for k in range(3):
        total = maps[0, k].sum().detach()
        weight = 0.0
        for y in range(2):
            for x in range(2):
                (second,) = torch.autograd.grad(first[0, k, y, x], maps, create_graph=True)
                (third,) = torch.autograd.grad(second[0, k, y, x], maps, retain_graph=True)
                share = second[0, k, y, x] / (2 * second[0, k, y, x] + total * third[0, k, y, x])
                weight = weight + share * first[0, k, y, x].relu()
        expected += (weight * maps[0, k]).detach()
    (gradient,) = torch.autograd.grad(score, maps)
    heat = gradcam_plus_plus(maps.detach(), gradient)[0]
    torch.testing.assert_close(heat * score.detach().exp(), expected.relu(), rtol=1e-9, atol=0)


def test_gradcam_plus_plus_where_the_gradient_is_zero_or_tiny():
    maps, gradient = torch.rand(1, 2, 3, 3), torch.zeros(1, 2, 3, 3)
    assert not gradcam_plus_plus(maps, gradient).any()
    gradient[0, 0, 1, 1] = 1e-8
    assert gradcam_plus_plus(maps, gradient).isfinite().all()
    assert gradcam_plus_plus(maps, gradient).sum() > 0


def test_contrast_is_what_the_mean_of_the_clip_would_cost():
    torch.manual_seed(3)
    maps, gradient = torch.rand(5, 2, 4, 4), torch.randn(5, 2, 4, 4)
    expected = np.zeros((5, 4, 4))
    for t, y, x in np.ndindex(5, 4, 4):
        near = gradient[t, :, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].mean((1, 2))
        expected[t, y, x] = max(float(near @ (maps[t, :, y, x] - maps[:, :, y, x].mean(0))), 0)
    np.testing.assert_allclose(contrast(maps, gradient), expected, rtol=1e-4, atol=1e-6)
    assert not contrast(torch.ones(5, 2, 4, 4), gradient).any()  # nothing moves


def hook_count(module: nn.Module) -> int:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(part, kind)) for part in module.modules() for kind in kinds)


@pytest.mark.parametrize(
    ("switches", "layer"),
    [
        *(({}, layer) for layer in (*STAGES, "stf1", "stf2", "stf3")),
        *(
            ({"fusion": "correlation", "fusion_after": (3, 4)}, layer)
            for layer in ("layer2", "layer3", "corr2", "corr3")
        ),
        ({"fusion": "none", "pooling": "max", "hfam": False}, "layer3"),
    ],
)
def test_maps_and_gradients_are_those_of_the_network(batch, switches, layer):
    """Against a forward written out here, whose maps get a perturbation that the score is differentiated by."""
    model = make_network(**switches).double().eval()
    net, clips = model.conv2d, batch.lengths.shape[0]
    x = net.maxpool(net.relu(net.bn1(net.conv1(model.normalise(batch.video).flatten(0, 1)))))
    nudge, seen = None, None

    def at(name: str, x: torch.Tensor) -> torch.Tensor:
        nonlocal nudge, seen
        if name != layer:
            return x
        nudge, seen = torch.zeros_like(x, requires_grad=True), x
        return x + nudge

    for stage in STAGES:
        x = at(stage, getattr(net, stage)(x))
        if stage in net.fusions:
            name = net.fusions[stage]
            x = at(name, x + net.alpha[list(net.fusions).index(stage)] * getattr(net, name)(x, clips))
    steps = model.conv1d(x.mean((2, 3))[None].transpose(1, 2), None)[0].permute(2, 0, 1)
    logits = model.classifier(model.temporal_model(steps, torch.tensor([len(steps)])))[:, 0]
    (expected,) = torch.autograd.grad(logits[1, 3], nudge)
    trace = trace_layer(model, batch, layer)
    own = slice(model.spec.edge, model.spec.edge + FRAMES)
    torch.testing.assert_close(trace.logits, logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(trace.maps, seen[own].detach(), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(trace.compute_gradient(trace.logits[1, 3]), expected[own], rtol=1e-3, atol=1e-7)
    for method in METHODS:
        heat = trace.compute_heat(3, (1, 2), method)
        assert heat.shape == (FRAMES, *trace.maps.shape[2:])
        assert (heat >= 0).all() and np.isfinite(heat).all()


def test_the_network_comes_out_as_it_went_in(model, batch):
    model.train()
    model.conv1d.eval()
    frozen = model.classifier.weight
    frozen.requires_grad_(False)
    model.conv2d.conv1.weight.grad = torch.ones_like(model.conv2d.conv1.weight)
    modes = [module.training for module in model.modules()]
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    first, second = (trace_layer(model, batch, "stf1").compute_heat(1, (0, 2), "gradcam++") for _ in range(2))
    np.testing.assert_array_equal(first, second)  # no dropout
    assert [module.training for module in model.modules()] == modes
    assert hook_count(model) == 0
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())  # no BatchNorm update
    assert [name for name, weight in model.named_parameters() if weight.grad is not None] == ["conv2d.conv1.weight"]
    assert (model.conv2d.conv1.weight.grad == 1).all()
    assert [weight is frozen for weight in model.parameters() if not weight.requires_grad] == [True]
    frozen.requires_grad_(True)
    model.conv2d.conv1.weight.grad = None


def test_the_lstm_keeps_what_cudnn_needs_for_gradients_and_drops_nothing(model, batch, monkeypatch):
    """cuDNN's LSTM has gradients in what it calls training; with dropout every heat map would be another one."""
    calls, compute = [], torch.lstm
    monkeypatch.setattr(torch, "lstm", lambda *given: calls.append(given[-3:-1]) or compute(*given))
    first, second = (trace_layer(model, batch, "layer4").logits for _ in range(2))
    assert calls == [(0.0, True)] * 4  # dropout and training, in two layers
    assert torch.equal(first, second)


def test_an_error_on_the_way_leaves_no_hook_and_no_mode(model, batch):
    model.train()
    broken = SimpleNamespace(video=batch.video[:, :, :, :32, :32], lengths=batch.lengths)
    with pytest.raises(ValueError, match="64x64"):
        trace_layer(model, broken, "stf2")
    with (
        pytest.raises(RuntimeError, match="on purpose"),
        evaluation_mode(model),
        layer_hooks(model.conv2d.layer2, None),
    ):
        assert hook_count(model) == 1
        raise RuntimeError("on purpose")
    assert hook_count(model) == 0
    assert all(module.training for module in model.modules())
    assert all(weight.requires_grad for weight in model.parameters())


def live_tensors() -> int:
    gc.collect()
    return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())


def test_memory_stays_flat_over_a_hundred_uses(model):
    small = Collate(model.spec)([Sample("", np.zeros((2, 3, SIDE, SIDE), np.uint8), ())])
    trace_layer(model, small, "stf3").compute_heat(1, (0, 1), "contrast")
    before = live_tensors()
    layers = model.conv2d.layers
    for number in range(100):
        trace_layer(model, small, layers[number % len(layers)]).compute_heat(1, (0, 1), METHODS[number % len(METHODS)])
    assert live_tensors() == before
    assert hook_count(model) == 0


class CornerNetwork(nn.Module):
    """A network of the shape that `trace_layer` needs, whose score sees the upper left quarter of the frames alone."""

    def __init__(self) -> None:
        super().__init__()
        self.spec = SimpleNamespace(edge=0, stride=1)
        self.conv2d = nn.Module()
        self.conv2d.layer1 = nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.ReLU())

    def forward(self, video, lengths):
        maps = self.conv2d.layer1(video[0])  # (T, 4, 16, 16)
        return SimpleNamespace(sequence_logits=maps[:, :, :8, :8].mean((1, 2, 3))[:, None, None].expand(-1, 1, 2))


@pytest.mark.parametrize("method", METHODS)
def test_the_heat_of_a_network_that_looks_at_one_corner_lies_there(method):
    torch.manual_seed(4)
    batch = SimpleNamespace(video=torch.rand(1, 6, 3, 64, 64), lengths=torch.tensor([6]))
    if method != "contrast":  # which gives a channel one weight for all of a frame: only the corner may be active
        batch.video[:, :, :, 32:] = batch.video[:, :, :, :, 32:] = -100.0
    network = CornerNetwork()
    with torch.no_grad():
        network.conv2d.layer1[0].weight.abs_()
        network.conv2d.layer1[0].bias.zero_()
    heat = trace_layer(network, batch, "layer1").compute_heat(1, (2, 4), method)
    assert heat[2:4, :8, :8].sum() > 0
    heat[2:4, :9, :9] = 0  # contrast averages a gradient over its neighbours
    assert not heat.any()  # nor in frames that the score is not of


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layer": "stf4"}, "layer is 'stf4': choose one of layer1, .*; did you mean stf"),
        ({"method": "gradcamm"}, "method is 'gradcamm': .*; did you mean gradcam"),
        (
            {"target": "hypotheses"},
            "target is 'hypotheses': choose one of hypothesis, reference, gloss:NAME; did you mean hypothesis",
        ),
    ],
)
def test_requests_that_mean_nothing(arguments, message):
    with pytest.raises(ReadingError, match=message):
        HeatRequest(**arguments)


def test_requests_know_their_gloss():
    assert HeatRequest(target="gloss:NORD").gloss == "NORD"
    assert HeatRequest().gloss is None
