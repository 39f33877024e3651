"""What benchmarks of the network measure: a training step, and a call in recognition."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from modules.losses import SLRCriterion

LOSSES = {"SeqCTC": 1.0, "ConvCTC": 1.0, "AuxCTC": 1.0, "Dist": 25.0}
Work = Callable[[], Tensor]


def without_gradients(network: nn.Module, *inputs: Tensor | bool | None) -> Work:
    """Prepare a call of a network without gradients, for its (first) logits."""

    @torch.inference_mode()
    def work() -> Tensor:
        output = network(*inputs)
        return output if isinstance(output, Tensor) else output.sequence_logits

    return work


def train_bare_backbone(bare: nn.Module, x: Tensor) -> Work:
    """Prepare a training step of torchvision's network on frames (B*T_pad, 3, H, W), for its loss."""
    bare.train()

    def step() -> Tensor:
        bare.zero_grad(set_to_none=True)
        loss = bare(x).square().mean()
        loss.backward()
        return loss.detach()

    return step


def train_network(net: nn.Module, video: Tensor, lengths: Tensor, losses: Mapping[str, float] = LOSSES) -> Work:
    """Prepare a training step of a network on clips (B, T_pad, 3, H, W), without the optimiser, for its loss."""
    net, criterion, batch = net.train(), SLRCriterion(losses), len(video)
    inputs = (video, lengths) if losses["AuxCTC"] else (video, lengths, False)  # without HFAM where it trains nothing
    labels = torch.arange(1, 3, device=video.device).repeat(batch)

    def step() -> Tensor:
        torch.manual_seed(0)  # the same dropout for all
        net.zero_grad(set_to_none=True)
        out = net(*inputs)
        loss = criterion(out, labels, torch.full((batch,), 2))["total"]
        loss.backward()
        return loss.detach()

    return step
