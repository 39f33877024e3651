"""Padded lengths that are rounded up: of what training computes, BatchNorm's batch statistics alone notice."""

import numpy as np
import pytest
import torch

from config.load import ConfigError, load_config, read_stored_config, to_dict
from dataset.batch import Collate, Sample
from dataset.features import FeatureSample, collate_features
from engine.pad_to import settle_pad_to
from engine.resume import list_changed_settings
from engine.resumed_config import load_training_config
from modules.batch_norm import find_batch_norms
from modules.losses import SLRCriterion
from tests.helpers.config import tiny_config
from tests.helpers.loading import build_loader, load_manifest, load_vocabulary
from tests.helpers.network import enliven, tiny_network
from utils.checkpoint import save_checkpoint
from utils.temporal import TemporalSpec, round_up

WEIGHTS = {"SeqCTC": 1.0, "ConvCTC": 1.0, "AuxCTC": 1.0, "Dist": 25.0, "Cu": 0.1, "Cp": 0.1}


def make_samples() -> list[Sample]:
    """Clips of 13 and 6 frames, 28 and 20 with padding."""
    rng = np.random.default_rng(0)
    clips = [rng.integers(0, 256, (frames, 3, 64, 64), np.uint8) for frames in (13, 6)]
    return [Sample("a", clips[0], (1, 2)), Sample("b", clips[1], (3,))]


def test_rounding_up_by_hand():
    assert [round_up(28, multiple) for multiple in (0, 1, 14, 16, 32)] == [28, 28, 28, 32, 32]


def test_a_batch_goes_on_with_each_clips_last_frame():
    shortest, longer = (Collate(TemporalSpec(), pad_to)(make_samples()) for pad_to in (0, 16))
    assert (shortest.video.shape[1], longer.video.shape[1]) == (28, 32)
    assert torch.equal(longer.video[:, :28], shortest.video)
    assert torch.equal(longer.video[:, 28:], shortest.video[:, 27:].expand(-1, 4, 3, 64, 64))
    assert torch.equal(longer.lengths, shortest.lengths)


def test_features_go_on_with_zeros():
    samples = [FeatureSample("a", np.ones((28, 4), np.float32), 13, (1,))]
    video = collate_features(samples, 32).video  # (1, 32, 4)
    assert video[0].sum(1).tolist() == [4.0] * 28 + [0.0] * 4


def run_step(network, samples, pad_to):
    """Output, loss terms and gradients of a step."""
    batch = Collate(network.spec, pad_to)(samples)
    network.zero_grad()
    output = network(batch.video, batch.lengths)
    weights = WEIGHTS if output.scale_logits else WEIGHTS | {"AuxCTC": 0.0}
    if output.lift_norms is None:
        weights = weights | {"Cu": 0.0, "Cp": 0.0}
    terms = SLRCriterion(weights)(output, batch.targets, batch.target_lengths)
    terms["total"].backward()
    gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
    return output, terms, gradients


def largest_difference(one, other, lengths):
    """Of the logits (T', B, V) of steps that clips have."""
    inside = torch.arange(min(len(one), len(other)))[:, None] < lengths  # (T', B)
    return (one[: len(inside)] - other[: len(inside)])[inside].abs().max()


@pytest.mark.parametrize("parts", [{}, {"fusion": "correlation", "pooling": "max", "hfam": False}], ids=["stf", "corr"])
def test_a_step_is_the_same_where_batch_norm_does_not_look_at_the_batch(parts):
    torch.manual_seed(0)
    network = enliven(tiny_network(dropout=0.0, **parts)).double().train()
    for norm in find_batch_norms([network]):
        norm.eval()
    (output, terms, gradients), (longer, same, others) = (run_step(network, make_samples(), n) for n in (0, 44))
    assert len(longer.sequence_logits) > len(output.sequence_logits)
    pairs = [(output.sequence_logits, longer.sequence_logits), (output.conv_logits, longer.conv_logits)]
    pairs += zip(output.scale_logits or (), longer.scale_logits or (), strict=True)
    assert max(largest_difference(one, other, output.lengths) for one, other in pairs) < 1e-9
    for name, term in terms.items():
        assert same[name].item() == pytest.approx(term.item(), rel=1e-9), name
    for one, other in zip(gradients, others, strict=True):
        assert (one - other).abs().max() <= 1e-9 * (1 + one.abs().max())


def test_batch_norm_counts_added_frames_as_it_counts_other_padding():
    torch.manual_seed(0)
    network = enliven(tiny_network(dropout=0.0)).double().train()
    network.conv2d.conv1.weight.requires_grad_(False)
    (_, terms, _), (_, others, _) = (run_step(network, make_samples(), pad_to) for pad_to in (0, 44))
    assert others["SeqCTC"].item() != pytest.approx(terms["SeqCTC"].item(), rel=1e-6)


@pytest.mark.parametrize("bucket", [True, False])
def test_training_batches_are_rounded_up_and_those_of_evaluation_are_not(prepared, bucket):
    config = tiny_config(prepared, **{"feeder_args.pad_to": 32, "feeder_args.bucket": bucket})
    manifest, vocabulary = load_manifest(config, "train"), load_vocabulary(config)
    training, evaluation = (list(build_loader(config, manifest, vocabulary, of)) for of in (True, False))
    plain = list(build_loader(tiny_config(prepared, **{"feeder_args.bucket": bucket}), manifest, vocabulary, True))
    spec = TemporalSpec()
    for batch, before in zip(training, plain, strict=True):
        assert batch.ids == before.ids  # bucketing and augmentation draw what they drew
        assert torch.equal(batch.lengths, before.lengths)
        assert batch.video.shape[1] == round_up(before.video.shape[1], 32)
    assert any(batch.video.shape[1] != before.video.shape[1] for batch, before in zip(training, plain, strict=True))
    assert [batch.video.shape[1] for batch in evaluation] == [
        spec.padded_length(int(batch.lengths.max())) for batch in evaluation
    ]


def test_auto_is_a_number_on_cuda_alone_and_only_where_padding_is_masked():
    asked = tiny_config(**{"feeder_args.pad_to": "auto"})
    unmasked = tiny_config(**{"feeder_args.pad_to": "auto", "model_args.mask_padding": False})
    forced = tiny_config(**{"feeder_args.pad_to": 16})
    for config, device, number in (
        (asked, "cuda:1", 32), (asked, "cpu", 0), (asked, "mps", 0), (unmasked, "cuda:0", 0), (forced, "cpu", 16),
    ):  # fmt: skip
        assert settle_pad_to(config, torch.device(device)).feeder_args.pad_to == number


def test_what_is_given_is_a_number_or_auto():
    assert load_config(None, {"feeder_args.pad_to": "32"})[0].feeder_args.pad_to == 32
    assert load_config(None, {})[0].feeder_args.pad_to == "auto"
    for given, message in (
        ("aut", "feeder_args.pad_to: 'aut' is not allowed: a whole number or auto is needed"),
        (2.5, "feeder_args.pad_to: 2.5 is not allowed: a whole number or auto is needed"),
        (None, "feeder_args.pad_to: None is not allowed: a whole number or auto is needed"),
        (-1, "feeder_args.pad_to: -1 is not allowed"),
        (True, "feeder_args.pad_to: true is no number"),
    ):
        with pytest.raises(ConfigError, match=message) as error:
            load_config(None, {"feeder_args.pad_to": given})
        assert "1 mistake" in str(error.value)


def test_frames_that_are_not_masked_are_not_added():
    wrong = {"feeder_args.pad_to": 32, "model_args.mask_padding": False}
    with pytest.raises(ConfigError, match="pad_to is 32, and added frames must be masked: set"):
        load_config(None, wrong)
    load_config(None, wrong | {"phase": "test", "load_weights": "best.pt"})  # a trained network is tested in both ways


def test_checkpoints_from_before_it_added_no_frames():
    held = to_dict(load_config(None, {})[0])
    del held["feeder_args"]["pad_to"]
    config = read_stored_config({"config": held}, "last.pt")
    assert config.feeder_args.pad_to == 0
    stored = to_dict(load_config(None, {"feeder_args.pad_to": 8})[0])
    assert read_stored_config({"config": stored}, "last.pt").feeder_args.pad_to == 8


@pytest.mark.parametrize(("kept", "in_file"), [(0, ""), (32, "feeder_args: {pad_to: auto}\n"), (None, "")])
def test_auto_goes_on_with_what_it_was(tmp_path, kept, in_file):
    held = to_dict(load_config(None, {"feeder_args.pad_to": kept or 0})[0])
    if kept is None:
        del held["feeder_args"]["pad_to"]
    save_checkpoint(tmp_path / "last.pt", {"config": held, "precision": "fp32"})
    file = tmp_path / "own.yaml"
    file.write_text(f"dataset: phoenix2014\n{in_file}", encoding="utf-8")
    config, notes = load_training_config(file, {"load_checkpoints": str(tmp_path / "last.pt"), "device": "cpu"})
    assert config.feeder_args.pad_to == (kept or 0)
    assert any("pad_to" in note for note in notes) == (kept == 32)  # the CPU's own choice needs no line


def test_it_decides_what_is_learnt():
    before, after = {"feeder_args": {"pad_to": 0}}, {"feeder_args": {"pad_to": 32}}
    assert list_changed_settings(before, after) == ["feeder_args.pad_to: 0 -> 32"]
