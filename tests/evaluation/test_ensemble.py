"""Averaging the posteriors of several networks and of the mirrored clip, against averages worked out by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from config.sections import FeederArgs
from dataset.batch import Collate, Sample
from dataset.transforms import Plan, Transform
from dataset.vocabulary import Vocabulary
from evaluation.calibration import ClipMeasures, measure_energy
from evaluation.ctc.posteriors import RecognitionError
from evaluation.decode import BeamDecoder
from evaluation.ensemble import Ensemble, View, average_logits, describe_weights, list_views
from evaluation.recognise import recognise_clips
from modules.output import SLROutput
from slr_network import for_recognition
from tests.helpers.network import enliven, tiny_network
from utils.temporal import TemporalSpec

WHOLE, MIRRORED = View(0, 0, 64), View(0, 0, 64, mirrored=True)


class Stub:
    """A network that gives these logits of its two heads, and keeps the videos that it was given."""

    device, spec = torch.device("cpu"), TemporalSpec()

    def __init__(self, sequence, conv=None) -> None:
        heads = (torch.tensor(logits)[:, None] for logits in (sequence, conv or sequence))  # (T', 1, V)
        self.output, self.seen = SLROutput(*heads, None, torch.tensor([len(sequence)])), []

    def __call__(self, video, lengths) -> SLROutput:
        self.seen.append(video)
        return self.output


def logs(*rows):
    return [[float(np.log(p)) for p in row] for row in rows]


def test_the_average_is_that_of_probabilities_step_by_step_and_head_by_head():
    # Logits may be shifted: a network's are no logarithms of probabilities.
    one = Stub([[value + 3 for value in row] for row in logs([0.5, 0.25, 0.25], [0.8, 0.1, 0.1])])
    two = Stub(logs([0.1, 0.8, 0.1], [0.2, 0.2, 0.6]), logs([0.25, 0.25, 0.5], [0.6, 0.2, 0.2]))
    output = Ensemble((one, two), (WHOLE, View(1, 0, 64)))(torch.zeros(1, 16, 3, 64, 64), torch.tensor([8]))
    by_hand = torch.tensor([[0.3, 0.525, 0.175], [0.5, 0.15, 0.35]])
    assert torch.allclose(output.sequence_logits.softmax(-1)[:, 0], by_hand, atol=1e-6)
    by_hand = torch.tensor([[0.375, 0.25, 0.375], [0.7, 0.15, 0.15]])
    assert torch.allclose(output.conv_logits.softmax(-1)[:, 0], by_hand, atol=1e-6)
    assert output.lengths.tolist() == [2]


def test_the_mean_is_not_that_of_logits_whose_most_probable_class_may_be_another():
    one, two = torch.tensor(logs([0.98, 0.01, 0.01])), torch.tensor(logs([0.001, 0.499, 0.5]))
    assert average_logits([one, two]).argmax() == 0  # 0.4905, 0.2545, 0.255
    assert (one + two).argmax() == 2


def test_the_energy_is_that_of_the_first_network_for_the_clip_as_it_is():
    parts = [torch.randn(7, 2, 5) * 4, torch.randn(7, 2, 5), torch.randn(7, 2, 5) + 9]
    average = average_logits(parts)
    for clip in (0, 1):
        own = measure_energy(parts[0][:, clip].numpy())
        assert measure_energy(average[:, clip].numpy()) == pytest.approx(own, abs=1e-5)
    assert measure_energy(average_logits(parts[1:])[:, 0].numpy()) != pytest.approx(own, abs=0.5)


def test_posteriors_far_from_one_do_not_vanish():
    """-200 is zero as a probability in float32: the logarithm of a mean of probabilities would be infinite."""
    average = average_logits([torch.tensor([[0.0, -200.0]]), torch.tensor([[0.0, -210.0]])])
    assert average[0, 1] - average[0, 0] == pytest.approx(-200 - np.log(2) + np.log1p(np.exp(-10)), abs=1e-3)


def test_half_precision_is_averaged_in_float32():
    parts = [torch.randn(3, 1, 5, dtype=torch.bfloat16) for _ in range(2)]
    assert average_logits(parts).dtype == torch.float32
    mean = torch.stack([part.float().softmax(-1) for part in parts]).mean(0)
    assert torch.allclose(average_logits(parts).softmax(-1), mean, atol=1e-6)


def test_the_mirrored_clip_is_that_of_the_training():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (3, 75, 75, 3), np.uint8)
    transform = Transform(FeederArgs(input_size=64), 75, training=True)
    plan = Plan((0, 1, 2), 75, 5, 5, flip=False)
    crop = transform.apply(frames, plan)
    mirrored = transform.apply(frames, Plan((0, 1, 2), 75, 5, 5, flip=True))
    (as_it_is, flipped) = list_views([64], 64, 75, ["flip"])
    assert (as_it_is.mirrored, flipped.mirrored) == (False, True)
    assert np.array_equal(as_it_is.apply(torch.from_numpy(crop)).numpy(), crop)
    assert np.array_equal(flipped.apply(torch.from_numpy(crop)).numpy(), mirrored)
    assert flipped.apply(torch.from_numpy(crop)).dtype == torch.uint8


@pytest.mark.parametrize("size", [75, 76, 256])
def test_each_network_finds_its_own_crop_in_the_largest_one(size):
    frames = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), np.uint8)
    sides = (64, 71, 67)
    crops = {}
    for side in sides:
        transform = Transform(FeederArgs(input_size=side), size, training=False)
        crops[side] = transform.apply(frames, transform.plan(1, np.random.default_rng()))
    for view in list_views(sides, 71, size, ["flip"]):
        own = crops[sides[view.network]]
        seen = view.apply(torch.from_numpy(crops[71])).numpy()
        assert np.array_equal(seen, own[..., ::-1] if view.mirrored else own)
    assert [(view.network, view.mirrored) for view in list_views(sides, 71, size, ["flip"])] == [
        (number, mirrored) for number in range(3) for mirrored in (False, True)
    ]


def test_features_are_given_as_they_are():
    features = torch.randn(1, 16, 128)
    one, two = Stub(logs([0.5, 0.5])), Stub(logs([0.5, 0.5]))
    Ensemble((one, two), list_views([64, 64], 64, 72))(features, torch.tensor([4]))
    assert one.seen[0] is features
    assert two.seen[0] is features


@pytest.fixture(scope="module")
def networks() -> list:
    made = []
    for seed, switches in ((1, {}), (2, {"fusion": "correlation", "hfam": False}), (3, {"backbone": "resnet34"})):
        torch.manual_seed(seed)
        made.append(for_recognition(enliven(tiny_network(5, **switches)), "fp32"))
    return made


@pytest.fixture(scope="module")
def batch(networks):
    rng = np.random.default_rng(0)
    clips = (rng.integers(0, 256, (frames, 3, 64, 64), np.uint8) for frames in (9, 14))
    return Collate(networks[0].spec)([Sample(f"clip{n}", clip, ()) for n, clip in enumerate(clips)])


@torch.inference_mode()
def test_networks_of_several_systems_give_the_mean_of_what_each_gives(networks, batch):
    output = Ensemble(tuple(networks), list_views([64] * 3, 64, 64, ["flip"]))(batch.video, batch.lengths)
    for head in ("sequence_logits", "conv_logits"):
        expected = torch.stack([
            getattr(network(video, batch.lengths), head).softmax(-1)
            for network in networks
            for video in (batch.video, batch.video.flip(-1))
        ]).mean(0)  # fmt: skip
        assert torch.allclose(getattr(output, head).softmax(-1), expected, atol=1e-6)


def recognise(network, *batches, measures=None):
    return recognise_clips(network, batches, BeamDecoder(5), Vocabulary(["A", "B", "C", "D"]), 0.04, measures=measures)


def test_a_network_twice_is_that_network(networks, batch):
    """Words and times are the same, confidences within rounding; so are energies and motions."""
    alone, together = ClipMeasures(), ClipMeasures()
    expected = recognise(networks[0], batch, measures=alone)
    got = recognise(Ensemble((networks[0],) * 2, list_views([64, 64], 64, 64)), batch, measures=together)
    for head, entries in expected.items():
        assert any(entry.words for entry in entries)
        assert [entry.glosses for entry in got[head]] == [entry.glosses for entry in entries]
        for word, own in zip(
            [word for entry in got[head] for word in entry.words],
            [word for entry in entries for word in entry.words],
            strict=True,
        ):
            assert word[1:3] == own[1:3]
            assert word.confidence == pytest.approx(own.confidence, abs=1e-5)
    assert together.energies == pytest.approx(alone.energies, abs=1e-4)
    assert together.motions == alone.motions


def test_a_mirrored_clip_reads_as_the_clip_does(networks, batch):
    """The mean over both has no preference for either, so a mirrored batch gives the same words."""
    both = Ensemble((networks[0],), list_views([64], 64, 64, ["flip"]))
    mirrored = SimpleNamespace(**vars(batch) | {"video": batch.video.flip(-1)})
    mirrored.to = lambda device: mirrored
    expected, got = recognise(both, batch), recognise(both, mirrored)
    assert [e.glosses for e in got["sequence"]] == [e.glosses for e in expected["sequence"]]
    plain = recognise(networks[0], batch), recognise(networks[0], mirrored)
    assert plain[0] != plain[1]


def test_the_mirrored_view_alone_reads_what_the_network_reads_in_a_mirrored_clip(networks, batch):
    mirrored = SimpleNamespace(**vars(batch) | {"video": batch.video.flip(-1)})
    mirrored.to = lambda device: mirrored
    expected, got = recognise(networks[0], mirrored), recognise(Ensemble((networks[0],), (MIRRORED,)), batch)
    for head, entries in expected.items():
        assert [entry.glosses for entry in got[head]] == [entry.glosses for entry in entries]


def test_a_network_that_gives_no_numbers_spoils_no_average_silently(networks, batch):
    broken = Stub([[float("nan")] * 5] * 4)
    broken.output = SLROutput(*[torch.full((4, 2, 5), torch.nan)] * 2, None, torch.tensor([3, 4]))
    with pytest.raises(RecognitionError, match="not finite for clip0, clip1"):
        recognise(Ensemble((networks[0], broken), list_views([64, 64], 64, 64)), batch)


def test_what_is_evaluated_in_words():
    assert describe_weights(["a.pt"]) == "a.pt"
    assert describe_weights(["a.pt"], ["flip"]) == "a.pt (posteriors averaged, of each clip as it is and mirrored)"
    assert describe_weights(["a.pt", "b.pt"]) == "a.pt, b.pt (posteriors averaged)"
