import pytest
import torch

from config.sections import ModelArgs
from slr_network import SLRModel, build_model, for_recognition, fuse_for_inference
from tests.helpers.needs import needs_compiler
from tests.helpers.network import enliven, tiny_network
from utils.temporal import TemporalSpec

SIZE = 64


def small(**changes) -> SLRModel:
    torch.manual_seed(0)
    return enliven(tiny_network(7, **{"hidden_size": 32, "dropout": 0.0} | changes))


def batch_of(lengths: list[int], size: int = SIZE, conv_type: int = 2) -> torch.Tensor:
    """Random clips, padded as the loader pads them."""
    spec = TemporalSpec(conv_type)
    generator = torch.Generator().manual_seed(1)
    total = max(spec.padded_length(n) for n in lengths)
    clips = [torch.randint(0, 256, (n, 3, size, size), generator=generator, dtype=torch.uint8) for n in lengths]
    return torch.stack([clip[spec.pad(len(clip), total)] for clip in clips])


def alone(video: torch.Tensor, b: int, length: int, conv_type: int = 2) -> torch.Tensor:
    return video[b : b + 1, : TemporalSpec(conv_type).padded_length(length)]


@pytest.mark.parametrize("conv_type", [0, 1, 2])
@pytest.mark.parametrize("share_heads", [True, False])
def test_a_clip_gives_the_same_in_any_batch(conv_type, share_heads):
    model = small(conv_type=conv_type, share_heads=share_heads).eval()
    lengths = [23, 9, 1, 16]
    video = batch_of(lengths, conv_type=conv_type)
    with torch.inference_mode():
        together = model(video, torch.tensor(lengths), with_scales=True)
        for b, length in enumerate(lengths):
            single = model(alone(video, b, length, conv_type), torch.tensor([length]), with_scales=True)
            steps = int(single.lengths)
            assert steps == int(together.lengths[b])
            heads = [(together.sequence_logits, single.sequence_logits), (together.conv_logits, single.conv_logits)]
            heads += list(zip(together.scale_logits, single.scale_logits, strict=True))
            for many, one in heads:
                assert (many[:steps, b] - one[:, 0]).abs().max() < 1e-4 * one.abs().max()


def test_unmasked_results_do_change_with_the_batch():
    model = small(mask_padding=False).eval()
    video = batch_of([40, 9])
    with torch.inference_mode():
        together = model(video, torch.tensor([40, 9]))
        single = model(alone(video, 1, 9), torch.tensor([9]))
    assert (together.sequence_logits[:3, 1] - single.sequence_logits[:, 0]).abs().max() > 1e-3


def test_what_lies_behind_the_end_of_a_clip_does_not_matter():
    model = small().eval()
    video = batch_of([24, 8])
    other = video.clone()
    other[1, TemporalSpec().padded_length(8) :] = 255
    with torch.inference_mode():
        first, second = model(video, torch.tensor([24, 8])), model(other, torch.tensor([24, 8]))
    assert torch.equal(first.sequence_logits, second.sequence_logits)


@pytest.mark.parametrize("mask_padding", [True, False])
@pytest.mark.parametrize("frame_chunk", [0, 3])
def test_fused_and_chunked_recognition_gives_what_the_whole_network_gives(mask_padding, frame_chunk):
    """With the levels of HFAM asked for, all frames are computed at once, as in training."""
    model = small(mask_padding=mask_padding, share_classifier=False)
    lengths = torch.tensor([21, 9])
    model.train()(batch_of([21, 9]), lengths)  # running statistics that count
    model.eval().frame_chunk = frame_chunk
    fused = fuse_for_inference(model)
    with torch.inference_mode():
        whole = model(batch_of([21, 9]), lengths, with_scales=True)
        for network in (model, fused):
            parts = network(batch_of([21, 9]), lengths)
            assert parts.scale_logits is None
            for name in ("sequence_logits", "conv_logits"):
                expected = getattr(whole, name)
                assert (getattr(parts, name) - expected).abs().max() < 1e-4 * expected.abs().max()
        scales = fused(batch_of([21, 9]), lengths, with_scales=True).scale_logits
    for got, expected in zip(scales, whole.scale_logits, strict=True):
        assert (got - expected).abs().max() < 1e-4 * expected.abs().max()


def test_shapes_and_zeros_past_the_end():
    model = small().eval()
    output = model(batch_of([20, 8]), torch.tensor([20, 8]))
    assert output.sequence_logits.shape == output.conv_logits.shape == (5, 2, 7)
    assert output.lengths.tolist() == [5, 2]
    assert output.scale_logits is None
    assert not output.sequence_logits[2:, 1].any()


def test_scales_come_in_training_alone_unless_asked_for():
    model = small()
    video, lengths = batch_of([8, 8]), torch.tensor([8, 8])
    assert len(model.train()(video, lengths).scale_logits) == 3
    assert model.eval()(video, lengths).scale_logits is None
    assert [s.shape for s in model(video, lengths, with_scales=True).scale_logits] == [(2, 2, 7)] * 3


def test_parts_that_are_switched_off_have_no_weights():
    whole = set(small().state_dict())
    bare = small(fusion="none", pooling="max", hfam=False)
    names = set(bare.state_dict())
    assert not any(part in name for name in names for part in ("alpha", "stf", "HFEAM", "predictor"))
    assert {name for name in whole if name.startswith("conv2d.layer")} <= names
    video, lengths = batch_of([8, 8]), torch.tensor([8, 8])
    output = bare.train()(video, lengths)
    assert output.scale_logits is None
    assert output.lift_norms is None
    with pytest.raises(ValueError, match="asks for HFAM, which this network does not have"):
        bare(video, lengths, with_scales=True)
    one = small(fusion_after=(4,)).state_dict()
    assert one["conv2d.alpha"].shape == (1,)
    assert {name.split(".")[1] for name in one if ".stf" in name} == {"stf3"}
    for wrong in ({"fusion": "correct"}, {"fusion_after": (2, 2)}, {"pooling": "mean"}):
        with pytest.raises(ValueError, match=rf"{next(iter(wrong))} is "):
            small(**wrong)


@pytest.mark.parametrize("size", [64, 72, 97, 128])
def test_any_size_from_64_up(size):
    model = small().train()
    output = model(batch_of([8, 4], size), torch.tensor([8, 4]))
    assert all(torch.isfinite(logits).all() for logits in (output.sequence_logits, *output.scale_logits))


def test_every_weight_gets_a_gradient():
    """Nothing is unused, so data-parallel training needs no search for unused parameters."""
    model = small(share_classifier=False).train()
    output = model(batch_of([12, 8]), torch.tensor([12, 8]))
    logits = (output.sequence_logits, output.conv_logits, *output.scale_logits)
    sum(value.square().sum() for value in logits).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_bytes_and_floats_are_the_same_input():
    model = small().eval()
    video = batch_of([8])
    with torch.inference_mode():
        from_bytes = model(video, torch.tensor([8])).sequence_logits
        from_floats = model(video.float() / 127.5 - 1, torch.tensor([8])).sequence_logits
    assert torch.equal(from_bytes, from_floats)
    assert model.normalise(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1.0, 1.0]


def test_classifiers_shared_and_not():
    shared, separate = small(), small(share_classifier=False)
    assert "conv1d.fc.weight" not in shared.state_dict()
    assert separate.state_dict()["conv1d.fc.weight"].shape == (32, 7)
    plain = small(weight_norm=False)
    assert plain.state_dict()["classifier.weight"].shape == (7, 32)
    assert plain.state_dict()["classifier.bias"].shape == (7,)


def test_lengths_are_not_changed():
    lengths = torch.tensor([12, 8])
    small().eval()(batch_of([12, 8]), lengths)
    assert lengths.tolist() == [12, 8]


@pytest.mark.parametrize(
    ("video", "lengths", "message"),
    [
        (torch.zeros(1, 16, 3, 32, 32), [4], "at least 64x64"),
        (torch.zeros(1, 16, 64, 64), [4], r"must be \(B, T, 3, H, W\)"),
        (torch.zeros(2, 16, 3, 64, 64), [4], "for 2 clips"),
        (torch.zeros(1, 16, 3, 64, 64), [5], "has 5 frames and needs 20 with padding; the batch holds 16"),
        (torch.zeros(1, 16, 3, 64, 64), [0], "at least one frame"),
    ],
)
def test_batches_that_do_not_fit(video, lengths, message):
    with pytest.raises(ValueError, match=message):
        small()(video, torch.tensor(lengths))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbone": "resnet50"}, "resnet50"),
        ({"width": 24}, "width is 24"),
        ({"hidden_size": 33}, "hidden_size is 33"),
        ({"conv_type": 9}, "conv_type is 9"),
    ],
)
def test_settings_that_do_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        small(**changes)


def test_build_model_follows_the_configuration():
    args = ModelArgs(c2d_type="resnet18", pretrained="none", width=32, hidden_size=64, share_heads=False)
    model = build_model(args, 5)
    assert model.conv2d.conv1.weight.shape == (32, 3, 1, 7, 7)
    assert model.classifier.weight.shape == (64, 5)
    assert "HFEAM.stse3.fc.0.weight" in model.state_dict()


def learnt(model: SLRModel, video: torch.Tensor, lengths: torch.Tensor) -> dict[str, torch.Tensor]:
    """Gradients and running statistics of one step in training, by name."""
    output = model(video, lengths)
    sum(value.square().sum() for value in (output.sequence_logits, *output.scale_logits)).backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return gradients | dict(model.named_buffers())


def assert_equal(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], rtol: float, atol: float) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.allclose(value, found[name], rtol=rtol, atol=atol), name
    assert found["conv2d.bn1.num_batches_tracked"] == 1


def test_stages_computed_again_give_the_same_gradients_and_running_statistics():
    video, lengths = batch_of([16, 8]), torch.tensor([16, 8])
    results = []
    for level, times in (("none", 1), ("blocks", 1), ("stages", 2)):
        model = small().double().train()
        model.conv2d.recompute.level = level
        calls = []
        model.conv2d.layer2[0].register_forward_hook(lambda *_, calls=calls: calls.append(1))
        results.append(learnt(model, video, lengths))
        assert len(calls) == times
    kept, *again = results
    for found in again:
        assert_equal(found, kept, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("level", "cheap"), [(None, 2), ("none", 1), ("blocks", 2)])
def test_training_computes_what_is_cheap_again(level, cheap):
    """Norms of the stem and within blocks, and STF, run twice and keep nothing but their input; convolutions once."""
    model, calls = small().train(), []
    if level is not None:  # else what a new network does by itself
        model.conv2d.recompute.level = level
    parts = ("bn1", "layer1.0.bn1", "layer4.1.bn1", "stf1.s_convs.0.0", "conv1", "layer1.0.conv1", "layer1.0.conv2")
    for name in parts:
        model.conv2d.get_submodule(name).register_forward_hook(lambda *_, name=name: calls.append(name))
    model.conv2d(torch.rand(8, 3, SIZE, SIZE), 1)[0].sum().backward()
    assert [calls.count(name) for name in parts] == [cheap] * 4 + [1] * 3


@pytest.mark.parametrize(("dtype", "least"), [(torch.bfloat16, 0.85), (torch.float16, 0.98)])
def test_maps_in_half_precision_give_nearly_the_same(dtype, least):
    """Weights, temporal layers and logits stay float32; padding matters no more than in float32."""
    video, lengths = batch_of([12, 5]), torch.tensor([12, 5])
    gradients = []
    for kind in (torch.float32, dtype):
        model = small().train()
        model.autocast = kind
        seen = []
        model.conv2d.stf2.register_forward_hook(lambda module, inputs, out, seen=seen: seen.append(out.dtype))
        output = model(video, lengths)
        assert seen == [kind]
        assert {x.dtype for x in (output.sequence_logits, output.conv_logits, *output.scale_logits)} == {torch.float32}
        sum(x.square().mean() for x in (output.sequence_logits, *output.scale_logits)).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    similarity = torch.nn.functional.cosine_similarity(*gradients, dim=0)
    assert least < similarity < 1 - 1e-7
    model.eval()
    with torch.inference_mode():
        whole = model(video, lengths).sequence_logits
        half = fuse_for_inference(model, dtype)
        assert half.conv2d.layer1[0].conv1.weight.dtype == dtype
        together, single = half(video, lengths), half(alone(video, 1, 5), lengths[1:])
    assert together.sequence_logits.dtype == torch.float32
    assert 0 < (together.sequence_logits - whole).abs().max() < 0.05 * whole.abs().max()
    own = single.sequence_logits[:, 0]
    assert torch.allclose(together.sequence_logits[: len(own), 1], own, atol=1e-4)


def test_frozen_norms_keep_what_they_were_loaded_with():
    model = small().train()
    model(batch_of([16]), torch.tensor([16]))
    model.conv2d.freeze_norms()
    kept = [part for part in model.conv2d.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    learnt = [p for part in kept for p in part.parameters()]
    before = [buffer.clone() for part in kept for buffer in part.buffers()]
    assert len(kept) == 32
    assert not any(p.requires_grad for p in learnt)
    for mode in (False, True):  # as an evaluation in between does
        model.train(mode)
        assert not any(part.training for part in kept)
    assert model.conv1d.temporal_conv[0][1].training
    output = model(batch_of([20]), torch.tensor([20]))
    output.sequence_logits.square().sum().backward()
    assert all(torch.equal(a, b) for a, b in zip(before, (x for p in kept for x in p.buffers()), strict=True))
    assert model.conv2d.conv1.weight.grad.any()


@needs_compiler
def test_compiled_stages_recognise_the_same():
    model = small().eval()
    video, lengths = batch_of([24, 9]), torch.tensor([24, 9])
    with torch.inference_mode():
        plain, compiled = fuse_for_inference(model), for_recognition(model, "fp32", frame_chunk=7, compiled=True)
        assert compiled.frame_chunk == 7
        for _ in range(2):  # the first call compiles
            difference = compiled(video, lengths).sequence_logits - plain(video, lengths).sequence_logits
            assert difference.abs().max() < 1e-4
    assert compiled.conv2d.layer4._compiled_call_impl is not None
