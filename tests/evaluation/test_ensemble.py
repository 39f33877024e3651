"""Several networks and the mirrored clip read together: what each sees, and what becomes of what it gives."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from config.sections import FeederArgs
from dataset.batch import Collate, Sample
from dataset.transforms import Plan, Transform
from dataset.vocabulary import Vocabulary
from evaluation.calibration import ClipMeasures
from evaluation.ctc.posteriors import RecognitionError
from evaluation.decode import BeamDecoder, decode_members
from evaluation.ensemble import Ensemble, View, describe_weights, list_views
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


def test_what_each_network_gives_stands_side_by_side_head_by_head():
    one = Stub(logs([0.5, 0.25, 0.25], [0.8, 0.1, 0.1]))
    two = Stub(logs([0.1, 0.8, 0.1], [0.2, 0.2, 0.6]), logs([0.25, 0.25, 0.5], [0.6, 0.2, 0.2]))
    output = Ensemble((one, two), (WHOLE, View(1, 0, 64)))(torch.zeros(1, 16, 3, 64, 64), torch.tensor([8]))
    for head in ("sequence_logits", "conv_logits"):
        members = [getattr(network.output, head) for network in (one, two)]
        assert torch.equal(getattr(output, head), torch.stack(members))  # (M, T', B, V)
    assert not torch.equal(output.sequence_logits, output.conv_logits)
    assert output.lengths.tolist() == [2]


def test_the_heads_of_all_networks_are_combined_each_by_itself():
    """By hand: each network has its gloss on a step of its own, which the mean of posteriors would delete."""
    gap, high, low = [0.98, 0.001, 0.019], [0.45, 0.54, 0.01], [0.45, 0.01, 0.54]
    one = Stub(logs(gap, high, gap, gap, gap), logs(gap, low, gap, gap, gap))
    two = Stub(logs(gap, gap, gap, high, gap), logs(gap, gap, gap, low, gap))
    batch = Collate(TemporalSpec())([Sample("clip", np.zeros((20, 3, 64, 64), np.uint8), ())])
    found = recognise(Ensemble((one, two), (WHOLE, View(1, 0, 64))), batch)
    assert {head: entries[0].glosses for head, entries in found.items()} == {"sequence": ("A",), "conv": ("B",)}
    (word,) = found["sequence"][0].words
    # In the mean of both it has the steps 1 and 3 without the blank, and so the one between; a step is four frames.
    assert (word.start, word.duration) == pytest.approx((4 * 0.04, 12 * 0.04))


def test_the_energy_is_that_of_the_first_network_for_the_clip_as_it_is(networks, batch):
    measures = {order: ClipMeasures() for order in ((0, 1), (1, 0))}
    for order, of_order in measures.items():
        both = Ensemble(tuple(networks[number] for number in order), list_views([64, 64], 64, 64, ["flip"]))
        recognise(both, batch, measures=of_order)
        alone = ClipMeasures()
        recognise(networks[order[0]], batch, measures=alone)
        assert of_order.energies == pytest.approx(alone.energies, abs=1e-5)
        assert of_order.motions == alone.motions
    assert measures[0, 1].energies != pytest.approx(measures[1, 0].energies, abs=1e-2)


def test_half_precision_is_combined_in_float32():
    """Steps in half precision sum to one only nearly, which a decoder refuses."""
    one = Stub(np.random.default_rng(0).normal(0, 3, (5, 3)).tolist())
    one.output = SLROutput(*[one.output.sequence_logits.bfloat16()] * 2, None, one.output.lengths)
    batch = Collate(TemporalSpec())([Sample("clip", np.zeros((20, 3, 64, 64), np.uint8), ())])
    ensemble = Ensemble((one, one), (WHOLE, View(1, 0, 64)))
    assert ensemble(batch.video, batch.lengths).sequence_logits.dtype == torch.float32
    assert recognise(ensemble, batch)["sequence"][0].glosses == recognise(one, batch)["sequence"][0].glosses


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
def test_networks_of_several_systems_each_give_what_they_give_alone(networks, batch):
    output = Ensemble(tuple(networks), list_views([64] * 3, 64, 64, ["flip"]))(batch.video, batch.lengths)
    for head in ("sequence_logits", "conv_logits"):
        expected = torch.stack([
            getattr(network(video, batch.lengths), head)
            for network in networks
            for video in (batch.video, batch.video.flip(-1))
        ])  # fmt: skip
        assert torch.allclose(getattr(output, head), expected, atol=1e-6)


def recognise(network, *batches, measures=None, width=5):
    vocabulary = Vocabulary(["A", "B", "C", "D"])
    return recognise_clips(network, batches, BeamDecoder(width), vocabulary, 0.04, measures=measures)


@torch.inference_mode()
def test_clips_of_several_lengths_are_each_decoded_from_all_networks(networks, batch):
    both = Ensemble(tuple(networks[:2]), list_views([64, 64], 64, 64, ["flip"]))
    output, found = both(batch.video, batch.lengths), recognise(both, batch)
    assert len(set(output.lengths.tolist())) == 2
    for head, logits in (("sequence", output.sequence_logits), ("conv", output.conv_logits)):
        for clip, steps in enumerate(output.lengths.tolist()):
            own = logits[:, :steps, clip].softmax(-1).numpy()  # (M, T', V)
            best = decode_members(BeamDecoder(5), own[:, None], np.array([steps]))[0][0]
            assert found[head][clip].glosses == tuple("ABCD"[token - 1] for token in best.tokens)
            assert [word.confidence for word in found[head][clip].words] == pytest.approx(best.confidences, abs=1e-5)


def test_a_network_twice_is_that_network(networks, batch):
    """Words and times are the same, confidences within rounding where the beam is so wide that it drops no path."""
    expected = recognise(networks[0], batch, width=1000)
    got = recognise(Ensemble((networks[0],) * 2, list_views([64, 64], 64, 64)), batch, width=1000)
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


def test_a_mirrored_clip_reads_as_the_clip_does(networks, batch):
    """Both views count as much, so a mirrored batch gives the same words at the same times."""
    both = Ensemble((networks[0],), list_views([64], 64, 64, ["flip"]))
    mirrored = SimpleNamespace(**vars(batch) | {"video": batch.video.flip(-1)})
    mirrored.to = lambda device: mirrored
    expected, got = recognise(both, batch), recognise(both, mirrored)
    words = [[word for entry in found["sequence"] for word in entry.words] for found in (expected, got)]
    assert [word[:3] for word in words[0]] == [word[:3] for word in words[1]]
    plain = recognise(networks[0], batch), recognise(networks[0], mirrored)
    assert plain[0] != plain[1]


def test_the_mirrored_view_alone_reads_what_the_network_reads_in_a_mirrored_clip(networks, batch):
    mirrored = SimpleNamespace(**vars(batch) | {"video": batch.video.flip(-1)})
    mirrored.to = lambda device: mirrored
    expected, got = recognise(networks[0], mirrored), recognise(Ensemble((networks[0],), (MIRRORED,)), batch)
    for head, entries in expected.items():
        assert [entry.glosses for entry in got[head]] == [entry.glosses for entry in entries]


def test_a_network_that_gives_no_numbers_spoils_nothing_silently(networks, batch):
    broken = Stub([[float("nan")] * 5] * 4)
    broken.output = SLROutput(*[torch.full((4, 2, 5), torch.nan)] * 2, None, torch.tensor([3, 4]))
    with pytest.raises(RecognitionError, match="not finite for clip0, clip1"):
        recognise(Ensemble((networks[0], broken), list_views([64, 64], 64, 64)), batch)


def test_what_is_evaluated_in_words():
    assert describe_weights(["a.pt"]) == "a.pt"
    assert describe_weights(["a.pt"], ["flip"]) == "a.pt (hypotheses combined, of each clip as it is and mirrored)"
    assert describe_weights(["a.pt", "b.pt"]) == "a.pt, b.pt (hypotheses combined)"
