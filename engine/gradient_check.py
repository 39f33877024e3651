"""Does a device compute the gradients that the CPU computes? Asked before a training on Apple's GPUs (MPS).

Some versions of PyTorch compute wrong gradients of BatchNorm and LSTM there, without a word, where maps lie
channels-last in memory, as they do here (https://github.com/pytorch/pytorch/issues/175189).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from modules.losses import SLRCriterion
from slr_network import SLRModel, build_model
from utils.errors import InputError
from utils.temporal import TemporalSpec

if TYPE_CHECKING:
    from config.schema import Config

CPU = torch.device("cpu")
ALLOWED = 0.1
"""How far a gradient may be off, as a share of its length: rounding in float32 makes 0.02 at most, the fault 0.5."""
CLASSES, FRAMES, SIDE = 5, (12, 8), 64  # of the small network, and of the two clips that it sees


def choose_training_device(config: Config, device: torch.device) -> tuple[torch.device, str]:
    """Give the device to train on, and a line for the log where it is another one.

    Args:
        config: the run's configuration.
        device: the device that the configuration's `device` means.

    Raises:
        InputError: MPS was asked for by name, and computes wrong gradients.
    """
    problem = find_wrong_gradient(config, device) if device.type == "mps" else ""
    if not problem:
        return device, ""
    problem = f"PyTorch {torch.__version__} cannot train this network on {device}: {problem}"
    if config.device != "auto":
        raise InputError(f"{problem}; use --device cpu, or a newer PyTorch (recognition is not concerned)")
    return CPU, f"warning: {problem}; the CPU is used"


def find_wrong_gradient(config: Config, device: torch.device, reference: torch.device = CPU) -> str:
    """Compare the gradients of one step of a small network on two devices.

    Args:
        config: the run's configuration, which says of what parts the network is.
        device: the device in question.
        reference: the device that is right.

    Returns:
        what is wrong; empty if nothing is.
    """
    expected = compute_gradients(config, reference)
    try:
        found = compute_gradients(config, device)
    except RuntimeError as error:  # an operation that does not exist there, or that fails
        return str(error).strip().splitlines()[0]
    name, share = compare_gradients(found, expected)
    return "" if share <= ALLOWED else f"its gradient of {name} is {100 * share:.0f} % off the right one"


def compute_gradients(config: Config, device: torch.device) -> dict[str, Tensor]:
    """Compute the gradient of every weight of a small network in one training step, on a device.

    The network has the parts of the configuration's, few channels and no dropout; it and its clips are the same each
    time. The loss is that of the sequence head, with HFAM's where there is one: the terms of the convolutional head do
    not go through the LSTM, and would hide its part. No random state changes.
    """
    args = replace(config.model_args, width=16, hidden_size=16, dropout=0.0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build_model(args, CLASSES, pretrained=False)
        video = torch.rand(len(FRAMES), TemporalSpec(args.conv_type).padded_length(max(FRAMES)), 3, SIDE, SIDE)
    criterion = SLRCriterion({"SeqCTC": 1.0, "AuxCTC": float(args.hfam)})
    return _step(model.to(device).train(), criterion, video)


def _step(model: SLRModel, criterion: SLRCriterion, video: Tensor) -> dict[str, Tensor]:
    output = model(2 * video.to(model.device) - 1, torch.tensor(FRAMES))
    labels = torch.arange(1, len(FRAMES) + 1)  # one gloss a clip
    criterion(output, labels, torch.ones_like(labels))["total"].backward()
    return {name: weight.grad.cpu() for name, weight in model.named_parameters() if weight.grad is not None}


def compare_gradients(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> tuple[str, float]:
    """Find the weight whose gradient is farthest from the right one.

    Args:
        found: gradients by the names of their weights.
        expected: the right ones.

    Returns:
        its name, and how far the gradient is off, as a share of its length. Gradients that are short beside the
        longest count as a hundredth of that, since they are mostly rounding; what is not finite is infinitely far.
    """
    floor = max(float(gradient.norm()) for gradient in expected.values()) / 100
    shares = {
        name: float((found[name] - right).norm()) / max(float(right.norm()), floor) for name, right in expected.items()
    }
    shares = {name: share if share < float("inf") else float("inf") for name, share in shares.items()}
    worst = max(shares, key=shares.__getitem__)
    return worst, shares[worst]
