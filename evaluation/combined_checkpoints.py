"""Several checkpoints whose hypotheses are combined: what each needs, and whether all of them can have it at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from config.load import ConfigError, read_stored_config
from config.published import adopt_told_network
from config.schema import Config
from config.sections import ModelArgs
from evaluation.agreement import CHAIN, Demands, check_agreement, check_named_once, list_demands
from utils.checkpoint import load_checkpoint


def settle_combination(config: Config) -> tuple[Config, list[str]]:
    """Check that the checkpoints of a configuration can be combined, and let frames be cropped for all of them.

    Args:
        config: the configuration of the phase `test`, with the network of the first checkpoint.

    Returns:
        the configuration, in which `feeder_args.input_size` is the largest crop of all networks if they have several,
        and a line for each thing in which a network is used otherwise than it was trained.

    Raises:
        CheckpointError: one is unreadable or named twice, or they cannot be combined.
        ConfigError: the configuration in one of them is none.
    """
    if len(config.weight_files) < 2:
        return config, []
    check_named_once(config.weight_files)
    demands: list[Demands] = []
    notes: list[str] = []
    for name in config.weight_files:
        content = load_checkpoint(name)
        demands.append(read_demands(content, name, config))
        check_agreement(demands)
        if len(demands) > 1:
            notes += _describe_other_padding(content, name, config)
    sizes = {of.input_size for of in demands if of.input_size is not None}
    if len(sizes) > 1:
        crops = ", ".join(f"{of.name} {of.input_size or max(sizes)}" for of in demands)
        notes.append(f"each network sees the middle of the frames, as many pixels as in its training: {crops}")
        config = replace(config, feeder_args=replace(config.feeder_args, input_size=max(sizes)))
    return config, notes


def read_demands(content: Mapping[str, Any], name: str, config: Config) -> Demands:
    """What the network of a checkpoint gives and takes, as far as it says.

    Args:
        content: what the checkpoint holds.
        name: its file.
        config: the run's configuration, for a checkpoint that holds none.
    """
    glosses, rate = content.get("glosses"), content.get("frame_rate")
    own = _find_own_config(content, name, config)
    demands = list_demands(name, glosses, own, own.frame_rate or rate, None)
    if content.get("config") is None:  # how its clips were cropped and sampled is not known
        told = dict.fromkeys(demands.settings) | {CHAIN: demands.settings[CHAIN]}
        return replace(demands, settings=told, input_size=None)
    return demands


def choose_network(content: Mapping[str, Any], name: str, config: Config) -> ModelArgs:
    """The network of one of several checkpoints; padding is masked as the configuration says for all of them."""
    own = _find_own_config(content, name, config).model_args
    return replace(own, mask_padding=config.model_args.mask_padding)


def choose_sides(read: int, demands: Sequence[Demands]) -> list[int]:
    """The side of the crop that each network sees: all that is read, or its own where they were trained on several.

    Args:
        read: the side of the crop that is read, `feeder_args.input_size`.
        demands: what each network takes.

    Raises:
        ConfigError: a network sees more than is read.
    """
    sides = [of.input_size or read for of in demands]
    if len({of.input_size for of in demands} - {None}) < 2:
        return [read] * len(sides)
    for of, side in zip(demands, sides, strict=True):
        if side > read:
            raise ConfigError(f"feeder_args.input_size is {read}, and the network of {of.name} sees {side} pixels")
    return sides


def _find_own_config(content: Mapping[str, Any], name: str, config: Config) -> Config:
    if content.get("config") is None:
        return adopt_told_network(config, content, name)
    return read_stored_config(content, name)


def _describe_other_padding(content: Mapping[str, Any], name: str, config: Config) -> list[str]:
    now = config.model_args.mask_padding
    then = _find_own_config(content, name, config).model_args.mask_padding
    if now == then:
        return []
    return [f"warning: model_args.mask_padding is {now}, and the network of {name} was trained with {then}"]
