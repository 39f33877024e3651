"""Several networks that read together, and averages of weights, on the device against the CPU."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace

import torch

from benchmarks.gpu.pair import GLOSSES, RATE, SAME, Pair, share
from benchmarks.gpu.section import Finding, check, check_below
from dataset.batch import Collate, Sample
from dataset.vocabulary import Vocabulary
from engine.moving_average import MovingAverage
from evaluation.ctm import CtmEntry
from evaluation.ensemble import Ensemble, list_views
from evaluation.inference.combine import CombinedNetwork, combine_recognisers
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.torch_network import TorchNetwork
from evaluation.recognise import recognise_clips
from slr_network import SLRModel, for_recognition

STEPS = 5  # of the moving average
STIRRED = 0.05  # how far weights are moved, as a share of themselves


def compare_combination(pair: Pair) -> Iterator[Finding]:
    """Compare two networks that read a clip and its mirror image together: as a recogniser, and in an evaluation."""
    found, expected = (combine(recogniser) for recogniser in pair.both)
    seen = expected.crop(pair.frames)
    note = "logits of two networks, each of which sees the mirrored clip too"
    yield check_below("several networks", share(found.network(seen), expected.network(seen)), SAME, note=note)
    read, wanted = (recogniser.recognise(pair.frames).glosses for recogniser in (found, expected))
    yield check("several networks, glosses", read == wanted, " ".join(read) or "none")
    entries, others = (evaluate(recogniser, pair) for recogniser in (found, expected))
    same = {head: [e.glosses for e in entries[head]] == [e.glosses for e in others[head]] for head in entries}
    count = sum(len(entry.words) for of_head in entries.values() for entry in of_head)
    yield check("several networks, evaluation", all(same.values()), f"{count} glosses", note="of both heads")


def combine(recogniser: Recogniser[TorchNetwork]) -> Recogniser[CombinedNetwork]:
    """A recogniser of a network and of another one, whose weights are stirred, and of mirrored clips."""
    model = copy.deepcopy(recogniser.network.model)
    stir(model, 0)
    other = replace(recogniser, network=TorchNetwork(model, recogniser.network.precision))
    return combine_recognisers({"one": recogniser, "other": other}, ["flip"])


def evaluate(recogniser: Recogniser[CombinedNetwork], pair: Pair) -> dict[str, list[CtmEntry]]:
    """Recognise two clips as an evaluation does, which decodes in a thread."""
    models = [network.model for network in recogniser.network.networks if isinstance(network, TorchNetwork)]
    size = recogniser.config.feeder_args.input_size
    networks = tuple(for_recognition(model, "fp32") for model in models)
    ensemble = Ensemble(networks, list_views([size] * len(networks), size, size, ["flip"]))
    seen = recogniser.crop(pair.frames)
    batch = Collate(ensemble.spec)([Sample("long", seen, ()), Sample("short", seen[: len(seen) // 2], ())])
    loader = [batch.pin_memory() if ensemble.device.type == "cuda" else batch]
    return recognise_clips(ensemble, loader, recogniser.decoder, Vocabulary(GLOSSES), 1 / RATE)  # type: ignore[arg-type]


def compare_average(pair: Pair) -> Iterator[Finding]:
    """Compare the moving average of weights that change in some steps."""
    found, expected = (compute_average(recogniser.network.model) for recogniser in pair.both)
    worst = max(
        float((found[name].cpu() - values).abs().max()) / max(float(values.abs().max()), 1e-6)
        for name, values in expected.items()
    )
    note = f"after {STEPS} steps; the largest difference of the largest weight"
    yield check_below("moving average", worst, SAME, note=note)


def compute_average(model: SLRModel) -> dict[str, torch.Tensor]:
    """The averaged weights and statistics of a copy of a network."""
    trained = copy.deepcopy(model).requires_grad_(True)
    average = MovingAverage(trained, 0.999)
    for step in range(STEPS):
        stir(trained, step)
        average.update(trained)
    return average.network.state_dict()


@torch.no_grad()
def stir(model: SLRModel, seed: int) -> None:
    """Move each weight a little, the same way on every device."""
    generator = torch.Generator().manual_seed(seed)
    for weight in model.parameters():
        weight.mul_((1 + STIRRED * torch.randn(weight.shape, generator=generator)).to(weight.device))
