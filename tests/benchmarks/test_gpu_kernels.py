"""The convolutions in groups of the check of GPUs, and the section that measures them."""

import pytest
import torch

from benchmarks.gpu import kernels
from benchmarks.gpu.convolutions import (
    FORMS,
    GroupedConvolution,
    convolve,
    find_grouped_convolutions,
    make_tensors,
    shift_and_multiply,
)
from benchmarks.gpu.section import Task

CPU = torch.device("cpu")


def test_all_convolutions_in_groups_of_the_published_network():
    found = find_grouped_convolutions({"backbone": "resnet34"}, 224, 336)
    shapes = {(c.name, c.maps, c.weight, c.groups, c.times) for c in found}
    expected = {
        ("HFEAM.stse1.temporal_att.0", (2, 512, 168, 49), (128, 16, 3, 1), 32, 3),
        ("HFEAM.stse1.temporal_att.3", (2, 128, 168, 49), (512, 4, 3, 1), 32, 3),
    }
    for number, (c, side) in enumerate(((128, 28), (256, 14), (512, 7)), start=1):
        for place, k in enumerate((3, 5)):
            over_time = (2, c, 168, side * side), (c, 1, k, 1)
            over_space = (336, c, side, side), (c, 1, k, k)
            expected.add((f"conv2d.stf{number}.t_convs.{place}.0", *over_time, c, 1))
            expected.add((f"conv2d.stf{number}.s_convs.{place}.0", *over_space, c, 1))
    assert shapes == expected
    assert len(found) == 14
    assert sum(case.can_be_shifted for case in found) == 6  # over time and depthwise


@pytest.mark.parametrize("size", [3, 5])
def test_shifted_products_are_the_convolution(size):
    torch.manual_seed(0)
    x = torch.randn(2, 3, 7, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 1, size, 1, dtype=torch.float64, requires_grad=True)
    gradient = torch.randn(2, 3, 7, 4, dtype=torch.float64)
    outputs = [form(x, weight, 3) for form in (convolve, shift_and_multiply)]
    torch.testing.assert_close(*outputs)
    one, other = (torch.autograd.grad(y, (x, weight), gradient) for y in outputs)
    torch.testing.assert_close(one, other)


def test_shifted_products_by_hand():
    x = torch.tensor([1.0, 2, 3, 4]).view(1, 1, 4, 1)
    weight = torch.tensor([10.0, 1, 100]).view(1, 1, 3, 1)
    # zero before the first and after the last: 10 * x[t - 1] + x[t] + 100 * x[t + 1]
    assert shift_and_multiply(x, weight, 1).flatten().tolist() == [201, 312, 423, 34]


def test_maps_lie_in_memory_as_the_form_wants():
    case = GroupedConvolution("", (2, 4, 6, 5), (4, 1, 3, 1), 4)
    for form, (_, layout) in FORMS.items():
        x, weight, gradient = make_tensors(case, form, CPU, torch.float32)
        assert x.is_contiguous(memory_format=layout)
        assert gradient.is_contiguous(memory_format=layout)
        assert x.requires_grad
        assert weight.requires_grad


def test_bytes_by_hand():
    # x 2 * 8 * 5 * 3 = 240 numbers, y 2 * 4 * 5 * 3 = 120, kernel 4 * 2 * 3 = 24
    case = GroupedConvolution("", (2, 8, 5, 3), (4, 2, 3, 1), 4)
    assert case.count_bytes(2) == (2 * (240 + 24 + 120), 2 * (240 + 24 + 120 + 240 + 24))


def test_what_is_said_of_a_convolution():
    case = GroupedConvolution("stf", (2, 8, 5, 3), (8, 1, 3, 1), 8)  # x and y 240 numbers each, kernel 24
    times = {"channels-last": (2e-6, 3e-6), "contiguous": (1e-6, 9e-6), "shifted": (4e-6, 11e-6)}
    finding = kernels.describe_case(case, times, "bf16", copying=2 * 504 / 1e-6)
    assert (finding.value, finding.unit) == (pytest.approx(5.0), "us")
    # 1008 bytes in 2 us is half the speed of copying; 1536 bytes in 3 us: 512 MB/s of 1008
    assert "50 %" in finding.note
    assert "51 %" in finding.note
    assert "contiguous 2.00 times as long" in finding.note
    assert "shifted 3.00 times as long" in finding.note


def test_the_sum_counts_a_convolution_as_often_as_it_occurs():
    one = GroupedConvolution("a", (1, 1, 1, 1), (1, 1, 3, 1), 1)
    three = GroupedConvolution("b", (1, 1, 1, 1), (1, 1, 3, 1), 1, times=3)
    times = [
        {"channels-last": (1e-3, 1e-3), "contiguous": (2e-3, 2e-3)},
        {"channels-last": (2e-3, 3e-3), "contiguous": (1e-3, 1e-3)},
    ]
    finding = kernels.sum_up(list(zip((one, three), times, strict=True)), "bf16", 336)
    assert finding.value == pytest.approx(2 + 3 * 5)
    assert finding.details["fastest"] == pytest.approx(2 + 3 * 2)
    assert "faster in another form: b contiguous" in finding.note


def test_what_a_new_length_costs():
    seconds = [(0.5, 0.3, 0.1), (0.7, 0.3, 0.2), (0.6, 0.1, 0.3)]
    finding = kernels.describe_new_lengths("new", seconds, "bf16")
    assert finding.value == pytest.approx(400)  # 0.6 - 0.2, in ms
    assert "20.4 s for the 51 padded lengths" in finding.note
    assert "89.2 s for the 223" in finding.note


def test_cudnn_mode_is_put_back():
    before = torch.backends.cudnn.benchmark
    with pytest.raises(KeyError), kernels.benchmark_mode(not before):
        assert torch.backends.cudnn.benchmark is not before
        raise KeyError
    assert torch.backends.cudnn.benchmark is before


def test_the_small_form():
    findings = list(kernels.run(Task(CPU, small=True)))
    assert findings[0].outcome == "pass"
    assert len(findings) == 1 + 14 + 1 + 2
    assert all(finding.value > 0 for finding in findings[1:16])
    assert findings[15].value == pytest.approx(
        sum(f.value * (3 if f.name.startswith("HFEAM") else 1) for f in findings[1:15]) / 1e3
    )
    assert findings[-1].outcome == "skipped"
    assert findings[-1].note == "no CUDA device"
