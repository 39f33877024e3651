"""`python -m benchmarks.export`, on a small network."""

import numpy as np
import pytest
import torch

from benchmarks.export import measure, measure_seconds
from benchmarks.random_network import enliven
from dataset.vocabulary import Vocabulary
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.torch_network import TorchNetwork
from slr_network import build_model
from tests.helpers.config import tiny_config


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    torch.manual_seed(0)
    config = tiny_config(**{"model_args.hidden_size": 32})
    model = build_model(config.model_args, 5, pretrained=False)
    enliven(model, 64)
    return Recogniser(TorchNetwork(model.eval()), config, Vocabulary(["A", "B", "C", "D"]), 72)


def test_the_random_network_is_not_the_trivial_one_it_starts_as(recogniser):
    model = recogniser.network.model
    assert (model.conv2d.alpha != 0).all()
    assert (model.conv1d.temporal_conv[1].predictor[2].weight != 0).all()
    assert (model.conv2d.bn1.running_mean != 0).all()
    logits = recogniser.network(np.zeros((9, 3, 64, 64), np.uint8))
    assert 0.01 < np.abs(logits).max() < 100


def test_a_line_for_pytorch_and_each_format(recogniser):
    rows = measure(recogniser, frames=6, repeats=2, names=["torchscript"])
    assert [row[0] for row in rows] == ["PyTorch", "torchscript"]
    assert float(rows[1][1]) > 1
    assert float(rows[1][2]) < 1e-5
    assert all(row[4].endswith(" s") and row[5].endswith(" s") for row in rows)


def test_the_first_reading_is_not_counted():
    clips = []
    assert len(measure_seconds(clips.append, np.zeros(1), 3)) == 3
    assert len(clips) == 4
