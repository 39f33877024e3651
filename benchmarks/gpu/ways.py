"""The ways to compute the network that the table compares."""

from __future__ import annotations

import argparse
import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.network import build_bare_backbone
from benchmarks.reference3d import Reference3d
from benchmarks.work import LOSSES, Work, train_bare_backbone, train_network, without_gradients
from slr_network import SLRModel, fuse_for_inference
from utils.precision import DTYPES

PUBLISHED, OURS, BARE = "published", "ours", "bare"


@dataclass(frozen=True)
class Way:
    """A way to compute.

    Attributes:
        name: how the table calls it.
        network: the published 3-D form, ours, or the bare backbone.
        channels_last: whether the 3-D form is stored channels-last.
        hfam: whether HFAM is trained.
        recompute: the configuration's `recompute`.
        chunk: the frames that recognition computes at a time; 0: as many as it takes by itself.
        benchmark: whether cuDNN tries its algorithms.
        compiled: whether the backbone is compiled.
    """

    name: str
    network: str = OURS
    channels_last: bool = False
    hfam: bool = True
    recompute: str = "blocks"
    chunk: int = 0
    benchmark: bool = False
    compiled: bool = False


FIRST = Way("published 3-D form", PUBLISHED)
FIRST_CHANNELS_LAST = Way("3-D form, channels-last", PUBLISHED, channels_last=True)
MAIN = Way("ours")
STAGES = Way("ours, recompute stages", recompute="stages")
BENCHMARK = Way("ours, cuDNN's benchmark mode", benchmark=True)
LAST = Way("bare backbone", BARE)
COMPILED = Way("ours, compiled", compiled=True)
WAYS = {
    "training": (
        FIRST, FIRST_CHANNELS_LAST, MAIN, Way("ours, recompute none", recompute="none"), STAGES,
        Way("ours, without HFAM (AuxCTC 0)", hfam=False), BENCHMARK, LAST,
    ),
    "recognition": (
        FIRST, FIRST_CHANNELS_LAST, MAIN, Way("ours, 64 frames at a time", chunk=64),
        Way("ours, all frames at once", chunk=2**20), BENCHMARK, LAST,
    ),
}  # fmt: skip
"""The ways of each kind of work, in the order of the table. Compiling takes a minute and comes at the very end."""


@dataclass(frozen=True)
class Workload:
    """The network that is computed in all these ways.

    Attributes:
        model: the network with its weights, on the CPU; it is copied, not changed.
        args: the settings of `benchmarks.network`, of which `backbone` and `device` count here.
    """

    model: SLRModel
    args: argparse.Namespace

    def build(self, kind: str, way: Way, precision: str, video: Tensor, lengths: Tensor) -> Work:
        """Prepare a computation.

        Args:
            kind: "training", a step without the optimiser; or "recognition".
            way: how it is computed.
            precision: the number format; the switches of PyTorch for it are set already.
            video: the clips (B, T_pad, 3, H, W) uint8, on the device.
            lengths: their frames (B,), before padding.
        """
        training = kind == "training"
        if way.network == BARE:
            bare, images = build_bare_backbone(self.args, video)
            network = Autocast(bare, DTYPES[precision])
            return train_bare_backbone(network, images) if training else without_gradients(network.eval(), images)
        if way.network == PUBLISHED:
            published = self.build_published(way, precision)
            if training:
                return train_network(published, video, lengths)
            return without_gradients(published.eval(), video, lengths)
        return (self.build_step if training else self.build_recognition)(way, precision, video, lengths)

    def build_step(self, way: Way, precision: str, video: Tensor, lengths: Tensor) -> Work:
        """Prepare a training step of our network; the arguments are those of `build`."""
        model = copy.deepcopy(self.model).to(self.args.device)
        model.autocast = DTYPES[precision]
        model.conv2d.recompute.level = way.recompute
        if way.compiled:
            model.conv2d.compile_for_training()
        return train_network(model, video, lengths, LOSSES | ({} if way.hfam else {"AuxCTC": 0.0}))

    def build_recognition(self, way: Way, precision: str, video: Tensor, lengths: Tensor) -> Work:
        """Prepare recognition by our network; the arguments are those of `build`."""
        fused = fuse_for_inference(self.model, DTYPES[precision]).to(self.args.device)
        fused.frame_chunk = min(way.chunk, video.shape[1])
        if way.compiled:
            fused.conv2d.compile_stages()
        return without_gradients(fused, video, lengths)

    def build_published(self, way: Way, precision: str) -> nn.Module:
        """Build the 3-D form with the weights of the network."""
        network = Reference3d(self.model, self.args.backbone).to(self.args.device)
        network.autocast = DTYPES[precision]
        return network.to(memory_format=torch.channels_last_3d) if way.channels_last else network


class Autocast(nn.Module):
    """A network whose layers compute in a number format, and whose weights stay float32."""

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network
        self.dtype = dtype

    def forward(self, x: Tensor) -> Tensor:
        """Compute what the network gives, in float32."""
        with torch.autocast(x.device.type, self.dtype, enabled=self.dtype != torch.float32):
            return self.network(x).float()
