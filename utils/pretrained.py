"""Torchvision's ImageNet weights for the backbone."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.error import URLError

from torch import Tensor

from utils.checkpoint import CheckpointError, convert_weight, extract_weights, load_checkpoint
from utils.progress import is_terminal


def load_pretrained(backbone: Any, name: str, source: str) -> None:
    """Put ImageNet weights into a `ResNet`; its fusions keep what they have.

    Args:
        backbone: the network's `conv2d`.
        name: the kind of backbone, "resnet18" or "resnet34".
        source: "imagenet" (downloaded once, then taken from torch's cache) or a file as torchvision offers it.

    Raises:
        CheckpointError: the download failed, or the weights do not fit or are no plain numbers; says what to do.
    """
    weights = download_weights(name) if source == "imagenet" else read_weights(name, source)
    own = backbone.image_weights()
    # Torchvision's classifier of images has no place here, and its kernels are 4-D where ours are (O, C, 1, k, k).
    tensors = {key: w for key, w in extract_weights(weights, source).items() if not key.startswith("fc.")}
    kernels = {key: w.unsqueeze(2) if w.ndim == 4 else w for key, w in tensors.items()}
    wrong = sorted(own.keys() ^ kernels.keys()) or sorted(key for key in own if kernels[key].shape != own[key].shape)
    if wrong:
        raise CheckpointError(
            f"the weights of model_args.pretrained={source} do not fit {name} of width {backbone.conv1.out_channels} "
            f"({wrong[0]} and {len(wrong) - 1} more); ImageNet weights need width 64 and the right c2d_type, or set "
            "model_args.pretrained=none"
        )
    converted = {key: convert_weight(kernel, own[key], key, source) for key, kernel in kernels.items()}
    backbone.load_state_dict(converted, strict=False)


def get_weights(name: str) -> Any:
    """Get torchvision's description of the weights of a network: their address, and how they are downloaded."""
    # Imported late: it takes as long as PyTorch itself, and only a training that begins needs it.
    from torchvision.models import ResNet18_Weights, ResNet34_Weights  # noqa: PLC0415

    return {"resnet18": ResNet18_Weights, "resnet34": ResNet34_Weights}[name].IMAGENET1K_V1


def download_weights(name: str) -> dict[str, Tensor]:
    """Fetch torchvision's weights of a network, once; afterwards they are in torch's cache."""
    weights = get_weights(name)
    try:
        return weights.get_state_dict(progress=is_terminal(), check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        raise CheckpointError(
            f"the ImageNet weights of {name} could not be downloaded from {weights.url} ({error}); download that file "
            "elsewhere and set model_args.pretrained=FILE, or start from random weights with model_args.pretrained=none"
        ) from error


def read_weights(name: str, path: str) -> dict[str, Tensor]:
    """Read the weights of a network from a local file."""
    if not Path(path).is_file():
        raise CheckpointError(
            f"model_args.pretrained is {path!r}: neither imagenet, nor none, nor a file; torchvision's weights of "
            f"{name} are at {get_weights(name).url}"
        )
    return load_checkpoint(path)
