"""Every system of the family recognises the same however the network is prepared for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dataset.vocabulary import Vocabulary
from engine.export_formats import FORMATS, OLDEST
from engine.export_parity import compare_networks, write_and_read_back
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.torch_network import TorchNetwork
from slr_network import SLRModel, fuse_for_inference
from tests.helpers.config import tiny_config
from tests.helpers.family import SYSTEMS, draw_clips, tiny_system

LENGTHS = [9, 5]
ONE_PLACE = {"fusion_after": [3]}
EXPORTED: list[tuple[str, dict[str, Any]]] = [
    ("vac", {}), ("tlp", {}), ("corrnet", {}), ("corrnet", {"fusion_after": [3, 4], "pooling": "lift"})
]  # fmt: skip
needs_newer = pytest.mark.skipif(torch.__version__ < OLDEST, reason=f"torch.export needs PyTorch {OLDEST}")


def lively(system: str, **changes: Any) -> SLRModel:
    """A small network in evaluation, with running statistics that count."""
    torch.manual_seed(0)
    model = tiny_system(system, **changes)
    model.train()(draw_clips([12, 8]), torch.tensor([12, 8]))
    return model.eval()


@torch.inference_mode()
def recognise(model: SLRModel) -> Tensor:
    return model(draw_clips(LENGTHS), torch.tensor(LENGTHS)).sequence_logits


def difference(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_fused_copy_gives_the_same_and_in_half_precision_nearly_the_same(system):
    model = lively(system)
    expected = recognise(model)
    fused = fuse_for_inference(model)
    kept = [name for name, part in fused.named_modules() if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d))]
    assert not kept
    assert difference(recognise(fused), expected) < 1e-4
    for dtype, most in ((torch.bfloat16, 0.05), (torch.float16, 0.01)):
        half = fuse_for_inference(model, dtype)
        found = recognise(half)
        assert half.conv2d.layer1[0].conv1.weight.dtype == dtype
        assert found.dtype == torch.float32
        assert 0 < difference(found, expected) < most
        half.frame_chunk = 3
        assert difference(recognise(half), found) < most


def test_features_that_float16_cannot_hold_do_not_spoil_correlation():
    """A product of two features of 400, summed over 32 of them, is more than float16's largest number."""
    model = lively("corrnet", **ONE_PLACE)
    with torch.no_grad():
        model.conv2d.layer3[1].bn2.bias.fill_(400.0)
        model.conv2d.alpha.fill_(1e-6)
    assert recognise(fuse_for_inference(model, torch.float16)).isfinite().all()


def make_recogniser(system: str, **changes: Any) -> Recogniser:
    given = {f"model_args.{key}": value for key, value in changes.items()}
    config = tiny_config(system=system, **{"model_args.hidden_size": 32} | given)
    network = TorchNetwork(lively(system, hidden_size=32, **changes))
    return Recogniser(network, config, Vocabulary(["A", "B", "C", "D"]), 72)


@pytest.mark.parametrize(
    ("system", "changes", "name"),
    [
        *((system, changes, name) for name in ("onnx", "torchscript") for system, changes in EXPORTED),
        pytest.param("corrnet", {}, "torch_export", marks=needs_newer),  # with max pooling, which fixed the length
    ],
)
def test_an_exported_network_reads_clips_of_any_length(system, changes, name, tmp_path):
    recogniser = make_recogniser(system, **changes)
    other = write_and_read_back(recogniser, name, tmp_path / f"model{FORMATS[name].suffix}")
    lengths = (1, 2, 5, 8, 33, 60)
    found = compare_networks(recogniser.network, other, 64, lengths)
    assert [parity.frames for parity in found] == list(lengths)
    assert max(parity.relative for parity in found) < 1e-4
    assert np.ptp(recogniser.network(draw_clips([9])[0].numpy()), axis=0).max() > 0.01
