"""MSTFNet written plainly, with 3-D convolutions everywhere: what `benchmarks.network` compares the network with.

The same equations as `modules`, step by step as the paper gives them: (B, C, T, H, W) throughout, the four branches of
STF stacked, x and fused joined, HFAM computed in evaluation too as the published code does. It takes the weights of
`SLRModel` by name. What comes after the backbone and has no third dimension is the network's own. No padding is masked:
the clips of a batch must be of one length.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from modules.alignment import FeatureAlignment
from modules.resnet import BLOCKS
from modules.stages import name_fusions
from slr_network import SLRModel, SLROutput
from utils.errors import InputError


def spatial_conv(inputs: int, outputs: int, size: int, stride: int = 1, padding: int = 0, groups: int = 1) -> nn.Conv3d:
    """Build a convolution over height and width without bias."""
    return nn.Conv3d(inputs, outputs, (1, size, size), (1, stride, stride), (0, padding, padding), 1, groups, False)


class Block3d(nn.Module):
    """The basic block of ResNet."""

    def __init__(self, inputs: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = spatial_conv(inputs, channels, 3, stride, 1), nn.BatchNorm3d(channels)
        self.conv2, self.bn2 = spatial_conv(channels, channels, 3, 1, 1), nn.BatchNorm3d(channels)
        self.downsample = None
        if stride != 1 or inputs != channels:
            self.downsample = nn.Sequential(spatial_conv(inputs, channels, 1, stride), nn.BatchNorm3d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, channels, T, H/stride, W/stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        out = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(out + shortcut)


class Fusion3d(nn.Module):
    """STF."""

    def __init__(self, c: int) -> None:
        super().__init__()

        def branch(size: tuple[int, int, int]) -> nn.Sequential:
            conv = nn.Conv3d(c, c, size, padding=(size[0] // 2, size[1] // 2, size[2] // 2), groups=c, bias=False)
            return nn.Sequential(conv, nn.BatchNorm3d(c), nn.ReLU())

        self.t_convs = nn.ModuleList(branch((k, 1, 1)) for k in (3, 5))
        self.s_convs = nn.ModuleList(branch((1, k, k)) for k in (3, 5))
        squeeze, excite = nn.Conv3d(c, c // 8, 1), nn.Conv3d(c // 8, 4, 1)
        layers = (nn.AdaptiveAvgPool3d(1), squeeze, nn.ReLU(), excite, nn.Softmax(1))
        self.calibration = nn.Sequential(*layers)
        self.st_gate = nn.Sequential(nn.Conv3d(2 * c, c // 2, 1), nn.ReLU(), nn.Conv3d(c // 2, c, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> the same."""
        branches = torch.stack([conv(x) for conv in (*self.t_convs, *self.s_convs)], 1)  # (B, 4, C, T, H, W)
        fused = (branches * self.calibration(x)[:, :, None]).sum(1)  # (B, C, T, H, W)
        return x + self.st_gate(torch.cat([x, fused], 1)) * fused


class ResNet3d(nn.Module):
    """The backbone."""

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential
    stf1: Fusion3d
    stf2: Fusion3d
    stf3: Fusion3d

    def __init__(self, backbone: str, width: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(3))
        self.conv1, self.bn1 = spatial_conv(3, width, 7, 2, 3), nn.BatchNorm3d(width)
        self.maxpool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1))
        inputs = width
        for i, blocks in enumerate(BLOCKS[backbone]):
            c = width * 2**i
            first = Block3d(inputs, c, 1 if i == 0 else 2)
            setattr(self, f"layer{i + 1}", nn.Sequential(first, *(Block3d(c, c, 1) for _ in range(blocks - 1))))
            if i:
                setattr(self, f"stf{i}", Fusion3d(c))
            inputs = c

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, 3, T, H, W) -> features (B, C, T), and the outputs of layers 2, 3 and 4."""
        x = self.layer1(self.maxpool(torch.relu(self.bn1(self.conv1(x)))))
        levels = []
        stages = (self.layer2, self.stf1), (self.layer3, self.stf2), (self.layer4, self.stf3)
        for alpha, (layer, fusion) in zip(self.alpha, stages, strict=True):
            x = layer(x)
            levels.append(x)
            x = x + alpha * fusion(x)
        return x.mean((3, 4)), levels


class Attention3d(nn.Module):
    """HA."""

    def __init__(self, c: int) -> None:
        super().__init__()
        down, up = nn.Linear(c, c // 16, bias=False), nn.Linear(c // 16, c, bias=False)
        self.fc = nn.Sequential(down, nn.ReLU(), up, nn.Sigmoid())
        squeeze, excite = (
            nn.Conv3d(*ends, (3, 1, 1), padding=(1, 0, 0), groups=32) for ends in ((c, c // 4), (c // 4, c))
        )
        self.temporal_att = nn.Sequential(squeeze, nn.BatchNorm3d(c // 4), nn.ReLU(), excite, nn.Sigmoid())

    def forward(self, y: Tensor) -> Tensor:
        """(B, C, T, H, W) -> the same."""
        channel = self.fc(y.mean((2, 3, 4))) + self.fc(y.amax((2, 3, 4)))  # (B, C)
        return y * torch.sigmoid(channel[:, :, None, None, None] + self.temporal_att(y))


class Alignment3d(nn.Module):
    """HFAM; the temporal convolution and the linear layer, which have no space, are copies of the given one's."""

    def __init__(self, given: FeatureAlignment, width: int) -> None:
        super().__init__()
        c = 8 * width

        def projection(inputs: int, size: int) -> nn.Sequential:
            conv = nn.Conv3d(inputs, c, (1, size, size), (1, size, size))
            return nn.Sequential(conv, nn.BatchNorm3d(c), nn.ReLU())

        self.con2, self.con3 = projection(2 * width, 4), projection(4 * width, 2)
        self.stse1 = Attention3d(c)
        self.share_heads = given.share_heads
        if not self.share_heads:
            self.stse2, self.stse3 = Attention3d(c), Attention3d(c)
        self.tcn_layers, self.fc = copy.deepcopy(given.tcn_layers), copy.deepcopy(given.fc)

    def forward(self, levels: list[Tensor], classifier: nn.Module) -> tuple[Tensor, ...]:
        """Outputs of layers 2, 3 and 4 -> (T', B, V) for each."""
        maps = self.con2(levels[0]), self.con3(levels[1]), levels[2]
        heads = (self.stse1,) * 3 if self.share_heads else (self.stse1, self.stse2, self.stse3)
        means = [head(level).mean((3, 4)) for head, level in zip(heads, maps, strict=True)]  # (B, C, T)
        with torch.autocast(means[0].device.type, enabled=False):  # as in `modules`: it is for the maps of frames
            return tuple(self._classify(mean.to(self.fc.weight.dtype), classifier) for mean in means)

    def _classify(self, means: Tensor, classifier: nn.Module) -> Tensor:
        """Features of a level's frames (B, C, T) -> logits (T', B, V)."""
        features = self.fc(means.transpose(1, 2)).transpose(1, 2)
        return classifier(self.tcn_layers(features).permute(2, 0, 1))


class Reference3d(nn.Module):
    """The network in 3-D with a copy of the weights of `model`, which shares its classifier.

    Raises:
        InputError: `model` is another system than MSTFNet, or lacks a part of it.
    """

    def __init__(self, model: SLRModel, backbone: str) -> None:
        super().__init__()
        if model.HFEAM is None or model.conv2d.fusions != name_fusions("stf"):
            raise InputError(
                "the plain 3-D network is MSTFNet's, with STF after stages 2, 3 and 4 and HFAM: take such a one"
            )
        width = model.conv2d.conv1.out_channels
        self.spec = model.spec
        self.conv2d = ResNet3d(backbone, width)
        self.conv1d, self.temporal_model = copy.deepcopy(model.conv1d), copy.deepcopy(model.temporal_model)
        self.classifier = copy.deepcopy(model.classifier)
        self.HFEAM = Alignment3d(model.HFEAM, width)
        self.load_state_dict(model.state_dict())
        self.autocast = torch.float32  # of the maps of frames, as in `SLRModel`

    def forward(self, video: Tensor, lengths: Tensor) -> SLROutput:
        """As `SLRModel.forward`, HFAM always with it; the clips of one length."""
        x = (video.float() / 127.5 - 1).transpose(1, 2)  # (B, 3, T, H, W)
        with self._autocast():
            features, levels = self.conv2d(x)  # (B, C, T)
        steps = self.conv1d(features.to(self.conv2d.conv1.weight.dtype))[0].permute(2, 0, 1)  # (T', B, hidden)
        out_lengths = torch.tensor([self.spec.output_length(n) for n in lengths.tolist()])
        sequence = self.temporal_model(steps, out_lengths)
        with self._autocast():
            scales = self.HFEAM(levels, self.classifier)
        return SLROutput(self.classifier(sequence), self.classifier(steps), scales, out_lengths)

    def _autocast(self) -> torch.autocast:
        device = self.conv2d.conv1.weight.device.type
        return torch.autocast(device, self.autocast, enabled=self.autocast != torch.float32)
