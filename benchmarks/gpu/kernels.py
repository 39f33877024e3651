"""The convolutions in groups in three forms, and what a shape costs that cuDNN has not seen before."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.convolutions import FORMS, GroupedConvolution, find_grouped_convolutions, make_tensors
from benchmarks.gpu.measure import choose_precisions, free_memory
from benchmarks.gpu.roofline import find_bandwidth
from benchmarks.gpu.section import Finding, Task, check_below, number, skip
from benchmarks.gpu.timing import benchmark_mode, time_kernels, time_once
from slr_network import SLRModel
from utils.precision import DTYPES, use_precision, without_tf32

FULL: Mapping[str, Any] = {"backbone": "resnet34"}
SMALL: Mapping[str, Any] = {"backbone": "resnet18", "width": 16, "hidden_size": 32}
PADDED = 168  # frames of a clip of 156 with its padding
NEW_LENGTHS = {False: (40, 44, 48, 52, 56), True: (60, 64)}
"""Frames of clips that are new to cuDNN, without its benchmark mode and with it. They differ, since both fill one cache
of plans. In benchmark mode a length takes seconds."""
LONGEST = 96  # frames; computed first, so that memory and kernels are loaded
SHORT_LENGTHS, LONGEST_SHORT = (12, 16), 24  # of the small form
LENGTHS_IN_TRAINING, LENGTHS_IN_EVALUATION = 51, 223  # padded lengths of PHOENIX2014
AGREEMENT = 1e-3  # of gradients that are sums of up to 300,000 numbers in float32

Times = Mapping[str, tuple[float, float]]
"""Seconds forward and backward by the name of the form."""


def run(task: Task) -> Iterator[Finding]:
    """Measure each convolution in each form, then new shapes."""
    network, size, padded, repeats = (SMALL, 64, 24, 2) if task.small else (FULL, 224, PADDED, 20)
    cases = find_grouped_convolutions(network, size, 2 * padded)
    yield compare_forms(cases, task.device)
    copying = find_bandwidth(task)
    for precision in choose_precisions(task.device):
        use_precision(precision, task.device)
        measured = []
        for case in cases:
            times = time_forms(case, task.device, DTYPES[precision], repeats)
            measured.append((case, times))
            yield describe_case(case, times, precision, copying)
        yield sum_up(measured, precision, 2 * padded)
    yield from measure_new_lengths(task, network, size)


def list_forms(case: GroupedConvolution) -> list[str]:
    """The forms in which a convolution can be computed."""
    return [form for form in FORMS if form != "shifted" or case.can_be_shifted]


def compare_forms(cases: Sequence[GroupedConvolution], device: torch.device) -> Finding:
    """Compare results and gradients of all forms with those of the first, in float32 with all its digits."""
    worst = 0.0
    with without_tf32(device):
        for case in cases:
            expected, *others = (compute(case, form, device, torch.float32) for form in list_forms(case))
            for other in others:
                pairs = zip(other, expected, strict=True)
                worst = max(worst, *(float((a - b).abs().max() / b.abs().max()) for a, b in pairs))
            free_memory(device)
    note = "the largest difference of a result or a gradient from the first form, as a share of the largest value"
    return check_below("forms agree", worst, AGREEMENT, note=note)


def compute(case: GroupedConvolution, form: str, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Compute the output of a form, and the gradients of maps and kernel."""
    x, weight, gradient = make_tensors(case, form, device, dtype)
    y = FORMS[form][0](x, weight, case.groups)
    return y.detach(), *torch.autograd.grad(y, (x, weight), gradient)


def time_forms(case: GroupedConvolution, device: torch.device, dtype: torch.dtype, repeats: int) -> Times:
    """Measure the median seconds forward and backward of a convolution in each form."""
    times = {}
    for form in list_forms(case):
        x, weight, gradient = make_tensors(case, form, device, dtype)
        work = partial(FORMS[form][0], x, weight, case.groups)
        forward = time_kernels(work, device, repeats)
        backward = partial(torch.autograd.grad, work(), (x, weight), gradient, retain_graph=True)
        times[form] = (forward, time_kernels(backward, device, repeats))
    free_memory(device)
    return times


def describe_case(case: GroupedConvolution, times: Times, precision: str, copying: float) -> Finding:
    """Report the microseconds of a convolution as the network computes it, and of the other forms.

    Args:
        case: the convolution.
        times: its seconds in each form.
        precision: the number format.
        copying: the bytes a second that the device reads and writes when it copies.
    """
    moved = case.count_bytes(DTYPES[precision].itemsize)
    ours = times["channels-last"]
    parts = [
        f"{way} {1e6 * seconds:.0f} us for {size / 1e6:.1f} MB, {100 * size / seconds / copying:.0f} % of copying"
        for way, seconds, size in zip(("forward", "backward"), ours, moved, strict=True)
    ]
    parts += [
        f"{form} {sum(taken) / sum(ours):.2f} times as long" for form, taken in times.items() if form != "channels-last"
    ]
    kernel = f"{case.weight[2]}x{case.weight[3]}"
    name = f"{case.name}, {kernel}, {case.maps[1]} channels in {case.groups} groups, {precision}"
    return number(name, 1e6 * sum(ours), "us", "; ".join(parts), times=dict(times), bytes=moved)


def sum_up(measured: Sequence[tuple[GroupedConvolution, Times]], precision: str, frames: int) -> Finding:
    """Report what all these convolutions take of a step on so many frames, and would in the fastest form of each."""
    ours = sum(case.times * sum(times["channels-last"]) for case, times in measured)
    fastest = sum(case.times * min(map(sum, times.values())) for case, times in measured)
    winners = [(case.name, min(times, key=lambda form: sum(times[form]))) for case, times in measured]
    others = ", ".join(f"{name} {form}" for name, form in winners if form != "channels-last") or "none"
    note = (
        f"forward and backward of {frames} padded frames; {1e3 * fastest:.3g} ms in the fastest form of each; "
        f"faster in another form: {others}"
    )
    return number(f"all grouped convolutions, {precision}", 1e3 * ours, "ms", note, fastest=1e3 * fastest)


def measure_new_lengths(task: Task, network: Mapping[str, Any], size: int) -> Iterator[Finding]:
    """Measure a training step of the backbone on clips of lengths that are new to cuDNN, and on the same again."""
    precision, device = choose_precisions(task.device)[0], task.device
    for benchmark, lengths in NEW_LENGTHS.items():
        name = f"a new length, cuDNN's benchmark mode {'on' if benchmark else 'off'}"
        if benchmark and device.type != "cuda":
            yield skip(name)
            continue
        model = SLRModel(2, **network).to(device).train()
        chosen, longest = (SHORT_LENGTHS, LONGEST_SHORT) if task.small else (lengths, LONGEST)
        with benchmark_mode(benchmark):
            time_step(model, longest, size, DTYPES[precision])
            seconds = [
                [time_step(model, frames, size, DTYPES[precision]) for _ in range(3)] for frames in chosen
            ]  # fmt: skip
        del model
        free_memory(device)
        yield describe_new_lengths(name, seconds, precision)


def describe_new_lengths(name: str, seconds: Sequence[Sequence[float]], precision: str) -> Finding:
    """Report what a new length costs, from the seconds of the first, second and third step with each length."""
    first = statistics.median(taken[0] for taken in seconds)
    again = statistics.median(taken[2] for taken in seconds)
    more = first - again
    note = (
        f"more for a training step of the backbone ({precision}): {1e3 * first:.0f} ms at first, {1e3 * again:.0f} ms "
        f"the third time, medians of {len(seconds)} lengths of one clip; {LENGTHS_IN_TRAINING * more:.1f} s for the "
        f"{LENGTHS_IN_TRAINING} padded lengths in training, at most {LENGTHS_IN_EVALUATION * more:.1f} s for the "
        f"{LENGTHS_IN_EVALUATION} in evaluation"
    )
    return number(name, 1e3 * more, "ms", note)


def time_step(model: SLRModel, frames: int, size: int, dtype: torch.dtype) -> float:
    """Measure the seconds of a training step of the backbone on one clip."""
    device = model.device
    images = torch.randn(frames, 3, size, size, device=device).contiguous(memory_format=torch.channels_last)

    def work() -> None:
        model.zero_grad(set_to_none=True)
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            features, _ = model.conv2d(images, 1)  # (1, C, T)
        features.float().square().mean().backward()

    return time_once(work, device)
