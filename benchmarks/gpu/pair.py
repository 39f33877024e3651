"""One small network twice, on the CPU and on the device: what the section `tools` compares."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import cast

import numpy as np
import torch
from torch import nn

from benchmarks.gpu.section import Task
from benchmarks.random_network import enliven
from config.load import load_config
from config.schema import Config
from dataset.crop import crop_and_resize
from dataset.synthetic.generate import plan_corpus, render_clip
from dataset.vocabulary import Vocabulary
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.torch_network import TorchNetwork
from slr_network import SLRModel, build_model

KEYS = {
    "dataset": "phoenix2014", "precision": "fp32", "model_args.c2d_type": "resnet18", "model_args.pretrained": "none",
    "model_args.width": 16, "model_args.hidden_size": 32, "model_args.weight_norm": False, "feeder_args.input_size": 64,
}  # fmt: skip
"""The configuration of the small network."""
FRAME_SIZE, RATE = 72, 25.0  # pixels and frames a second
FRAMES = 60
GLOSSES = ("EINS", "ZWEI", "DREI", "VIER", "FUENF")
SHARPNESS = 8.0
"""What the classifier is multiplied by, so that a network with random weights reads something."""
SAME, SAME_HEAT = 1e-4, 1e-2
"""Of values as a share of the largest one; of heat by norms, as a share of all of it: where a value before a
ReLU is zero but for rounding, a gradient jumps."""


@dataclass(frozen=True)
class Pair:
    """The same network on the CPU and on the device, and the clip that both read.

    Attributes:
        cpu: on the CPU.
        device: on the device.
        frames: the clip, (T, S, S, 3) uint8 RGB.
        small: whether one format of exports is enough.
        end: the time by the monotonic clock after which nothing more is exported.
    """

    cpu: Recogniser[TorchNetwork]
    device: Recogniser[TorchNetwork]
    frames: np.ndarray
    small: bool
    end: float

    @cached_property
    def both(self) -> tuple[Recogniser[TorchNetwork], Recogniser[TorchNetwork]]:
        """The one on the device, and the one on the CPU."""
        return self.device, self.cpu


def build_pair(task: Task) -> Pair:
    """Build a small network with random weights, twice, and render a clip of signing."""
    config = load_config(None, KEYS)[0]
    torch.manual_seed(0)
    model = enliven(build_model(config.model_args, len(GLOSSES) + 1, pretrained=False), config.feeder_args.input_size)
    with torch.no_grad():
        cast(nn.Linear, model.eval().classifier).weight.mul_(SHARPNESS)
    frames = np.stack(list(islice(render_frames(), FRAMES)))
    cpu, device = (build_recogniser(model, config, place) for place in (torch.device("cpu"), task.device))
    return Pair(cpu, device, frames, task.small, time.monotonic() + task.seconds / 2)


def render_frames() -> Iterator[np.ndarray]:
    """Render frames of signing one after the other, (S, S, 3) uint8 RGB."""
    for clip in plan_corpus(12, (8, 0, 0), seed=0):
        for frame in render_clip(clip, seed=0):
            yield crop_and_resize(frame, FRAME_SIZE)


def build_recogniser(
    model: SLRModel, config: Config, device: torch.device, precision: str = "fp32"
) -> Recogniser[TorchNetwork]:  # fmt: skip
    """Build a recogniser with a copy of a network on a device."""
    network = TorchNetwork(copy.deepcopy(model).to(device), precision)
    return Recogniser(network, config, Vocabulary(GLOSSES), FRAME_SIZE, RATE)


def share(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference as a share of the largest value; NaN where the shapes differ."""
    if found.shape != expected.shape:
        return float("nan")
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def share_of_norm(found: np.ndarray, expected: np.ndarray) -> float:
    """The norm of the difference as a share of the norm."""
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
