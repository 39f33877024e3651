"""`python -m benchmarks.network` and its 3-D reference, on a small network."""

import pytest
import torch

from benchmarks import network
from benchmarks.gpu.compiled import chosen_backend
from benchmarks.network import parse_args
from benchmarks.random_network import enliven
from benchmarks.reference3d import Reference3d
from tests.helpers.network import tiny_network

SMALL = ["--size=64", "--width=16", "--backbone=resnet18", "--hidden_size=32", "--threads=1", "--repeats=1"]


@pytest.mark.parametrize("share_heads", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_the_reference_is_the_network(share_heads, training):
    torch.manual_seed(0)
    model = tiny_network(7, hidden_size=32, share_heads=share_heads, dropout=0.0)
    enliven(model, 64)
    model.double().train(training)
    reference = Reference3d(model, "resnet18").double().train(training)
    video = torch.rand(2, 20, 3, 64, 64, dtype=torch.float64) * 2 - 1
    reference.conv2d.register_forward_pre_hook(lambda _, __: (video.transpose(1, 2),))  # it reads bytes as float32
    lengths = torch.tensor([8, 8])
    expected = model(video, lengths, with_scales=True)
    got = reference((video * 0).byte(), lengths)
    heads = [(got.sequence_logits, expected.sequence_logits), (got.conv_logits, expected.conv_logits)]
    for one, other in [*heads, *zip(got.scale_logits, expected.scale_logits, strict=True)]:
        assert (one - other).abs().max() < 1e-9 * other.abs().max()


def test_every_section_is_printed(capsys, monkeypatch):
    monkeypatch.setattr(network, "measure_memory", lambda *_: 12.0)
    ways = ["3-D", "fused, in chunks", "fused, compiled", "bare backbone"]
    with chosen_backend(small=True):
        network.main(parse_args([*SMALL, "--frames", "8", "--training_frames", "12", "--lengths", "5", "9"]))
    out = capsys.readouterr().out
    for way in (*ways, "network, recompute none", "network, recompute stages", "1 x 9", "4 x 8"):
        assert f"\n{way} " in out, way


def test_memory_is_measured_in_a_process_of_its_own():
    args = parse_args(SMALL)
    assert network.measure_memory(args, "recognition", "with HFAM", 60) > 10


def test_a_section_that_does_not_exist(capsys):
    with pytest.raises(SystemExit):
        parse_args(["memory"])
    assert "no sections ['memory']" in capsys.readouterr().err
