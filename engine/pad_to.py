"""What `feeder_args.pad_to` stands for on a device."""

from __future__ import annotations

from dataclasses import replace

import torch

from config.schema import Config

CUDA_MULTIPLE = 32
"""What `auto` is on CUDA. Clips of up to 230 frames, the default, then have at most eight padded lengths, for the price
of 16 more frames on average."""


def settle_pad_to(config: Config, device: torch.device) -> Config:
    """The configuration of a training with a number in place of `auto`.

    Args:
        config: the run's configuration.
        device: the device to train on. Elsewhere than on CUDA a new shape costs nothing, so nothing is added. Nor is it
            where padding is not masked, which would count as signing.
    """
    feeder = config.feeder_args
    if feeder.pad_to != "auto":
        return config
    adds = device.type == "cuda" and config.model_args.mask_padding
    return replace(config, feeder_args=replace(feeder, pad_to=CUDA_MULTIPLE if adds else 0))
