"""ResNet of basic blocks, run on every frame, with STF after its last three stages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from modules.convolution import SpatialConv
from modules.fusion import SpatioTemporalFusion

BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016, figure 5 left)."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = SpatialConv(in_channels, channels, 3, stride, padding=1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = SpatialConv(channels, channels, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = None
        if stride != 1 or in_channels != channels:
            self.downsample = nn.Sequential(
                SpatialConv(in_channels, channels, 1, stride), nn.BatchNorm2d(channels)
            )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, channels, H/stride, W/stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(out)) + shortcut)


class ResNet(nn.Module):
    """The backbone: one feature vector a frame.

    Args:
        backbone: "resnet18" or "resnet34".
        width: channels of the first stage; the last has 8 times as many. The published network has 64.
    """

    def __init__(self, backbone: str = "resnet34", width: int = 64) -> None:
        super().__init__()
        if backbone not in BLOCKS:
            raise ValueError(f"backbone is {backbone!r}; choose one of {sorted(BLOCKS)}")
        if width < 8 or width % 8:
            raise ValueError(f"width is {width}; it must be a positive multiple of 8")
        self.out_channels = 8 * width
        self.frozen_norms = False  # True: BatchNorm uses and keeps the statistics it was loaded with
        self.checkpoint_stages = False  # True: training keeps no maps inside a stage, and computes them again
        self.alpha = nn.Parameter(torch.zeros(3))
        self.conv1 = SpatialConv(3, width, 7, stride=2, padding=3)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels = width
        for i, blocks in enumerate(BLOCKS[backbone]):
            out = width * 2**i
            layers = [BasicBlock(channels, out, 1 if i == 0 else 2)]
            layers += [BasicBlock(out, out, 1) for _ in range(blocks - 1)]
            setattr(self, f"layer{i + 1}", nn.Sequential(*layers))
            if i > 0:
                setattr(self, f"stf{i}", SpatioTemporalFusion(out))
            channels = out
        for module in self.modules():
            if isinstance(module, SpatialConv):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def train(self, mode: bool = True) -> ResNet:
        """As `nn.Module.train`, but frozen norms stay in evaluation mode."""
        super().train(mode)
        if self.frozen_norms:
            for norm in norms(self):
                norm.eval()
        return self

    def freeze_norms(self) -> None:
        """From now on no training changes a BatchNorm: neither its statistics nor its weights."""
        self.frozen_norms = True
        for norm in norms(self):
            norm.requires_grad_(False)
        self.train(self.training)

    def compile_stages(self) -> None:
        """For recognition: compile the stages when they first run."""
        self.first_stages = torch.compile(self.first_stages)
        self.layer3.compile()
        self.layer4.compile()

    def first_stages(self, x: Tensor) -> Tensor:
        """What comes before the first STF: (N, 3, H, W) -> (N, 2*width, H/8, W/8)."""
        return self.layer2(self.layer1(self.stem(x)))

    def stem(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, width, H/4, W/4); the maximum before ReLU, which then has a quarter of the values."""
        return self.relu(self.maxpool(self.bn1(self.conv1(x))))

    def forward(self, x: Tensor, batch: int, mask: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
        """Features of every frame.

        Args:
            x: frames (B*T, 3, H, W), channels-last.
            batch: B.
            mask: (B, T), zero past each clip's end; None if no clip ends early.

        Returns:
            features (B, 8*width, T), and the outputs of layers 2, 3 and 4 before their STF, (B*T, C, H, W) each.
        """
        x = self._stage(lambda maps: self.layer1(self.stem(maps)), x)
        levels = []
        for i, (layer, fusion) in enumerate(
            ((self.layer2, self.stf1), (self.layer3, self.stf2), (self.layer4, self.stf3))
        ):
            x = self._stage(layer, x)
            levels.append(x)
            x = self._stage(lambda maps, i=i, fusion=fusion: maps + self.alpha[i] * fusion(maps, batch, mask), x)
        features = x.mean((2, 3))  # (B*T, C)
        return features.view(batch, -1, self.out_channels).transpose(1, 2), levels

    def _stage(self, stage: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """`stage(x)`; with `checkpoint_stages` what it computes on the way is computed again for the gradients."""
        if not (self.checkpoint_stages and self.training and torch.is_grad_enabled()):
            return stage(x)
        return checkpoint(
            stage, x, use_reentrant=False, preserve_rng_state=False, context_fn=lambda: (nullcontext(), still(self))
        )


@contextmanager
def still(module: nn.Module) -> Iterator[None]:
    """While it is open, no BatchNorm of a module updates its running statistics."""
    found = norms(module)
    before = [(norm.momentum, norm.num_batches_tracked) for norm in found]
    for norm in found:
        norm.momentum, norm.num_batches_tracked = 0.0, norm.num_batches_tracked.clone()
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(found, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, count


def norms(module: nn.Module) -> list[nn.Module]:
    """Every BatchNorm in a module."""
    return [part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm)]
