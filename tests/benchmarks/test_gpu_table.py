"""What the check of GPUs reckons for its table and its summary, and both sections in the small form."""

import math
from itertools import pairwise

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu import compiled, machine, roofline, summary, table
from benchmarks.gpu.memory_limit import find_largest, fits_in_memory
from benchmarks.gpu.processor import measure_rate, repeat_clips
from benchmarks.gpu.roofline import NEEDS, Bound, Peaks, find_bandwidth, find_bound
from benchmarks.gpu.section import Finding, Task, number
from benchmarks.gpu.summary import Step, find_limit
from benchmarks.gpu.ways import FIRST, MAIN, WAYS, Workload
from benchmarks.network import build_network, draw_clips, parse_args
from dataset.manifest import Clip, Manifest
from slr_network import SLRModel, fuse_for_inference
from utils.temporal import TemporalSpec

CPU = torch.device("cpu")
PEAKS = Peaks(bandwidth=1e12, operations=100e12)


@pytest.fixture
def workload() -> Workload:
    args = parse_args([*table.SMALL, "--threads=1"])
    return Workload(build_network(args), args)


@pytest.mark.parametrize(
    ("kind", "precision", "arithmetic", "memory"),
    [
        ("training", "bf16", 263e-6, 317e-6),  # 26.3e9 / 100e12, 317e6 / 1e12
        ("training", "fp32", 263e-6, 634e-6),  # numbers of twice the size
        ("recognition", "bf16", 75e-6, 55e-6),
    ],
)
def test_the_least_time_by_hand(kind, precision, arithmetic, memory):
    bound = find_bound(kind, precision, PEAKS)
    assert bound.arithmetic == pytest.approx(arithmetic)
    assert bound.memory == pytest.approx(memory)
    assert bound.total == pytest.approx(arithmetic + memory)


@pytest.mark.parametrize(("precision", "in_products"), [("tf32", True), ("fp32", False), ("bf16", False)])
def test_the_roofline_of_tf32_is_that_of_a_product_in_tf32(precision, in_products, monkeypatch):
    """A training in TF32 leaves products in float32, by whose speed convolutions would pass the roofline."""
    seen = []

    def measure_product(device: torch.device, small: bool, dtype: torch.dtype) -> Finding:
        seen.append(torch.backends.cuda.matmul.allow_tf32)
        return number("matrix product", 100.0, "TFLOP/s")

    monkeypatch.setattr(roofline, "measure_product", measure_product)
    earlier = {"machine": [number("copy within the device", 1000.0, "GB/s")]}
    peaks = roofline.measure_peaks(Task(torch.device("cuda", 0), True, earlier), precision)
    assert peaks == PEAKS
    assert seen == [in_products]
    assert not torch.backends.cuda.matmul.allow_tf32


def test_without_a_c_compiler_nothing_is_compiled_for_a_gpu(workload, monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(machine.shutil, "which", lambda name: None)
    task = Task(torch.device("cuda", 0), True)
    found = [*compiled.run(task), *table.measure_compiled(workload, "training", "bf16", task, None, math.inf)]
    assert [(finding.outcome, finding.note) for finding in found] == 3 * [("skipped", machine.NO_COMPILER)]
    monkeypatch.setenv("CC", "cc")
    assert machine.has_compiler()


class MovedBytes(TorchDispatchMode):
    """Counts the bytes of all tensors that go into operations and come out of them, views left out."""

    total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if not func.is_view and "empty" not in str(func):
            tensors = [leaf for leaf in tree_leaves((args, kwargs, out)) if isinstance(leaf, torch.Tensor)]
            self.total += sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return out


def test_the_needs_of_recognition_are_those_of_the_network():
    """The backbone has all but a hundredth of them; with many frames weights count for little."""
    with torch.device("meta"), torch.no_grad():
        model = fuse_for_inference(SLRModel(2).eval(), torch.bfloat16).conv2d
        images = torch.empty(24, 3, 224, 224, dtype=torch.bfloat16).contiguous(memory_format=torch.channels_last)
        with FlopCounterMode(display=False) as flops:
            model(images, 1)
        with MovedBytes() as moved:
            model(images, 1)
    assert flops.get_total_flops() / 24 == pytest.approx(NEEDS["recognition"].operations, rel=0.03)
    assert moved.total / 24 == pytest.approx(NEEDS["recognition"].bytes, rel=0.05)


def test_the_arithmetic_of_training_is_that_of_the_network():
    with torch.device("meta"):
        model = SLRModel(2).train()
        images = torch.empty(24, 3, 224, 224).contiguous(memory_format=torch.channels_last)
        model.conv2d.recompute.level = "none"
        hfam = model.HFEAM
        with FlopCounterMode(display=False) as flops:
            features, levels = model.conv2d(images, 1)
            maps = hfam.con2(levels[0]), hfam.con3(levels[1]), levels[2]
            (features.sum() + sum(level.sum() for level in maps)).backward()
    assert flops.get_total_flops() / 24 == pytest.approx(NEEDS["training"].operations, rel=0.1)


def test_bandwidth_comes_from_the_section_machine():
    earlier = {"machine": [number("card", "some"), number("copy within the device", 2500.0, "GB/s")]}
    assert find_bandwidth(Task(CPU, True, earlier)) == pytest.approx(2.5e12)
    assert find_bandwidth(Task(CPU, True)) > 1e6  # measured


@pytest.mark.parametrize("limit", [1, 7, 100, 156, 1499, 1500, 1501, 9000, 16384])
def test_the_largest_size_that_fits(limit):
    tried = []

    def fits(size):
        tried.append(size)
        return size <= limit

    found = find_largest(fits, 1500, 16384)
    assert 0.96 * limit - 1 <= found <= limit
    assert len(tried) <= 25
    assert len(set(tried)) == len(tried)


def test_nothing_fits_or_all_does():
    assert find_largest(lambda _: False, 1500, 16384) == 0
    assert find_largest(lambda _: True, 1500, 16384) == 16384


def test_no_map_is_larger_than_what_pytorch_counts():
    frames = table.find_most_frames(size=224, width=64)
    assert frames == 1324
    for more, fits in ((0, True), (1, False)):
        padded = TemporalSpec().padded_length(frames + more)
        assert (2 * padded * 64 * 112 * 112 < 2**31) == fits


def test_memory_that_runs_out_is_told_from_other_errors():
    def fail(message):
        raise RuntimeError(message)

    assert fits_in_memory(lambda: None, CPU)
    assert not fits_in_memory(lambda: fail("CUDA out of memory. Tried to allocate 2.00 GiB"), CPU)
    with pytest.raises(RuntimeError, match="32-bit index"):
        fits_in_memory(lambda: fail("Expected 32-bit index"), CPU)


def test_a_computation_without_memory_is_measured_on_fewer_frames(monkeypatch, workload):
    def build(frames):
        if frames > 2 * 20:
            raise RuntimeError("CUDA out of memory")
        return (lambda: None), frames + 24

    monkeypatch.setattr(
        table, "build_work", lambda workload, kind, way, precision, frames, clips: build(frames * clips)
    )
    cost = table.measure_way(workload, "training", FIRST, "fp32", Task(CPU, small=False))
    assert (cost.frames, cost.padded) == (2 * 19, 2 * 19 + 24)  # 156, 78, 39, 19
    monkeypatch.setattr(table, "FEWEST", 20)
    assert table.measure_way(workload, "training", FIRST, "fp32", Task(CPU, small=False)) is None


def test_what_is_said_of_a_cost():
    cost = table.Cost(seconds=0.5, frames=200, padded=250, peak_mib=1234.4)
    bound = Bound(arithmetic=0.4e-3, memory=0.6e-3)
    finding = table.describe_cost("training", MAIN, "bf16", cost, first=5e-3, bound=bound)
    assert finding.value == pytest.approx(2.5)
    assert "0.50 of the published form" in finding.note
    assert "peak 1234 MiB" in finding.note
    assert "50 % of the roofline" in finding.note  # 250 frames of 1 ms in 500 ms
    assert finding.details["share"] == pytest.approx(0.5)
    assert table.describe_cost("training", FIRST, "bf16", cost, None, bound).details["share"] is None


@pytest.mark.parametrize("kind", list(WAYS))
def test_all_ways_are_the_same_network(workload, kind):
    video, lengths = draw_clips(workload.args, 8, 2)
    values = [workload.build(kind, way, "fp32", video, lengths)() for way in WAYS[kind]]
    *same, bare = values
    if kind == "training":  # without HFAM the loss is another one
        assert 0 < same.pop(5) < same[0]
    for one, other in pairwise(same):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)
    assert torch.isfinite(bare).all()


def test_ways_in_half_precision(workload):
    """As on a GPU, though a processor may emulate it."""
    video, lengths = draw_clips(workload.args, 8, 2)
    for kind in WAYS:
        expected = workload.build(kind, MAIN, "fp32", video, lengths)()
        for way in WAYS[kind][:3]:
            found = workload.build(kind, way, "bf16", video, lengths)()
            assert 0 < float((found - expected).abs().max()) < 0.2 * float(expected.abs().max())


def test_the_rate_of_a_loader_leaves_out_the_first_batches(monkeypatch):
    now = iter([10.0, 12.0])
    monkeypatch.setattr("benchmarks.gpu.processor.time.perf_counter", lambda: next(now))
    assert measure_rate([(None, [1000]), (None, [3, 4]), (None, [5])], warm=1) == pytest.approx(12 / 2)


def test_clips_are_repeated_under_other_names():
    manifest = Manifest("phoenix2014", "train", 256, tuple(Clip(n, n, "s", ("GLOSS",), 30) for n in "ab"))
    clips = repeat_clips(manifest, 3).clips
    assert [clip.folder for clip in clips] == ["a", "b"] * 3
    assert len({clip.id for clip in clips}) == 6


@pytest.mark.parametrize(
    ("step", "limit"),
    [
        (Step(3000, loader=2900, launches=0.9, memory=1e-4, arithmetic=2e-4), "loader"),
        (Step(3000, loader=3100, launches=0.9, memory=1e-4, arithmetic=2e-4), "launches"),
        (Step(3000, loader=3100, launches=0.5, memory=1e-4, arithmetic=2e-4), "launches"),
        (Step(3000, loader=3100, launches=0.4, memory=1e-4, arithmetic=2e-4), "arithmetic"),
        (Step(3000, loader=None, launches=None, memory=3e-4, arithmetic=2e-4), "memory"),
        (Step(3000, loader=3100, launches=0.1), "unknown"),
    ],
)
def test_what_limits(step, limit):
    assert find_limit(step) == limit


def test_the_small_form_of_table_and_summary():
    found = list(table.run(Task(CPU, small=True)))
    names = {finding.name: finding for finding in found}
    assert len(names) == len(found)
    for kind, ways in WAYS.items():
        assert all(names[f"{kind}, fp32, {way.name}"].value > 0 for way in ways)
        assert names[f"{kind}, fp32, ours, compiled"].note == "no CUDA device"
    assert names["loader, PNG"].value > 10
    assert names["decoding"].value > 0.01
    assert names["longest batch, fp32, recompute stages"].outcome == "skipped"
    said = {finding.name: finding for finding in summary.run(Task(CPU, True, {"table": found}))}
    lines = said["training in Markdown"].note.splitlines()
    assert len(lines) == 2 + len(WAYS["training"])
    assert lines[2].startswith("| published 3-D form | fp32 | 1.00 | ")
    assert len({line.count("|") for line in lines}) == 1
    assert said["what limits training on PNG frames"].outcome == "skipped"  # its step has hardly any frames


def test_the_summary_by_hand():
    details = {
        "kind": "training", "precision": "bf16", "way": "ours", "frames": 312, "padded": 336, "seconds": 0.104,
        "ratio": 0.25, "peak_mib": 9000.0, "share": 0.55, "memory_seconds": 113e-6, "arithmetic_seconds": 38e-6,
    }  # fmt: skip
    found = [
        Finding("training, bf16, ours", "number", 1 / 3, "ms a frame", details=details),
        number("loader, PNG", 2999.0, "frames/s"), number("loader, JPG", 9000.0, "frames/s"),
        number("a step on few frames", 26.0, "ms", "few"),
    ]  # fmt: skip
    said = {finding.name: finding for finding in summary.run(Task(CPU, False, {"table": found}))}
    row = "| ours | bf16 | 0.25 | 0.333 | 3000 | 9000 | 55 % |"
    assert said["training in Markdown"].note.splitlines()[-1] == row
    assert said["what limits training on PNG frames"].value == "loader"
    limit = said["what limits training on JPG frames"]
    assert limit.value == "memory"
    assert "takes 25 % of the time" in limit.note
    assert said["other figures in Markdown"].note.splitlines()[-1] == "| a step on few frames | 26 ms | few |"
    (nothing,) = summary.run(Task(CPU, False))
    assert nothing.outcome == "skipped"
