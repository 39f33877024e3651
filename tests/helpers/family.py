"""The systems of the family as their files in `config/systems` have them, small or at their published size."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from config.layers import list_systems
from config.load import load_config
from modules.losses import SLRCriterion
from slr_network import SLRModel, build_model
from tests.helpers.config import tiny_config
from tests.helpers.network import enliven
from utils.temporal import TemporalSpec

SYSTEMS = sorted(list_systems())
SPEC = TemporalSpec()


def published_system(system: str, num_classes: int, **changes: Any) -> SLRModel:
    """The network of a system with random weights and separate alignment attentions; keys of `model_args` change it."""
    given = {"share_heads": False, "pretrained": "none"} | changes
    config, _ = load_config(None, {"system": system} | {f"model_args.{key}": value for key, value in given.items()})
    return build_model(config.model_args, num_classes)


def tiny_system(system: str, num_classes: int = 5, **changes: Any) -> SLRModel:
    """A small network of a system, of which every part counts; keys of `model_args` change it."""
    given = {"dropout": 0.0} | changes
    config = tiny_config(system=system, **{f"model_args.{key}": value for key, value in given.items()})
    return enliven(build_model(config.model_args, num_classes))


def weigh_losses(system: str) -> dict[str, float]:
    """The weights of the losses that a system is trained with."""
    weights = asdict(load_config(None, {"system": system})[0].loss_weights)
    return {name: weight for name, weight in weights.items() if weight}


def criterion_of(system: str, mask_padding: bool = True) -> SLRCriterion:
    """The loss that a system is trained with."""
    return SLRCriterion(weigh_losses(system), mask_padding)


def draw_clips(lengths: list[int]) -> Tensor:
    """Random clips (B, T_pad, 3, 64, 64), padded as the loader pads them."""
    generator = torch.Generator().manual_seed(1)
    total = max(SPEC.padded_length(n) for n in lengths)
    drawn = [torch.randint(0, 256, (n, 3, 64, 64), generator=generator, dtype=torch.uint8) for n in lengths]
    return torch.stack([clip[SPEC.pad(len(clip), total)] for clip in drawn])
