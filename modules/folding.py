"""BatchNorm folded into the convolutions before it, for evaluation."""

from __future__ import annotations

import copy
from typing import TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights

Module = TypeVar("Module", bound=nn.Module)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@torch.no_grad()
def fold_norms(model: Module) -> Module:
    """Copy a network for recognition: it gives what it gives in evaluation, in fewer steps, and cannot be trained.

    Every BatchNorm that follows a convolution in the order of a module's parts, also one that processes share, becomes
    part of its weights. This asks that parts are made in the order in which they compute, as they are throughout
    `modules`. Kernels are stored as the computation wants them, channels last.
    """
    fused = copy.deepcopy(model).eval().requires_grad_(False)
    for module in list(fused.modules()):
        before = None
        for name, part in list(module.named_children()):
            if isinstance(part, _BatchNorm) and isinstance(before, CONVOLUTIONS):
                mean, variance = cast(Tensor, part.running_mean), cast(Tensor, part.running_var)  # all norms keep them
                before.weight, before.bias = fuse_conv_bn_weights(
                    before.weight, before.bias, mean, variance, part.eps, part.weight, part.bias
                )
                setattr(module, name, nn.Identity())  # the module still calls it by this name
            before = part
    return fused.to(memory_format=torch.channels_last_3d)
