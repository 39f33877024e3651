"""The backbone a few frames at a time, and with BatchNorm folded, against the backbone as it is."""

import pytest
import torch
from torch import nn

from modules.chunked_fusions import SlidingMaps, in_chunks
from modules.folding import fold_norms
from modules.frame_chunks import choose_chunk, compute_clip_features, find_distinct_frames
from modules.resnet import ResNet


@pytest.fixture(scope="module")
def net() -> ResNet:
    """A backbone of which every part counts, its running statistics among them."""
    torch.manual_seed(0)
    net = ResNet("resnet18", 16)
    nn.init.uniform_(net.alpha, 0.5, 1.0)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    net.train()(torch.randn(6, 3, 64, 64), 1)
    return net.eval()


def still_clip() -> torch.Tensor:
    """11 frames of which 7 differ from the one before."""
    clip = torch.randn(7, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    return clip[[0, 0, 0, 1, 2, 3, 3, 4, 5, 6, 6]]


@pytest.mark.parametrize("chunk", [0, 1, 2, 4, 11, 50])
def test_a_few_frames_at_a_time_give_what_all_at_once_give(net, chunk):
    clip = still_clip()
    with torch.inference_mode():
        whole = net(clip, 1)[0][0].T  # (T, C)
        parts = compute_clip_features(net, clip, lambda frames: frames, chunk)
    assert whole.std() > 0.01
    assert (parts - whole).abs().max() < 1e-5 * whole.abs().max()


def test_equal_neighbours_are_computed_once(net):
    seen = []

    def prepare(frames: torch.Tensor) -> torch.Tensor:
        seen.append(len(frames))
        return frames

    with torch.inference_mode():
        compute_clip_features(net, still_clip(), prepare, 3)
    assert seen == [3, 3, 1]


def test_distinct_frames_by_hand():
    clip = torch.tensor([5, 5, 7, 5, 5, 5])[:, None, None]
    first, source = find_distinct_frames(clip)
    assert first.tolist() == [0, 2, 3]
    assert source.tolist() == [0, 0, 1, 2, 2, 2]
    first, source = find_distinct_frames(torch.tensor([1, 2, 1])[:, None])
    assert first.tolist() == [0, 1, 2]
    assert source is None


def test_chunks_are_joined_in_order():
    calls = []

    def compute(start: int, stop: int) -> torch.Tensor:
        calls.append((start, stop))
        return torch.arange(start, stop)[:, None] * 10

    assert in_chunks(compute, 5, 2)[:, 0].tolist() == [0, 10, 20, 30, 40]
    assert calls == [(0, 2), (2, 4), (4, 5)]


def test_sliding_maps_are_computed_once_and_forgotten():
    calls = []

    def compute(start: int, stop: int) -> torch.Tensor:
        calls.append((start, stop))
        return torch.arange(start, stop)[:, None] * 10

    maps = SlidingMaps(compute, 7, 3)
    assert maps(0, 2)[:, 0].tolist() == [0, 10]
    assert maps(1, 5)[:, 0].tolist() == [10, 20, 30, 40]
    assert maps(4, 7)[:, 0].tolist() == [40, 50, 60]
    assert calls == [(0, 3), (3, 6), (6, 7)]
    assert len(maps._held) == 3


def test_of_correlation_only_a_few_frames_have_maps_at_once(monkeypatch):
    torch.manual_seed(0)
    net = ResNet("resnet18", 16, "correlation").double().eval()
    nn.init.uniform_(net.alpha, 0.5, 1.0)
    held = []
    ask = SlidingMaps.__call__

    def watch(maps: SlidingMaps, start: int, stop: int) -> torch.Tensor:
        given = ask(maps, start, stop)
        held.append(len(maps._held))
        return given

    monkeypatch.setattr(SlidingMaps, "__call__", watch)
    clip = torch.randn(60, 3, 64, 64, dtype=torch.float64)[[*range(30), *[29] * 5, *range(30, 60)]]
    with torch.inference_mode():
        parts = compute_clip_features(net, clip, lambda frames: frames, 3)
        whole = net(clip, 1)[0][0].T
    assert max(held) <= 3 + 2 * 4 + 3  # a chunk, its neighbours, and what is left of the next chunk
    assert (parts - whole).abs().max() < 1e-10 * whole.abs().max()


def test_larger_frames_make_smaller_chunks():
    assert choose_chunk(torch.empty(1, 3, 224, 224), 64) == 20
    assert choose_chunk(torch.empty(1, 3, 112, 112), 64) == 83
    assert choose_chunk(torch.empty(1, 3, 224, 224, device="meta"), 64) == 64
    assert choose_chunk(torch.empty(1, 3, 448, 448, device="meta"), 64) == 16
    assert choose_chunk(torch.empty(1, 3, 64, 64, device="meta"), 16) == 64
    assert choose_chunk(torch.empty(1, 3, 8000, 8000), 64) == 1


def test_folded_backbone_has_no_norm_and_gives_the_same(net):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    fused = fold_norms(net)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fused.modules())
    assert fused.conv1.weight.squeeze(2).is_contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        expected, got = net(still_clip(), 1)[0], fused(still_clip(), 1)[0]
    assert (got - expected).abs().max() < 1e-5 * expected.abs().max()
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_folding_by_hand():
    """z = 2x + 1, normalised with mean 3 and variance 4: (z - 3) / 2 * 5 + 7 = 5x + 2."""
    conv, norm = nn.Conv1d(1, 1, 1), nn.BatchNorm1d(1, eps=0.0)
    nn.init.constant_(conv.weight, 2.0), nn.init.constant_(conv.bias, 1.0)
    nn.init.constant_(norm.weight, 5.0), nn.init.constant_(norm.bias, 7.0)
    norm.running_mean.fill_(3.0), norm.running_var.fill_(4.0)
    fused = fold_norms(nn.Sequential(conv, norm, nn.ReLU()))
    assert fused[0].weight.item() == pytest.approx(5.0)
    assert fused[0].bias.item() == pytest.approx(2.0)
    assert isinstance(fused[1], nn.Identity)
    assert conv.weight.item() == 2.0
