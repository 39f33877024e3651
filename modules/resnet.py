"""The backbone: a ResNet of basic blocks, run on every frame, with fusions that see a frame's neighbours.

Names and steps are those of torchvision's models/resnet.py. What differs: there is no classifier `fc`, kernels are
stored as 3-D ones, the stem pools before its ReLU (the result is the same), a fusion follows some stages, and
`recompute` decides which maps (activations) stay in memory for the backward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from modules.batch_norm import find_batch_norms
from modules.convolution import SpatialConv
from modules.correlation import CorrelationFusion
from modules.fusion import FUSIONS, SpatioTemporalFusion
from modules.recompute import Recompute
from modules.stages import FUSION_AFTER, STAGES, name_fusions

BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016, figure 5 left).

    Args:
        in_channels: C.
        channels: C'.
        stride: the stride of the first convolution.
        downsample: what the shortcut does where the shapes differ.
        recompute: the network's decision which maps to keep.
    """

    def __init__(
        self, in_channels: int, channels: int, stride: int, downsample: nn.Module | None, recompute: Recompute
    ) -> None:  # fmt: skip
        super().__init__()
        self.conv1 = SpatialConv(in_channels, channels, 3, stride, padding=1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = SpatialConv(channels, channels, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(channels)
        self.downsample = downsample
        self.recompute = recompute

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H/stride, W/stride)."""
        identity = x

        out = self.conv1(x)
        # What bn1 and relu give is as large as what conv1 gives, and far cheaper to compute again than to keep.
        out = self.recompute.layers(out, self.bn1, self.relu, self.conv2)
        out = self.bn2(out)

        if self.downsample is not None:
            identity = self.downsample(x)

        out += identity
        return self.relu(out)


class Stage(NamedTuple):
    """A stage of the network and what follows it.

    Attributes:
        layer: the blocks.
        fusion: the fusion after them, if there is one.
        alpha: how much of the fusion is added, one learned number.
    """

    layer: nn.Sequential
    fusion: SpatioTemporalFusion | None
    alpha: Tensor | None


class ResNet(nn.Module):
    """One feature vector for every frame.

    Args:
        backbone: "resnet18" or "resnet34".
        width: channels of the first stage; the last has 8 times as many. The published network has 64.
        fusion: the kind of fusion, a key of `FUSIONS`; or "none".
        fusion_after: the numbers of the stages that a fusion follows, in increasing order.

    Attributes:
        recompute: which maps stay in memory for the backward pass; its `level` may be changed at any time.
        fusions: each stage that a fusion follows -> the name of that fusion.
        frozen_norms: whether BatchNorm keeps, in training too, what it was loaded with.
    """

    def __init__(
        self, backbone: str = "resnet34", width: int = 64, fusion: str = "stf",
        fusion_after: Sequence[int] = FUSION_AFTER,
    ) -> None:  # fmt: skip
        super().__init__()
        if backbone not in BLOCKS:
            raise ValueError(f"backbone is {backbone!r}; choose one of {sorted(BLOCKS)}")
        if width < 8 or width % 8:
            raise ValueError(f"width is {width}; it must be a positive multiple of 8")
        self.out_channels = 8 * width
        self.frozen_norms = False
        self.recompute = Recompute()
        self.fusions = name_fusions(fusion, fusion_after)
        if self.fusions:
            # Zero, so that training starts from the plain ResNet, whose ImageNet weights know nothing of fusions.
            self.alpha = nn.Parameter(torch.zeros(len(self.fusions)))
        self.conv1 = SpatialConv(3, width, 7, stride=2, padding=3)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        in_channels = width
        # Each fusion is made right after its stage: optimisers in checkpoints know the weights by their order.
        for i, (name, blocks) in enumerate(zip(STAGES, BLOCKS[backbone], strict=True)):
            channels = width * 2**i
            setattr(self, name, self._make_layer(in_channels, channels, blocks, stride=1 if i == 0 else 2))
            if name in self.fusions:
                setattr(self, self.fusions[name], FUSIONS[fusion](channels))
            in_channels = channels
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def _make_layer(self, in_channels: int, channels: int, blocks: int, stride: int) -> nn.Sequential:
        downsample = None
        if stride != 1 or in_channels != channels:
            downsample = nn.Sequential(SpatialConv(in_channels, channels, 1, stride), nn.BatchNorm2d(channels))
        layers = [BasicBlock(in_channels, channels, stride, downsample, self.recompute)]
        layers += [BasicBlock(channels, channels, 1, None, self.recompute) for _ in range(blocks - 1)]
        return nn.Sequential(*layers)

    @property
    def layers(self) -> tuple[str, ...]:
        """The names of the stages and fusions, whose maps can be looked at."""
        return (*STAGES, *self.fusions.values())

    @property
    def stages(self) -> list[Stage]:
        """The stages with their fusions, in the order of computation."""
        alphas = {name: self.alpha[i] for i, name in enumerate(self.fusions)}
        fusions = {name: getattr(self, fusion) for name, fusion in self.fusions.items()}
        return [Stage(getattr(self, name), fusions.get(name), alphas.get(name)) for name in STAGES]

    @property
    def first_stages(self) -> list[Stage]:
        """The stages up to the first one that a fusion follows, which see one frame alone; all where there is none."""
        stages = self.stages
        first = next((n for n, stage in enumerate(stages, 1) if stage.fusion is not None), len(stages))
        return stages[:first]

    def stem(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, width, H/4, W/4)."""
        x = self.conv1(x)
        # The maximum before ReLU gives the same as after it, and leaves ReLU a quarter of the values.
        return self.recompute.layers(x, self.bn1, self.maxpool, self.relu)

    def forward(
        self, x: Tensor, batch: int, mask: Tensor | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:  # fmt: skip
        """Features of every frame.

        Args:
            x: frames (B*T, 3, H, W), channels-last.
            batch: B.
            mask: (B, T), zero past each clip's end; None if no clip ends early.
            lengths: the number of frames of each clip, (B,), on the CPU: what `mask` says.

        Returns:
            features (B, 8*width, T), and the outputs of layers 2, 3 and 4 before their fusion, (B*T, C, H, W) each.
        """
        x = self.recompute.stage(self.stem, x)
        levels = []
        for stage in self.stages:
            x = self.recompute.stage(stage.layer, x)
            levels.append(x)
            if stage.fusion is not None:
                x = self.recompute.call(add_fusion, x, stage.alpha, stage.fusion, batch, mask, lengths)
        features = x.mean((2, 3))  # (B*T, 8*width)
        return features.view(batch, -1, self.out_channels).transpose(1, 2), levels[1:]

    def train(self, mode: bool = True) -> ResNet:
        """As `nn.Module.train`, but frozen norms stay in evaluation mode."""
        super().train(mode)
        if self.frozen_norms:
            for norm in find_batch_norms([self]):
                norm.eval()
        return self

    def freeze_norms(self) -> None:
        """From now on no training changes a BatchNorm: neither its statistics nor its weights."""
        self.frozen_norms = True
        for norm in find_batch_norms([self]):
            norm.requires_grad_(False)
        self.train(self.training)

    def compile_for_training(self) -> None:
        """Compile what is computed when it first runs: all of it, or the stages alone where correlation stands between.

        The gradients of correlation are computed by hand, which the compiler cannot follow.
        """
        if any(isinstance(stage.fusion, CorrelationFusion) for stage in self.stages):
            for stage in self.stages:
                stage.layer.compile()
        else:
            self.compile()

    def compile_stages(self) -> None:
        """For recognition: compile stem and stages when they first run; fusions are computed as they are."""
        self.stem = torch.compile(self.stem)  # type: ignore[method-assign]  # hides the method
        for stage in self.stages:
            stage.layer.compile()

    def image_weights(self) -> dict[str, Tensor]:
        """The weights and statistics that a ResNet for images has as well, by name."""
        ours = {"alpha", *self.fusions.values()}
        return {name: weight for name, weight in self.state_dict().items() if name.split(".")[0] not in ours}


def add_fusion(
    x: Tensor, alpha: Tensor, fusion: SpatioTemporalFusion, batch: int, mask: Tensor | None, lengths: Tensor | None
) -> Tensor:  # fmt: skip
    """`x + alpha * fusion(x)`: (B*T, C, H, W) -> the same, in the number format of x."""
    return (x + alpha * fusion(x, batch, mask, lengths)).to(x.dtype)  # correlation of float16 is float32
