"""Section 2: the published networks' numbers on the device, and one training step there against the CPU's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.gpu.fixtures import FIXTURES, LOSSES, Expected, Fixture, load_expected
from benchmarks.gpu.measure import free_memory
from benchmarks.gpu.section import Finding, Task, attempt, check_below, number, skip
from benchmarks.gpu.subjects import build_network, draw_batch
from modules.losses import SLRCriterion
from modules.output import SLROutput
from slr_network import SLRModel, for_recognition
from utils.precision import use_precision, without_tf32

FLOAT32, FLOAT64 = 1e-4, 1e-9
"""How far the published numbers may be missed, as a share of the largest value."""
STEP = {torch.float64: (1e-8, 1e-8), torch.float32: (3e-5, 0.05)}
"""How far loss and gradient of a step may be from the CPU's in float64, as a share of them.

In float32 on the CPU, over the options, on one thread and on two, losses are up to 9e-6 off, and gradients 1e-5 to
0.014: the sums of BatchNorm round, and tip over a few maxima and ReLUs. With BatchNorm in float64 all gradients but one
are within 2e-4. So a gradient shows mistakes alone, and the loss shows TF32: convolutions that are off by 3e-4 of each
value, about as TF32's are, move it by 6e-5 or more.
"""
ARRAYS = {
    "grad_conv1": ("conv2d.conv1.weight", 0),
    "grad_alpha": ("conv2d.alpha", 0),
    "grad_corr1_down_conv2": ("conv2d.corr1.down_conv2.weight", 8),
    "bn1_running_mean": ("conv2d.bn1.running_mean", 0),
    "bn1_running_var": ("conv2d.bn1.running_var", 0),
}
"""An array of a file -> the weight whose gradient it is, or the statistics; and how many input channels it has, 0: all.
"""
CHEAPEST = FIXTURES["evaluation"][2]
"""The file that a CPU is done with in seconds."""


def run(task: Task) -> Iterator[Finding]:
    """Compare with every file of numbers, then with the CPU over the options; the small form reads one file."""
    for fixture in (CHEAPEST,) if task.small else FIXTURES["evaluation"]:
        yield from attempt(f"float32 {fixture.name}", partial(compare_evaluation, fixture, task.device))
    if task.small:
        yield skip("float64 training", "small form")
        yield skip("tf32, bf16 and fp16", "small form")
    else:
        for fixture in FIXTURES["training"]:
            yield from attempt(f"float64 {fixture.name}", partial(compare_training, fixture, task.device))
        first = FIXTURES["evaluation"][0]
        yield from attempt("tf32, bf16 and fp16", partial(compare_formats, first, task.device))
    for option in OPTIONS:
        yield from attempt(f"step, {option.name}", partial(compare_step, option, task.device))


def compare_evaluation(fixture: Fixture, device: torch.device) -> Iterator[Finding]:
    """Compare the logits of a network in evaluation, in float32 with all its digits."""
    free_memory(device)
    expected = load_expected(fixture)
    with without_tf32(device):
        difference = compare_heads(recognise(expected, device), expected)
    yield check_below(f"float32 {fixture.name}", difference, FLOAT32)


def recognise(expected: Expected, device: torch.device) -> SLROutput:
    """Run a network in evaluation, HFAM with it where there is one."""
    model = expected.model.to(device).eval()
    with torch.inference_mode():
        return model(expected.video.to(device), expected.lengths, with_scales=model.HFEAM is not None)


def compare_heads(output: SLROutput, expected: Expected) -> float:
    """The largest difference of logits, as a share of a head's largest value; infinite if lengths are others."""
    if output.lengths.tolist() != expected.arrays["feat_len"].tolist():
        return float("inf")
    heads = {"sequence_logits": output.sequence_logits, "conv_logits": output.conv_logits}
    heads |= {f"aux_logits_{level}": logits for level, logits in enumerate(output.scale_logits or ())}
    return max(relate(logits, expected.arrays[name]) for name, logits in heads.items() if name in expected.arrays)


def relate(value: Tensor, expected: np.ndarray) -> float:
    """The largest difference, as a share of the largest value that is expected."""
    return float(np.abs(value.detach().cpu().double().numpy() - expected).max() / np.abs(expected).max())


def compare_training(fixture: Fixture, device: torch.device) -> Iterator[Finding]:
    """Compare outputs, losses and gradients of one step in float64."""
    free_memory(device)
    expected = load_expected(fixture)
    model = expected.model.to(device).double().train()
    output = model(expected.video.to(device).double(), expected.lengths)
    terms = expected.criterion(output, expected.targets, expected.target_lengths)
    terms["total"].backward()
    differences = [compare_heads(output, expected), *compare_losses(terms, expected.arrays)]
    differences += compare_gradients(model, expected.arrays) + compare_arrays(model, expected.arrays)
    yield check_below(
        f"float64 {fixture.name}", max(differences), FLOAT64, note="logits, losses, gradients, statistics"
    )


def compare_losses(terms: Mapping[str, Tensor], arrays: Mapping[str, np.ndarray]) -> list[float]:
    """The relative difference of each term that the file has, under its own name or that of the published code."""
    published = {"SeqCTC": "seq_ctc", "ConvCTC": "conv_ctc", "Dist": "dist"}
    published |= {f"AuxCTC{level + 1}": f"aux_ctc_{level}" for level in range(3)}
    found = []
    for term, loss in terms.items():
        names = (f"loss_{term}", f"loss_{published.get(term)}")
        held = next(float(arrays[name]) for name in names if name in arrays)
        found.append(abs(loss.item() - held) / abs(held))
    return found


def compare_gradients(model: SLRModel, arrays: Mapping[str, np.ndarray]) -> list[float]:
    """The relative difference of each gradient's norm; gradients that vanish are compared as they are."""
    held = dict(zip(arrays["grad_names"].tolist(), arrays["grad_norms"].tolist(), strict=True))
    own = {name: weight.grad.norm().item() for name, weight in model.named_parameters() if weight.grad is not None}
    if own.keys() != held.keys():
        return [float("inf")]
    return [abs(own[name] - norm) / max(abs(norm), 1.0) for name, norm in held.items()]


def compare_arrays(model: SLRModel, arrays: Mapping[str, np.ndarray]) -> list[float]:
    """The differences of the gradients and statistics that the file has in full."""
    found = dict(model.named_buffers()) | {name: weight.grad for name, weight in model.named_parameters()}
    differences = []
    for array, (name, channels) in ARRAYS.items():
        value = found.get(name)
        if array in arrays and value is not None:
            differences.append(relate(value[:, :channels] if channels else value, arrays[array]))
    return differences


def compare_formats(fixture: Fixture, device: torch.device) -> Iterator[Finding]:
    """Measure how far TF32, bf16 and fp16 move the logits of the published network."""
    free_memory(device)
    expected = load_expected(fixture)
    for precision in ("tf32", "bf16", "fp16"):
        use_precision(precision, device)
        network = for_recognition(expected.model.to(device).eval(), precision)
        with torch.inference_mode():
            difference = compare_heads(network(expected.video.to(device), expected.lengths), expected)
        yield number(f"{precision} {fixture.name}", difference, note="difference as a share of the largest logit")


@dataclass(frozen=True)
class Option:
    """A way to train that is compared with the CPU.

    Attributes:
        name: how the line calls it.
        lengths: the real frames of each clip.
        switches: arguments of `SLRModel`.
        change: what is done to the network before the step.
        losses: the weights of the losses that differ from MSTFNet's.
        on_features: whether the network gets the backbone's features instead of frames.
    """

    name: str
    lengths: tuple[int, ...] = (12, 8)
    switches: Mapping[str, Any] = field(default_factory=dict)
    change: Callable[[SLRModel], object] = lambda model: model
    losses: Mapping[str, float] = field(default_factory=dict)
    on_features: bool = False


def _recompute(level: str) -> Callable[[SLRModel], None]:
    def change(model: SLRModel) -> None:
        model.conv2d.recompute.level = level

    return change


NO_HFAM = {"AuxCTC": 0.0}
OPTIONS = (
    Option("unequal clips, masked"),
    Option("unequal clips, not masked", switches={"mask_padding": False}),
    Option("equal clips", (8, 8)),
    Option("one clip", (12,)),
    Option("share_heads", switches={"share_heads": True}),
    Option("freeze_bn", change=lambda model: model.conv2d.freeze_norms()),
    Option("recompute none", change=_recompute("none")),
    Option("recompute stages", change=_recompute("stages")),
    Option("AuxCTC 0", losses=NO_HFAM),
    Option("features", losses=NO_HFAM, on_features=True),
    Option("fusion correlation", switches={"fusion": "correlation"}),
    Option("fusion none", switches={"fusion": "none"}),
    Option("pooling max", switches={"pooling": "max"}),
    Option("two linear classifiers", switches={"weight_norm": False, "share_classifier": False}),
    Option("losses of lift pooling", losses={"Cu": 0.001, "Cp": 0.001}),
)


def compare_step(option: Option, device: torch.device) -> Iterator[Finding]:
    """Compare loss and gradient of one step with the CPU's in float64: in float32, and on CUDA in float64 too."""
    loss, gradient = compute_step(option, torch.device("cpu"), torch.float64)
    for dtype, (most_of_loss, most_of_gradient) in STEP.items():
        if dtype == torch.float64 and device.type == "cpu":
            continue  # it would be compared with itself
        own_loss, own_gradient = compute_step(option, device, dtype)
        name = f"step in {str(dtype).removeprefix('torch.')}, {option.name}"
        yield check_below(f"{name}, loss", abs(own_loss - loss) / abs(loss), most_of_loss)
        yield check_below(
            f"{name}, gradient", float((own_gradient - gradient).norm() / gradient.norm()), most_of_gradient
        )


def compute_step(option: Option, device: torch.device, dtype: torch.dtype) -> tuple[float, Tensor]:
    """Compute the loss and the gradient of all weights, one after the other, on the CPU in float64."""
    model = build_network(dropout=0.0, **option.switches)
    option.change(model)
    model.to(device, dtype).train()
    criterion = SLRCriterion({**LOSSES["mstfnet"], **option.losses}, model.mask_padding)
    batch = draw_batch(option.lengths).to(device)
    with without_tf32(device):
        video = batch.video
        if option.on_features:
            with torch.no_grad():
                video = model.frame_features(video, batch.lengths)  # (B, T, C)
        scales = None if criterion.weights["AuxCTC"] else False
        output = model(video, batch.lengths, scales)
        loss = criterion(output, batch.targets, batch.target_lengths)["total"]
        loss.backward()
    gradients = [weight.grad.flatten() for weight in model.parameters() if weight.grad is not None]
    return loss.item(), torch.cat([gradient.cpu().double() for gradient in gradients])
