"""What the network is called with, checked."""

from __future__ import annotations

import torch
from torch import Tensor

from utils.temporal import TemporalSpec

SMALLEST_SIDE = 64  # of a frame, in pixels: the backbone divides it by 32


def check_input(video: Tensor, lengths: Tensor, channels: int, spec: TemporalSpec) -> Tensor:
    """Check a batch of clips.

    Args:
        video: frames (B, T_pad, 3, H, W), or features of frames (B, T_pad, C).
        lengths: the number of real frames of each clip, (B,), on the CPU.
        channels: C.
        spec: the network's temporal chain.

    Returns:
        the padded length of each clip, (B,).

    Raises:
        ValueError: shapes or lengths do not fit.
    """
    is_features = video.ndim == 3 and video.shape[2] == channels
    if not is_features and (video.ndim != 5 or video.shape[2] != 3):
        raise ValueError(
            f"video is {tuple(video.shape)}; it must be (B, T, 3, H, W), or features (B, T, {channels})"
        )  # fmt: skip
    if not is_features and min(video.shape[3:]) < SMALLEST_SIDE:
        raise ValueError(f"frames are {video.shape[4]}x{video.shape[3]}; the network needs at least 64x64")
    if lengths.shape != video.shape[:1]:
        raise ValueError(f"lengths are {tuple(lengths.shape)} for {video.shape[0]} clips")
    padded = torch.tensor([spec.padded_length(n) for n in lengths.tolist()])
    if int(padded.max()) > video.shape[1]:
        raise ValueError(
            f"the longest clip has {int(lengths.max())} frames and needs {int(padded.max())} with padding; "
            f"the batch holds {video.shape[1]}"
        )
    return padded
