"""Number formats on a GPU that is not there, by fake tensors: they have a device, a shape and a format, but no values.

PyTorch's autocast has rules of its own for CUDA. What it would compute in the wrong format, or refuse, shows here.
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from modules.frame_chunks import compute_clip_features
from slr_network import SLRModel, fuse_for_inference
from tests.helpers.network import tiny_network
from utils.temporal import TemporalSpec

CLASSES, CLIPS = 5, (12, 8)  # frames of each clip
FRAMES = TemporalSpec().padded_length(max(CLIPS))
SWITCHES = {
    "stf": {},
    "one attention": {"share_heads": True},
    "correlation": {"fusion": "correlation"},
    "no fusion, max pooling": {"fusion": "none", "pooling": "max"},
}
HALVES = (torch.bfloat16, torch.float16)


def convert(module: nn.Module, dtype: torch.dtype | None = None, **_: object) -> nn.Module:
    """`nn.Module.to`, which cannot put other values into fake weights; only the number format is changed."""
    for part in module.modules():
        for held in (part._parameters, part._buffers):
            for name, values in held.items():
                if values is not None and values.is_floating_point():
                    made = values.detach().to(dtype or values.dtype)
                    held[name] = nn.Parameter(made, False) if isinstance(values, nn.Parameter) else made
    return module


@pytest.fixture
def cuda(monkeypatch):
    """Fake tensors, libraries that open no device, and autocast, which would not begin without one.

    Gradients are computed in a thread that opens the device, so that there are none.
    """
    # The copy of a tensor has a copy of its mode, with which it could not be mixed.
    monkeypatch.setattr(FakeTensorMode, "__deepcopy__", lambda mode, memo: mode, raising=False)
    monkeypatch.setattr(nn.Module, "to", convert)
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    with torch.backends.cudnn.flags(enabled=False), FakeTensorMode():
        yield torch.device("cuda", 0)


def build(cuda, **switches) -> SLRModel:
    with cuda:
        return tiny_network(CLASSES, hidden_size=32, **switches)


def draw_frames(cuda) -> torch.Tensor:
    """The frames of both clips, one after the other, (B*T, 3, H, W)."""
    shape = len(CLIPS) * FRAMES, 3, 64, 64
    return torch.zeros(shape, dtype=torch.uint8, device=cuda)


@pytest.mark.parametrize(("recompute", "masked"), [("blocks", True), ("stages", False)])
@pytest.mark.parametrize("half", HALVES, ids=str)
@pytest.mark.parametrize("switches", SWITCHES.values(), ids=SWITCHES)
def test_maps_of_frames_are_halves_and_what_reads_them_float32(cuda, switches, half, recompute, masked):
    model = build(cuda, **switches).train()
    model.autocast, model.conv2d.recompute.level = half, recompute
    mask = torch.ones(len(CLIPS), FRAMES, device=cuda) if masked else None
    padded = SimpleNamespace(tolist=lambda: [FRAMES, FRAMES - 4])  # on the CPU, where numbers can be read
    with model._autocast():
        images = model.normalise(draw_frames(cuda)).contiguous(memory_format=torch.channels_last)
        features, levels = model.conv2d(images, len(CLIPS), mask, padded)
        logits = model.HFEAM(levels, model.classifier, len(CLIPS), mask)
    assert {maps.dtype for maps in (features, *levels)} == {half}
    steps, _ = model.conv1d(features.to(model.temporal_dtype))
    steps = steps.permute(2, 0, 1)
    heads = (model.classifier(steps), *logits)
    assert {(head.dtype, head.device, head.shape) for head in heads} == {
        (torch.float32, cuda, (TemporalSpec().output_length(max(CLIPS)), len(CLIPS), CLASSES))
    }


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")  # which copying a network does
@pytest.mark.parametrize("half", HALVES, ids=str)
@pytest.mark.parametrize("switches", SWITCHES.values(), ids=SWITCHES)
def test_recognition_computes_the_backbone_in_halves_and_the_rest_in_float32(cuda, switches, half):
    fused = fuse_for_inference(build(cuda, **switches).eval(), half)
    frames = draw_frames(cuda)[:FRAMES]
    with torch.inference_mode():
        maps = fused.compute_maps(frames)
        features = compute_clip_features(fused.conv2d, frames, fused.normalise)  # (T, C)
        steps, _ = fused.conv1d(features.T[None].to(fused.temporal_dtype))
    assert {(part.dtype, part.device) for part in (maps, features)} == {(half, cuda)}
    assert (steps.dtype, steps.device) == (torch.float32, cuda)
