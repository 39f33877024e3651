"""Layers against PyTorch's own 3-D ones, and against arithmetic by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from modules.alignment import AlignmentAttention, FeatureAlignment
from modules.classifier import NormLinear
from modules.convolution import SpatialConv, TimeConv, clips_to_frames, frames_to_clips, time_mask
from modules.fusion import SpatioTemporalFusion
from modules.lift_pooling import LiftPooling, masked_instance_norm
from modules.temporal_conv import TemporalConv

B, T, C, H, W = 2, 6, 8, 5, 4


def clip_maps(channels: int = C) -> torch.Tensor:
    return torch.randn(B, channels, T, H, W, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def as_frames(x: torch.Tensor) -> torch.Tensor:
    """(B, C, T, H, W) -> (B*T, C, H, W), channels-last."""
    return x.transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)


def as_volume(x: torch.Tensor) -> torch.Tensor:
    """(B*T, C, H, W) -> (B, C, T, H, W)."""
    return x.unflatten(0, (B, -1)).transpose(1, 2)


def test_frames_and_clips_are_views_of_one_another():
    frames = as_frames(clip_maps())
    clips = frames_to_clips(frames, B)
    assert clips.shape == (B, C, T, H * W)
    assert clips.data_ptr() == frames.data_ptr()
    assert clips[1, 3, 2, W + 1] == frames[T + 2, 3, 1, 1]
    assert torch.equal(clips_to_frames(clips, H, W), frames)
    assert clips_to_frames(clips, H, W).data_ptr() == frames.data_ptr()


@pytest.mark.parametrize(("size", "stride", "padding", "groups"), [(3, 1, 1, 1), (5, 1, 2, C), (4, 2, 0, 1)])
def test_spatial_convolution_is_the_3d_one(size, stride, padding, groups):
    conv = SpatialConv(C, 16, size, stride, padding, groups, bias=True).double()
    expected = F.conv3d(
        clip_maps(), conv.weight, conv.bias, (1, stride, stride), (0, padding, padding), groups=groups
    )  # fmt: skip
    assert torch.allclose(as_volume(conv(as_frames(clip_maps()))), expected)


@pytest.mark.parametrize(("size", "groups"), [(3, 4), (5, C)])
def test_temporal_convolution_is_the_3d_one(size, groups):
    conv = TimeConv(C, 16, size, groups, bias=True).double()
    expected = F.conv3d(clip_maps(), conv.weight, conv.bias, padding=(size // 2, 0, 0), groups=groups)
    out = clips_to_frames(conv(frames_to_clips(as_frames(clip_maps()), B)), H, W)
    assert torch.allclose(as_volume(out), expected)


def test_fusion_by_its_equations():
    """x + gate * sum of weighted branches, with Conv3d and joined tensors throughout."""
    torch.manual_seed(1)
    fusion = SpatioTemporalFusion(C).double().eval()
    x = clip_maps()
    branches = []
    for convs, padding in ((fusion.t_convs, lambda k: (k // 2, 0, 0)), (fusion.s_convs, lambda k: (0, k // 2, k // 2))):
        for conv, norm, _ in convs:
            y = F.conv3d(x, conv.weight, padding=padding(max(conv.kernel_size)), groups=C)
            y = F.batch_norm(y, norm.running_mean, norm.running_var, norm.weight, norm.bias)
            branches.append(F.relu(y))
    squeeze, _, excite, _ = fusion.calibration
    z = F.relu(F.conv3d(x.mean((2, 3, 4), keepdim=True), squeeze.weight, squeeze.bias))
    weights = F.conv3d(z, excite.weight, excite.bias).softmax(1)  # (B, 4, 1, 1, 1)
    fused = sum(weights[:, k : k + 1] * branch for k, branch in enumerate(branches))
    first, _, second, _ = fusion.st_gate
    gate = F.relu(F.conv3d(torch.cat([x, fused], 1), first.weight, first.bias))
    gate = torch.sigmoid(F.conv3d(gate, second.weight, second.bias))
    assert torch.allclose(as_volume(fusion(as_frames(x), B)), x + gate * fused)


def test_fusion_with_a_mask_is_the_fusion_of_the_shorter_clip():
    torch.manual_seed(1)
    fusion = SpatioTemporalFusion(C).double().eval()
    x = clip_maps()
    mask = time_mask(torch.tensor([T, 4]), T, x.device, x.dtype)
    masked = as_volume(fusion(as_frames(x), B, mask))
    short = fusion(x[1:, :, :4].transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last), 1)
    assert torch.allclose(masked[1, :, :4], short.transpose(0, 1))
    whole = as_volume(fusion(as_frames(x), B))
    assert torch.allclose(masked[0], whole[0])


def test_alignment_attention_by_its_equations():
    torch.manual_seed(2)
    head = AlignmentAttention(128).double().eval()
    y = torch.randn(B, 128, T, 9, dtype=torch.float64)
    average, maximum = y.mean((2, 3)), y.amax((2, 3))
    channel = (head.fc(average) + head.fc(maximum))[:, :, None, None, None]
    squeeze, norm, _, excite, _ = head.temporal_att
    z = F.conv3d(y[..., None], squeeze.weight, squeeze.bias, padding=(1, 0, 0), groups=32)
    z = F.relu(F.batch_norm(z, norm.running_mean, norm.running_var, norm.weight, norm.bias))
    z = torch.sigmoid(F.conv3d(z, excite.weight, excite.bias, padding=(1, 0, 0), groups=32))
    expected = (y[..., None] * torch.sigmoid(channel + z)).squeeze(4)
    assert torch.allclose(head(y, None), expected)
    full = torch.ones(B, T, dtype=torch.float64)
    assert torch.allclose(head(y, full), expected)


def test_shared_alignment_heads_are_one():
    shared = FeatureAlignment(16, 8, 2, share_heads=True)
    separate = FeatureAlignment(16, 8, 2, share_heads=False)
    assert not any(name.startswith(("stse2", "stse3")) for name in shared.state_dict())
    assert sum(name.startswith("stse") for name in separate.state_dict()) == 3 * sum(
        name.startswith("stse") for name in shared.state_dict()
    )


def test_the_convolutions_of_alignment_see_zeros_past_a_clips_end_as_those_before_the_bilstm_do():
    """Else BatchNorm's statistics in training would see what a bias and the norm before it make of the zeros."""
    torch.manual_seed(0)
    width, hidden, lengths = 16, 8, torch.tensor([20, 12])
    alignment = FeatureAlignment(width, hidden, 2, share_heads=True, dropout=0.0).double()
    convolutions = [layer for layer in alignment.tcn_layers if isinstance(layer, nn.Conv1d)]
    entries, exits = [], []
    for convolution in convolutions:
        convolution.register_forward_pre_hook(lambda _, inputs: entries.append(inputs[0].detach()))
    alignment.tcn_layers[-1].register_forward_hook(lambda _, __, output: exits.append(output.detach()))
    levels = [torch.rand(2 * 20, width << stage, 32 >> stage, 32 >> stage).double() for stage in (1, 2, 3)]
    mask = time_mask(lengths, 20, torch.device("cpu"), torch.float64)
    alignment(levels, nn.Identity(), batch=2, mask=mask)

    assert len(entries) == 2 * 3
    for first, second in zip(entries[::2], entries[1::2], strict=True):
        assert not first[1, :, 12:].any()
        assert not second[1, :, 4:].any()  # (12 - 4) // 2
        assert first[0].any(0).all()
        assert second[0].any(0).all()

    other = TemporalConv(first.shape[1], hidden, 2, None, pooling="max").double()
    weights = [value for layer in alignment.tcn_layers for value in layer.state_dict().values()]
    other.load_state_dict(dict(zip(other.state_dict(), weights, strict=True)))
    for entry, steps in zip(entries[::2], exits, strict=True):
        assert torch.allclose(other(entry, lengths)[0], steps, rtol=1e-12)


def test_lift_pooling_starts_as_even_plus_odd():
    """With the zero weights that training starts from P and U are constants and W(z) = z: s + d = e + U + o - P."""
    pool = LiftPooling(3)
    x = torch.arange(24, dtype=torch.float32).reshape(1, 3, 8)
    predicted, updated = (torch.tanh(operator[2].bias)[:, None] for operator in (pool.predictor, pool.updater))
    assert torch.allclose(pool(x)[0], x[:, :, 0::2] + updated + x[:, :, 1::2] - predicted, atol=1e-4)


def test_lift_pooling_by_its_equations():
    torch.manual_seed(3)
    pool = LiftPooling(4).double()
    for parameter in pool.parameters():
        nn.init.uniform_(parameter, -0.5, 0.5)
    x = torch.randn(2, 4, 10, dtype=torch.float64)
    even, odd = x[:, :, 0::2], x[:, :, 1::2]
    detail = odd - pool.predictor(even)
    smooth = even + pool.updater(detail)

    def weighted(layer, z):
        norm = F.instance_norm(layer.conv(z), weight=layer.insnorm.weight, bias=layer.insnorm.bias)
        return z + z * (torch.sigmoid(norm) - 0.5)

    pooled, norms = pool(x)
    assert torch.allclose(pooled, weighted(pool.weight1, smooth) + weighted(pool.weight2, detail))
    assert norms.update.item() == pytest.approx(((smooth - odd) ** 2).sum().sqrt().item(), rel=1e-12)
    assert norms.prediction.item() == pytest.approx((detail**2).sum().sqrt().item(), rel=1e-12)
    # A clip that ends after three pairs: what lies behind does not count, whatever it is.
    mask = time_mask(torch.tensor([5, 3]), 5, x.device, x.dtype)
    other = x.clone()
    other[1, :, 6:] = 7.0
    for got, same in zip(pool(x, mask)[1], pool(other, mask)[1], strict=True):
        assert torch.equal(got, same)
    alone = [pool(x[:1])[1], pool(x[1:, :, :6])[1]]
    for norm, parts in zip(pool(x, mask)[1], zip(*alone, strict=True), strict=True):
        assert norm.item() == pytest.approx(sum(part.item() ** 2 for part in parts) ** 0.5, rel=1e-12)


def test_the_norms_of_lift_pooling_have_no_gradient_where_they_are_zero():
    pool = LiftPooling(2).double()
    for parameter in pool.parameters():
        nn.init.zeros_(parameter)
    x = torch.zeros(1, 2, 6, dtype=torch.float64, requires_grad=True)
    _, norms = pool(x)
    (norms.update + norms.prediction).backward()
    assert not x.grad.any()
    assert norms.update.item() == norms.prediction.item() == 0


def test_max_pooling_is_one_flat_chain_by_the_published_names():
    chain = TemporalConv(8, 4, 2, None, "max").eval()
    weights = [name for name in chain.state_dict() if name.endswith("weight")]
    assert weights == [f"temporal_conv.{i}.weight" for i in (0, 1, 4, 5)]
    x = torch.randn(2, 8, 20)
    steps, norms = chain(x)
    assert norms is None
    assert torch.equal(steps, chain.temporal_conv(x))
    masked, _ = chain(x, torch.tensor([20, 16]))
    assert torch.equal(masked[0], steps[0])
    torch.testing.assert_close(masked[1, :, :1], chain(x[1:, :, :16])[0][0])


def test_instance_norm_with_and_without_padding():
    norm = nn.InstanceNorm1d(3, affine=True).double()
    nn.init.uniform_(norm.weight)
    x = torch.randn(2, 3, 7, dtype=torch.float64)
    assert torch.allclose(masked_instance_norm(x, norm, None), norm(x))
    mask = time_mask(torch.tensor([7, 4]), 7, x.device, x.dtype)
    assert torch.allclose(masked_instance_norm(x, norm, mask)[1, :, :4], norm(x[1:, :, :4])[0])
    one_step = masked_instance_norm(x[:, :, :1], norm, None)
    assert torch.allclose(one_step, norm.bias[:, None].expand(2, 3, 1))


def test_normalised_classifier_by_hand():
    classifier = NormLinear(2, 2)
    classifier.weight.data = torch.tensor([[3.0, 0.0], [4.0, 2.0]])
    assert torch.allclose(classifier(torch.tensor([1.0, 2.0])), torch.tensor([11 / 5, 2.0]))
