"""Torchvision's ImageNet weights for the backbone."""

from __future__ import annotations

from pathlib import Path
from urllib.error import URLError

import torchvision
from torch import Tensor, nn

from utils.checkpoint import load_checkpoint
from utils.errors import InputError

WEIGHTS = {
    "resnet18": torchvision.models.ResNet18_Weights.IMAGENET1K_V1,
    "resnet34": torchvision.models.ResNet34_Weights.IMAGENET1K_V1,
}


class PretrainedError(InputError, RuntimeError):
    """ImageNet weights cannot be had, or do not fit."""


def load_pretrained(backbone: nn.Module, name: str, source: str) -> None:
    """Put ImageNet weights into a `ResNet`; its fusion layers keep what they have.

    Args:
        backbone: the network's `conv2d`.
        name: "resnet18" or "resnet34".
        source: "imagenet" (downloaded once, then taken from torch's cache) or a file as torchvision offers it.

    Raises:
        PretrainedError: the download failed, or the weights do not fit; says what to do.
    """
    weights = download(name) if source == "imagenet" else from_file(name, source)
    own = backbone.image_weights()
    tensors = {key: w for key, w in weights.items() if isinstance(w, Tensor) and not key.startswith("fc.")}
    kernels = {key: w.unsqueeze(2) if w.ndim == 4 else w for key, w in tensors.items()}
    wrong = sorted(own.keys() ^ kernels.keys()) or sorted(key for key in own if kernels[key].shape != own[key].shape)
    if wrong:
        raise PretrainedError(
            f"the weights of model_args.pretrained={source} do not fit {name} of width {backbone.conv1.out_channels} "
            f"({wrong[0]} and {len(wrong) - 1} more); ImageNet weights need width 64 and the right c2d_type, or set "
            "model_args.pretrained=none"
        )
    backbone.load_state_dict(kernels, strict=False)


def download(name: str) -> dict[str, Tensor]:
    """Torchvision's weights of that network."""
    weights = WEIGHTS[name]
    try:
        return weights.get_state_dict(progress=True, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        raise PretrainedError(
            f"the ImageNet weights of {name} could not be downloaded from {weights.url} ({error}); download that file "
            "elsewhere and set model_args.pretrained=FILE, or start from random weights with model_args.pretrained=none"
        ) from error


def from_file(name: str, path: str) -> dict[str, Tensor]:
    """The weights in a local file."""
    if not Path(path).is_file():
        raise PretrainedError(
            f"model_args.pretrained is {path!r}: neither imagenet, nor none, nor a file; torchvision's weights of "
            f"{name} are at {WEIGHTS[name].url}"
        )
    return load_checkpoint(path)
