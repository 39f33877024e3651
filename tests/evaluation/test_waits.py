"""Recognition, features and heat maps on a simulated GPU: nothing mixes devices, and they give what the CPU gives."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from dataset.batch import Batch, Collate, Sample
from dataset.features import feature_file, read_features
from dataset.vocabulary import Vocabulary
from engine.features import _extract_split
from evaluation.decode import make_decoder
from evaluation.ensemble import Ensemble, list_views
from evaluation.heat.gradcam import trace_layer
from evaluation.heat.request import METHODS
from evaluation.recognise import recognise_clips
from slr_network import SLRModel, for_recognition
from tests.helpers.family import draw_clips
from tests.helpers.network import enliven, tiny_network
from tests.helpers.simulated_cuda import CUDA, SimulatedCuda, move
from utils import cpu_copy

VOCABULARY = Vocabulary(["A", "B", "C", "D"])
FUSIONS = {"stf": {}, "correlation": {"fusion": "correlation"}, "neither": {"fusion": "none", "pooling": "max"}}


@pytest.fixture
def cuda():
    with SimulatedCuda() as device:
        yield device


def network(**switches) -> SLRModel:
    torch.manual_seed(0)
    return enliven(tiny_network(5, hidden_size=32, **switches)).eval()


def combine(one: SLRModel, other: SLRModel) -> Ensemble:
    """Both networks, each of which sees mirrored clips too."""
    return Ensemble((one, for_recognition(other, "fp32")), list_views([64, 64], 64, 64, ["flip"]))


def draw_batches(*batches: list[int]) -> list[Batch]:
    """Batches of clips of these lengths, each with a frame that comes twice, as the loader pins them."""
    drawn = []
    for number, lengths in enumerate(batches):
        video = draw_clips(lengths)
        video[:, 10] = video[:, 9]
        ids = tuple(f"clip{number}{index}" for index in range(len(lengths)))
        none = torch.zeros(len(lengths), dtype=torch.long)
        drawn.append(Batch(ids, video, torch.tensor(lengths), none[:0], none).pin_memory())
    return drawn


@pytest.mark.parametrize("switches", FUSIONS.values(), ids=FUSIONS)
@pytest.mark.parametrize("combined", [False, True])
def test_recognition_gives_what_the_cpu_gives_and_waits_once_a_batch(cuda, monkeypatch, switches, combined):
    arrival = SimpleNamespace(wait=lambda: cuda.note("a copy has arrived"))
    monkeypatch.setattr(cpu_copy, "mark_place", lambda device: arrival)
    batches, decoder = draw_batches([21, 9], [12]), make_decoder("builtin", "beam", 5)
    here, there = for_recognition(network(**switches), "fp32"), for_recognition(move(network(**switches)), "fp32")
    if combined:
        here, there = combine(here, network()), combine(there, move(network()))
    on_cpu = recognise_clips(here, batches, decoder, VOCABULARY, 0.04)
    with cuda.counting() as waits:
        entries = recognise_clips(there, batches, decoder, VOCABULARY, 0.04)
    assert any(entry.words for entry in entries["sequence"])
    for head, expected in on_cpu.items():
        assert [entry.id for entry in entries[head]] == [entry.id for entry in expected]
        assert [entry.glosses for entry in entries[head]] == [entry.glosses for entry in expected]
    assert waits == {"tests/evaluation/test_waits.py <lambda>: a copy has arrived": len(batches)}


def test_features_are_those_of_the_cpu_and_waited_for_once_a_batch(cuda, tmp_path):
    batches = draw_batches([21, 9], [12])
    model = network()
    _extract_split(for_recognition(model, "fp32"), batches, tmp_path / "cpu", "dev", torch.device("cpu"))
    with cuda.counting() as waits:
        _extract_split(for_recognition(move(model), "fp32"), batches, tmp_path / "cuda", "dev", CUDA)
    for batch in batches:
        for clip in batch.ids:
            expected, frames = read_features(feature_file(tmp_path / "cpu", "dev", clip))
            features, same = read_features(feature_file(tmp_path / "cuda", "dev", clip))
            assert frames == same
            assert abs(features - expected).max() < 1e-5
    assert waits == {"engine/features.py _extract_split: copied to the CPU": len(batches)}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("layer", ["layer2", "stf2", "corr2"])
def test_heat_is_that_of_the_cpu_and_waited_for_once(cuda, method, layer):
    switches = {"fusion": "correlation"} if layer == "corr2" else {}
    frames = draw_clips([9])[0].numpy()
    batch = Collate(network().spec)([Sample("", frames, ())])
    expected = trace_layer(network(**switches), batch, layer).compute_heat(1, (0, 2), method)
    model = move(network(**switches))
    with cuda.counting() as waits:
        trace = trace_layer(model, batch.pin_memory().to(CUDA), layer)
        heat = trace.compute_heat(1, (0, 2), method)
    assert abs(heat - expected).max() < 1e-5 * expected.max()
    assert waits == {"evaluation/heat/gradcam.py compute_heat: copied to the CPU": 1}
