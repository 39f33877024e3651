"""CorrNet's correlation block against its equations, written down plainly for whole clips."""

from collections.abc import Callable
from pathlib import Path

import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.correlation import compute_plainly
from modules.convolution import time_mask
from modules.correlation import CorrelationFusion
from modules.correlation_maps import correlate
from modules.correlation_windows import CPU_WINDOW
from modules.frame_chunks import compute_clip_features
from modules.resnet import ResNet

B, C, T, H, W = 2, 32, 7, 5, 6
LENGTHS = torch.tensor([T, 4])


def make_block(dtype: torch.dtype = torch.float64) -> CorrelationFusion:
    """A block of which every weight counts; at the start those of a kind are equal."""
    torch.manual_seed(0)
    block = CorrelationFusion(C)
    nn.init.uniform_(block.weights, 0.2, 0.6)
    nn.init.uniform_(block.weights2, 0.3, 0.9)
    return block.to(dtype)


def make_clips(frames: int = T) -> torch.Tensor:
    """(B, C, T, H, W)."""
    return torch.randn(B, C, frames, H, W, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def as_frames(x: torch.Tensor) -> torch.Tensor:
    """(B, C, T, H, W) -> (B*T, C, H, W), channels-last."""
    return x.transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)


def as_clips(x: torch.Tensor, batch: int = B) -> torch.Tensor:
    """(B*T, C, H, W) -> (B, C, T, H, W)."""
    return x.unflatten(0, (batch, -1)).transpose(1, 2)


def run(block: CorrelationFusion, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """The block on (B, C, T, H, W)."""
    return as_clips(block(as_frames(x), len(x), mask), len(x))


def compute_plainly_with_mask(block: CorrelationFusion, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Every clip alone, and zeros past its end."""
    alone = [compute_plainly(block, clip[None, :, :n])[0] for clip, n in zip(x, lengths.tolist(), strict=True)]
    return torch.stack([F.pad(m, (0, 0, 0, 0, 0, x.shape[2] - m.shape[1])) for m in alone])


def largest_difference(one: torch.Tensor, other: torch.Tensor) -> float:
    """As a share of the largest value."""
    assert one.shape == other.shape
    return float((one - other).detach().abs().max() / other.detach().abs().max())


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("frames", [1, 2, T, 2 * CPU_WINDOW + 3])
def test_the_block_by_its_equations(frames, masked, dtype, tolerance):
    """Results and gradients, of clips shorter and longer than what is computed at a time."""
    block, plain = make_block(dtype), make_block()
    x, lengths = make_clips(frames), torch.tensor([frames, max(1, frames - 3)])
    inputs = [x.clone().to(dtype).requires_grad_(), x.clone().requires_grad_()]
    mask = time_mask(lengths, frames, x.device, dtype) if masked else None
    got = run(block, inputs[0], mask)
    expected = (
        compute_plainly_with_mask(plain, inputs[1], lengths) if masked else compute_plainly(plain, inputs[1])
    )  # fmt: skip
    assert got.dtype == dtype
    assert largest_difference(got.double(), expected) < tolerance
    towards = torch.randn(x.shape, generator=torch.Generator().manual_seed(2), dtype=x.dtype)
    (got * towards.to(dtype)).sum().backward()
    (expected * towards).sum().backward()
    assert largest_difference(inputs[0].grad.double(), inputs[1].grad) < tolerance
    for (name, weight), reference in zip(block.named_parameters(), plain.parameters(), strict=True):
        assert largest_difference(weight.grad.double(), reference.grad) < tolerance, name


@pytest.mark.parametrize("name", ["down_conv2", "conv_back"])
def test_nothing_is_added_where_a_factor_is_zero(name):
    block = make_block()
    nn.init.zeros_(getattr(block, name).weight)
    if name == "conv_back":
        assert run(make_block(), make_clips()).any()
    assert not run(block, make_clips()).any()


def test_one_frame_is_its_own_neighbour_on_either_side():
    block, x = make_block(), make_clips(1)
    with torch.no_grad():
        expected = run(block, x)
        block.weights2.copy_(torch.tensor([block.weights2.sum(), 0.0]))
        assert largest_difference(run(block, x), expected) < 1e-12


def test_time_may_run_backwards():
    """With the weights of both directions swapped and the convolutions over time reversed the result is reversed."""
    block, x = make_block(), make_clips()
    with torch.no_grad():
        expected = run(block, x).flip(2)
        block.weights2.copy_(block.weights2.flip(0))
        assert largest_difference(run(block, x.flip(2)), expected) > 0.01
        for i in (1, 2, 3):
            weight = getattr(block, f"spatial_aggregation{i}").weight
            weight.copy_(weight.flip(2))
        assert largest_difference(run(block, x.flip(2)), expected) < 1e-12


@pytest.mark.parametrize("chunk", [1, 3, 5, T])
@pytest.mark.parametrize("gradients", [False, True])
def test_parts_of_a_clip_are_those_of_the_whole(chunk, gradients):
    block, x = make_block(), as_frames(make_clips())[:T]
    parts = []
    with torch.set_grad_enabled(gradients):
        for start in range(0, T, chunk):
            stop = min(start + chunk, T)
            left, right = max(0, start - block.reach), min(T, stop + block.reach)
            parts.append(block.forward_part(x[left:right], start - left, stop - start))
        whole = block(x, 1)
    assert torch.cat(parts).requires_grad == gradients
    assert largest_difference(torch.cat(parts), whole) < 1e-12


def test_what_lies_past_a_clips_end_does_not_matter():
    """Neither for results nor for gradients, of which the values there get none."""
    block, x = make_block(), make_clips()
    mask = time_mask(LENGTHS, T, x.device, x.dtype)
    filled = x.clone()
    filled[1, :, LENGTHS[1] :] = torch.nan
    filled.requires_grad_()
    got = run(block, filled, mask)
    assert largest_difference(got, compute_plainly_with_mask(block, x, LENGTHS)) < 1e-12
    got.sum().backward()
    assert not filled.grad[1, :, LENGTHS[1] :].any()
    assert all(weight.grad.isfinite().all() for weight in block.parameters())


@pytest.mark.parametrize("masked", [False, True])
def test_exporters_see_the_same_block(masked):
    """They see one operation on all frames instead of a loop."""
    block, x = make_block(), make_clips()
    mask = time_mask(LENGTHS, T, x.device, x.dtype) if masked else None
    with torch.no_grad():
        got = as_clips(block._compute_at_once(as_frames(x), B, mask))
        assert largest_difference(got, run(block, x, mask)) < 1e-12


class OneClip(nn.Module):
    """A block as a network that is exported has it."""

    def __init__(self) -> None:
        super().__init__()
        self.block = make_block(torch.float32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.block(x, 1)


def trace(net: nn.Module, example: torch.Tensor, path: Path) -> Callable[[torch.Tensor], torch.Tensor]:
    return torch.jit.trace(net, (example,), check_trace=False)


def export(net: nn.Module, example: torch.Tensor, path: Path) -> Callable[[torch.Tensor], torch.Tensor]:
    frames = torch.export.Dim("frames", min=2, max=1000)
    return torch.export.export(net, (example,), dynamic_shapes=({0: frames},), strict=False).module()


def write_onnx(net: nn.Module, example: torch.Tensor, path: Path) -> Callable[[torch.Tensor], torch.Tensor]:
    names = {"input_names": ["x"], "output_names": ["m"], "dynamic_axes": {"x": {0: "frames"}}}
    torch.onnx.export(net, (example,), str(path), dynamo=False, opset_version=17, **names)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda x: torch.from_numpy(session.run(None, {"x": x.contiguous().numpy()})[0])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("exporter", [trace, export, write_onnx])
def test_an_exported_block_takes_any_number_of_frames(exporter, tmp_path):
    net, x = OneClip().eval(), as_frames(make_clips().float())
    with torch.no_grad():
        exported = exporter(net, x[:T], tmp_path / "block.onnx")
        for frames in (2, 5, 2 * T):
            assert largest_difference(exported(x[:frames]), net(x[:frames])) < 1e-5


def test_nothing_but_the_input_is_kept_for_the_gradients():
    block, x = make_block(), as_frames(make_clips()).requires_grad_()
    kept = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        block(x, B)
    weights = [weight.data_ptr() for weight in block.parameters()]
    assert [tensor.data_ptr() for tensor in kept] == [x.data_ptr(), *weights]


def test_a_map_is_never_there_for_more_than_a_few_frames(monkeypatch):
    """The memory for the maps is asked for once a direction, and holds as many frames as were allowed."""
    monkeypatch.setattr("modules.correlation_maps.CPU_VALUES", 2 * (H * W) ** 2)
    block, x = make_block(), make_clips()
    largest = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            out = function(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor) and out.shape[-2:] == (H * W, H * W):
                largest.append(len(out))
            return out

    x.requires_grad_()
    with Watch():
        out = run(block, x)
        out.sum().backward()
    assert max(largest) == 2
    assert largest_difference(out, compute_plainly(make_block(), x)) < 1e-12


@pytest.mark.parametrize(
    ("autocast", "computed", "given"),
    [
        (torch.bfloat16, torch.bfloat16, torch.bfloat16),
        (torch.float16, torch.float32, torch.float32),
    ],
)
def test_with_autocast(autocast, computed, given):
    block, plain, x = make_block(torch.float32), make_block(), make_clips()
    inputs = as_frames(x).float().requires_grad_()
    with torch.autocast("cpu", autocast):
        got = block(inputs, B)
    assert got.dtype == given
    reference = x.clone().requires_grad_()
    expected = compute_plainly(plain, reference)
    tolerance = 1e-5 if computed == torch.float32 else 0.05
    assert largest_difference(as_clips(got).double(), expected) < tolerance
    got.double().sum().backward()
    expected.sum().backward()
    assert largest_difference(as_clips(inputs.grad).double(), reference.grad) < tolerance
    assert all(weight.grad.dtype == torch.float32 for weight in block.parameters())


def test_float16_does_not_overflow():
    """The sums of a network in float16 may be larger than 65504; they come as float32."""
    block, x = make_block(torch.float16), as_frames(make_clips() * 100).half()
    with torch.no_grad():
        block.weights2.mul_(2000)
        got = block(x, B)
        expected = as_frames(compute_plainly(block.double(), as_clips(x.double())))
    assert expected.abs().max() > 65504
    assert got.dtype == torch.float32
    assert largest_difference(got.double(), expected) < 1e-3


def test_a_backbone_in_float16_goes_on_in_float16():
    torch.manual_seed(0)
    net = ResNet("resnet18", 16, "correlation").eval()
    nn.init.constant_(net.alpha, 0.1)
    clip = torch.randn(5, 3, 64, 64)
    with torch.inference_mode():
        expected = net(clip, 1)[0]
        net.half()
        whole = net(clip.half(), 1)[0]
        parts = compute_clip_features(net, clip.half(), lambda frames: frames, 2).T[None]
    for got in (whole, parts):
        assert got.dtype == torch.float16
        assert largest_difference(got.float(), expected) < 0.05


def test_frozen_weights_get_no_gradient():
    block, x = make_block(), as_frames(make_clips()).requires_grad_()
    block(x, B).sum().backward()
    expected = x.grad.clone()
    gradient = block.down_conv2.weight.grad.clone()
    block.zero_grad(set_to_none=True)
    x.grad = None
    block.requires_grad_(False)
    block.down_conv2.requires_grad_(True)
    block(x, B).sum().backward()
    assert torch.equal(x.grad, expected)
    assert torch.equal(block.down_conv2.weight.grad, gradient)
    assert block.weights2.grad is None
    assert block.conv_back.weight.grad is None


def test_weights_that_changed_before_the_gradients_are_an_error():
    block, x = make_block(), as_frames(make_clips())
    out = block(x, B)
    with torch.no_grad():
        block.weights2.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_the_sums_by_hand():
    """One position, one channel: x = 2 and neighbours 1 and 3: 0.5 * 1 * (s(2) - 0.5) + 2 * 3 * (s(6) - 0.5)."""
    x = torch.tensor([2.0]).view(1, 1, 1)
    neighbours = torch.tensor([3.0, 7.0, 1.0]).view(3, 1, 1)
    f = correlate(x, neighbours, torch.tensor([0.5, 2.0]))
    assert f.item() == pytest.approx(0.5 * (0.880797 - 0.5) + 6 * (0.997527 - 0.5), rel=1e-5)
