"""BatchNorm's statistics that are estimated anew are those of the training's batches."""

from __future__ import annotations

import pytest
import torch

from dataset.manifest import Manifest
from dataset.vocabulary import Vocabulary
from engine.norm_statistics import choose_clips, estimate_statistics
from modules.batch_norm import find_batch_norms
from slr_network import build_model
from tests.helpers.config import tiny_config


def build(config):
    torch.manual_seed(0)
    model = build_model(config.model_args, 7, pretrained=False)
    for norm in find_batch_norms([model]):
        norm.running_mean.fill_(5.0)
        norm.num_batches_tracked.fill_(100)
    return model


def estimate(prepared, most=5, **changes):
    """A network with its new statistics; by layer, what a direct computation gives, and how often it ran."""
    config = tiny_config(prepared, **changes)
    clips = choose_clips(Manifest.load(prepared / "train.json"), config, most)
    model, seen = build(config), {}

    def note(norm, inputs):
        values = inputs[0].detach().double().transpose(0, 1).flatten(1)  # (C, N * ...)
        seen.setdefault(norm, []).append((values.mean(1), values.var(1, unbiased=True)))

    norms = find_batch_norms([model])
    for norm in norms:
        norm.register_forward_pre_hook(note)
    estimate_statistics(model, config, clips, Vocabulary.load(prepared / "gloss_dict.txt"))
    assert not model.training
    direct = {norm: [torch.stack(part).mean(0) for part in zip(*own, strict=True)] for norm, own in seen.items()}
    return model, direct, {norm: len(own) for norm, own in seen.items()}


def test_statistics_are_the_mean_over_batches(prepared):
    model, direct, calls = estimate(prepared)
    norms = find_batch_norms([model])
    assert set(norms) == set(direct)  # HFAM's too
    for norm in norms:
        mean, variance = direct[norm]
        torch.testing.assert_close(norm.running_mean.double(), mean, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(norm.running_var.double(), variance, rtol=1e-3, atol=1e-6)
        assert norm.num_batches_tracked == calls[norm]
        assert norm.momentum == 0.1
    assert calls[model.conv2d.bn1] == 3  # five clips in batches of two
    again = estimate(prepared)[0]
    for name, values in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], values), name


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"freeze_bn": True, "load_weights": "x.pt"}, "conv2d."),
        ({"loss_weights.AuxCTC": 0}, "HFEAM."),
    ],
)
def test_what_a_training_freezes_keeps_its_statistics(prepared, changes, kept):
    model, _, calls = estimate(prepared, **changes)
    found = {name: norm for name, norm in model.named_modules() if norm in find_batch_norms([model])}
    for name, norm in found.items():
        assert (norm.running_mean == 5.0).all() == name.startswith(kept), name
        assert norm.num_batches_tracked == (100 if name.startswith(kept) else calls[norm]), name


def test_clips_are_drawn_once_and_no_more_than_there_are(prepared):
    config, clips = tiny_config(prepared), Manifest.load(prepared / "train.json")
    some = choose_clips(clips, config, 3).clips
    assert len({clip.id for clip in some}) == 3
    assert some == choose_clips(clips, config, 3).clips
    assert choose_clips(clips, config, 100).clips == clips.clips
