"""Where in the frames a network found what it read: the methods.

Grad-CAM and its kin weigh the maps of a layer by the gradient of a score. Here the score is the logit of one gloss at
its output steps, and every frame has maps of its own, so that sums over space are taken frame by frame. Of the methods

* `gradcam` (Selvaraju et al. 2017, equations 1 and 2) gives a channel one weight for the whole frame. In the early
  layers, the only ones whose maps are fine enough to tell a hand from a head, this hardly says where in the frame.
* `gradcam++` (Chattopadhay et al. 2018, with the weights of equation 19) likewise, from positive gradients alone.
* `contrast` keeps the gradient where it is, as HiResCAM does (Draelos & Carin 2020), and multiplies it by how far the
  map is from its mean over the clip: to first order, what the score would lose if the place looked as it does on
  average. What never moves is cold. The gradient is averaged over 3x3 places, since convolutions with strides leave a
  checkerboard in it (Odena et al. 2016).

`python -m benchmarks.heat` measures them. grad-cam 1.5.7 (PyPI) does not serve: it reads (1, T, 3, H, W) as a volume
of depth W, scales every frame by itself, adds 1e-6 to Grad-CAM++'s denominators, most of which are smaller here, and
leaves gradients in the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dataset.batch import Batch
from modules.stages import STAGES
from slr_network import SLRModel


@dataclass(frozen=True)
class LayerTrace:
    """One clip's way through the network from a layer on, kept for gradients.

    Attributes:
        logits: the sequence head's (T', V).
        maps: the layer's (T, C, h, w), without the frames that pad the clip.
    """

    logits: Tensor
    maps: Tensor
    _source: Tensor
    _edge: int

    def compute_gradient(self, score: Tensor) -> Tensor:
        """Compute the gradient (T, C, h, w) by `maps` of a number that was computed from `logits`."""
        # The graph is kept: every gloss of the clip asks for a gradient of its own.
        (gradient,) = torch.autograd.grad(score, self._source, retain_graph=True)
        return gradient[self._edge : self._edge + len(self.maps)]

    def compute_heat(self, token: int, steps: tuple[int, int], method: str) -> np.ndarray:
        """Compute the heat (T, h, w) of a class, not negative, in units that are the same for all classes of the clip.

        Args:
            token: the class.
            steps: the output steps (first, last + 1) over which its logit is averaged.
            method: a key of `FORMULAS`.
        """
        score = self.logits[slice(*steps), token].mean()
        return FORMULAS[method](self.maps, self.compute_gradient(score)).cpu().numpy()


def trace_layer(model: SLRModel, batch: Batch, layer: str) -> LayerTrace:
    """Run the network on a batch of one clip, in evaluation mode, and leave the network as it was.

    Args:
        model: the network.
        batch: a batch of one clip, on the network's device.
        layer: one of the layers of the network's backbone, `ResNet.layers`.
    """
    stage, fusion, alpha = getattr(model.conv2d, layer), None, None
    if layer not in STAGES:
        stage, fusion, alpha = next(place for place in model.conv2d.stages if place.fusion is stage)
    with evaluation_mode(model), torch.enable_grad(), layer_hooks(stage, fusion) as seen:
        output = model(batch.video, batch.lengths)
    maps, edge = seen["maps"].detach(), model.spec.edge
    if alpha is not None:
        maps = maps + alpha.detach() * seen["fusion"]
    return LayerTrace(output.sequence_logits[:, 0], maps[edge : edge + int(batch.lengths[0])], seen["maps"], edge)


@contextmanager
def layer_hooks(stage: nn.Module, fusion: nn.Module | None) -> Iterator[dict[str, Tensor]]:
    """Hooks on a stage and its fusion, which are removed when the block ends.

    The output of `stage` starts a graph of its own, so that no memory is spent on what lies before, and goes into the
    dictionary as "maps". The output of `fusion` goes there as "fusion", and its gradient is cut off: what arrives at
    "maps" is then the gradient by the sum of both, since a stage reaches the network through nothing else.
    """
    seen: dict[str, Tensor] = {}

    def start_graph(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> Tensor:
        seen["maps"] = output.detach().requires_grad_()
        return seen["maps"]

    def cut_gradient(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> Tensor:
        seen["fusion"] = output.detach()
        return seen["fusion"]

    hooks = [stage.register_forward_hook(start_graph)]
    if fusion is not None:
        hooks.append(fusion.register_forward_hook(cut_gradient))
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients by weights, until the block ends; then everything is as it was before.

    The network may be in training, with parts of it frozen or in evaluation mode, and goes on so.
    """
    training = [module for module in model.modules() if module.training]
    trainable = [weight for weight in model.parameters() if weight.requires_grad]
    model.eval()
    for weight in trainable:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for module in training:
            module.training = True
        for weight in trainable:
            weight.requires_grad_(True)


def gradcam(maps: Tensor, gradient: Tensor) -> Tensor:
    """Maps and their gradient (T, C, h, w) -> heat (T, h, w)."""
    weights = gradient.mean((2, 3), keepdim=True)  # (T, C, 1, 1)
    return (weights * maps).sum(1).relu()


def gradcam_plus_plus(maps: Tensor, gradient: Tensor) -> Tensor:
    """Maps and their gradient (T, C, h, w) -> heat (T, h, w).

    The score that the paper derives is the exponential of this one; its value, one number for all of a clip, is left
    out of the weights.
    """
    square = gradient.square()
    below = 2 * square + maps.sum((2, 3), keepdim=True) * square * gradient
    shares = torch.where(below > 0, square / below, 0)  # (T, C, h, w)
    weights = (shares * gradient.relu()).sum((2, 3), keepdim=True)  # (T, C, 1, 1)
    return (weights * maps).sum(1).relu()


def contrast(maps: Tensor, gradient: Tensor) -> Tensor:
    """Maps and their gradient (T, C, h, w) -> heat (T, h, w)."""
    around = F.avg_pool2d(gradient, 3, stride=1, padding=1, count_include_pad=False)
    return (around * (maps - maps.mean(0))).sum(1).relu()


FORMULAS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "contrast": contrast,
    "gradcam": gradcam,
    "gradcam++": gradcam_plus_plus,
}
