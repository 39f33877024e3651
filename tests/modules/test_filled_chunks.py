"""The backbone in chunks that are all filled up to one size, as on CUDA, against the backbone as it is."""

from collections import defaultdict

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from modules import frame_chunks
from modules.chunked_fusions import add_frames
from modules.frame_chunks import compute_clip_features, fills_chunks
from modules.resnet import ResNet
from slr_network import for_recognition
from tests.helpers.network import enliven, tiny_network


@pytest.fixture
def filled(monkeypatch):
    monkeypatch.setattr(frame_chunks, "fills_chunks", lambda _device: True)


def make_net(fusion: str) -> ResNet:
    """A backbone of which every part counts, the biases too, which make something of frames of zeros."""
    torch.manual_seed(0)
    net = ResNet("resnet18", 16, fusion).double().eval()
    if fusion != "none":
        nn.init.uniform_(net.alpha, 0.5, 1.0)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
    return net


def make_clip(frames: int) -> torch.Tensor:
    return torch.randn(frames, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(frames))


def test_they_are_filled_up_on_cuda_alone():
    assert fills_chunks(torch.device("cuda", 1))
    assert not fills_chunks(torch.device("cpu"))


@pytest.mark.parametrize("fusion", ["stf", "correlation", "none"])
def test_filled_chunks_give_what_all_frames_at_once_give(filled, fusion):
    """Chunks that end before, at and after the clip's end, and a clip shorter than what a frame sees around it."""
    net = make_net(fusion)
    for frames, chunk in ((1, 3), (2, 3), (7, 1), (6, 3), (7, 3), (11, 4), (9, 20)):
        clip = make_clip(frames)
        with torch.inference_mode():
            whole = net(clip, 1)[0][0].T  # (T, C)
            parts = compute_clip_features(net, clip, lambda images: images, chunk)
        assert parts.shape == whole.shape
        assert (parts - whole).abs().max() < 1e-10 * whole.abs().max(), (frames, chunk)


def count_shapes(monkeypatch, net: ResNet, lengths) -> dict[tuple[int, ...], set[tuple[int, ...]]]:
    """The shapes that 2-D convolutions are called with over clips of these lengths.

    They are told apart by their kernel and by what does not depend on the clip: channels, and the width of a frame, or
    over time its pixels.
    """
    shapes, convolve = defaultdict(set), F.conv2d

    def watch(x, weight, *args, **named):
        shapes[(*weight.shape, x.shape[1], x.shape[3])].add(tuple(x.shape))
        return convolve(x, weight, *args, **named)

    monkeypatch.setattr(F, "conv2d", watch)
    with torch.inference_mode():
        for frames in lengths:
            compute_clip_features(net, make_clip(frames), lambda images: images, 6)
    return shapes


@pytest.mark.parametrize("fusion", ["stf", "correlation"])
def test_each_layer_sees_one_shape_whatever_the_clips_are(filled, monkeypatch, fusion):
    """Clips of 20 lengths, shorter than a chunk, of whole chunks, and of more."""
    net = make_net(fusion)
    shapes = count_shapes(monkeypatch, net, range(1, 21))
    assert len(shapes) > 10
    assert {layer: len(seen) for layer, seen in shapes.items()} == dict.fromkeys(shapes, 1)
    assert {x[0] for seen in shapes.values() for x in seen if x[1] == 3} == {6}  # the frames of the first layer


def test_without_filling_there_are_many_shapes(monkeypatch):
    shapes = count_shapes(monkeypatch, make_net("stf"), range(1, 12))
    assert all(len(seen) > 5 for layer, seen in shapes.items() if layer[2:4] == (3, 3))


def test_equal_frames_are_not_looked_for(filled, monkeypatch):
    """On CUDA that would wait for the device."""
    monkeypatch.setattr(frame_chunks, "find_distinct_frames", None)
    seen = []

    def prepare(images: torch.Tensor) -> torch.Tensor:
        seen.append(len(images))
        return images

    with torch.inference_mode():
        compute_clip_features(make_net("none"), make_clip(1).expand(7, 3, 64, 64), prepare, 3)
    assert seen == [3, 3, 3]


@pytest.mark.parametrize("fusion", ["stf", "correlation", "none"])
def test_recognition_stays_the_same_within_1e5(monkeypatch, fusion):
    torch.manual_seed(0)
    network = for_recognition(enliven(tiny_network(fusion=fusion)), "fp32", frame_chunk=8)
    video = torch.randint(0, 256, (2, 24, 3, 64, 64), dtype=torch.uint8)
    lengths = torch.tensor([12, 3])
    with torch.inference_mode():
        expected = network(video, lengths)
        monkeypatch.setattr(frame_chunks, "fills_chunks", lambda _device: True)
        got = network(video, lengths)
    for name in ("sequence_logits", "conv_logits"):
        before, after = getattr(expected, name), getattr(got, name)
        for clip, steps in enumerate(expected.lengths.tolist()):
            assert (after - before)[:steps, clip].abs().max() < 1e-5 * before.abs().max()


def test_added_frames_are_zeros_and_keep_the_layout():
    x = torch.ones(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    more = add_frames(x, 1, 2)
    assert more.flatten(1).any(1).tolist() == [False, True, True, False, False]
    assert more.is_contiguous(memory_format=torch.channels_last)
    assert add_frames(x, 0, 0) is x
