"""ResNet of basic blocks, run on every frame, with STF after its last three stages."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from modules.batch_norm import BatchNorm, Repeats, apply_norm, norms
from modules.convolution import SpatialConv
from modules.fusion import SpatioTemporalFusion
from modules.recompute import recomputed

BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016, figure 5 left)."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = SpatialConv(in_channels, channels, 3, stride, padding=1)
        self.bn1 = BatchNorm(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = SpatialConv(channels, channels, 3, padding=1)
        self.bn2 = BatchNorm(channels)
        self.downsample = None
        if stride != 1 or in_channels != channels:
            self.downsample = nn.Sequential(
                SpatialConv(in_channels, channels, 1, stride), BatchNorm(channels)
            )  # fmt: skip

    def forward(self, x: Tensor, repeats: Repeats | None = None) -> Tensor:
        """(N, C, H, W) -> (N, channels, H/stride, W/stride); `repeats`: frames that count more than once."""
        shortcut = x
        if self.downsample is not None:
            conv, norm = self.downsample
            shortcut = apply_norm(norm, conv(x), repeats)

        def second_convolution(maps: Tensor) -> Tensor:
            return self.conv2(self.relu(apply_norm(self.bn1, maps, repeats)))

        out = recomputed(self, second_convolution, self.conv1(x))
        return self.relu(apply_norm(self.bn2, out, repeats) + shortcut)


class Layer(nn.Sequential):
    """Blocks, one after the other."""

    def forward(self, x: Tensor, repeats: Repeats | None = None) -> Tensor:
        """As `BasicBlock.forward`."""
        for block in self:
            x = block(x, repeats)
        return x


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
        self.bn1 = BatchNorm(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels = width
        for i, blocks in enumerate(BLOCKS[backbone]):
            out = width * 2**i
            layers = [BasicBlock(channels, out, 1 if i == 0 else 2)]
            layers += [BasicBlock(out, out, 1) for _ in range(blocks - 1)]
            setattr(self, f"layer{i + 1}", Layer(*layers))
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

    def first_stages(self, x: Tensor, repeats: Repeats | None = None) -> Tensor:
        """What comes before the first STF: (N, 3, H, W) -> (N, 2*width, H/8, W/8); `repeats` as in `BasicBlock`."""
        x = self._stage(lambda frames: self.layer1(self.stem(frames, repeats), repeats), x)
        return self._stage(lambda maps: self.layer2(maps, repeats), x)

    def stem(self, x: Tensor, repeats: Repeats | None = None) -> Tensor:
        """(N, 3, H, W) -> (N, width, H/4, W/4); the maximum before ReLU, which then has a quarter of the values."""

        def pooled(maps: Tensor) -> Tensor:
            return self.relu(self.maxpool(apply_norm(self.bn1, maps, repeats)))

        return recomputed(self, pooled, self.conv1(x))

    def forward(
        self, x: Tensor, batch: int, mask: Tensor | None = None, source: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:  # fmt: skip
        """Features of every frame.

        Args:
            x: frames (B*T, 3, H, W), channels-last; with `source` the N distinct ones of them.
            batch: B.
            mask: (B, T), zero past each clip's end; None if no clip ends early.
            source: (B*T,), each frame's place in x: equal frames are computed once before STF sees their neighbours.

        Returns:
            features (B, 8*width, T), and the outputs of layers 2, 3 and 4 before their STF, (B*T, C, H, W) each.
        """
        if source is None:
            x = self.first_stages(x)
        elif self.counts_frames:
            x = take(self.first_stages(x, Repeats.of(source)), source)
        else:
            x = self.first_stages(take(x, source))
        levels = [x]
        for i, (fusion, layer) in enumerate(((self.stf1, self.layer3), (self.stf2, self.layer4), (self.stf3, None))):
            x = recomputed(self, lambda maps, i=i, fusion=fusion: maps + self.alpha[i] * fusion(maps, batch, mask), x)
            if layer is not None:
                x = self._stage(layer, x)
                levels.append(x)
        features = x.mean((2, 3))  # (B*T, C)
        return features.view(batch, -1, self.out_channels).transpose(1, 2), levels

    @property
    def counts_frames(self) -> bool:
        """Whether a frame can count more than once: not where processes share their statistics, nor compiled."""
        return not torch.compiler.is_compiling() and all(isinstance(norm, BatchNorm) for norm in norms(self.layer1))

    def _stage(self, stage: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """`stage(x)`; with `checkpoint_stages` what it computes on the way is computed again for the gradients."""
        return recomputed(self, stage, x) if self.checkpoint_stages else stage(x)


def take(x: Tensor, source: Tensor) -> Tensor:
    """`x[source]` of maps (N, C, H, W), channels-last; the gradient comes faster than that of indexing."""
    return x.permute(0, 2, 3, 1).index_select(0, source).permute(0, 3, 1, 2)
