"""The configuration of a training that goes on: what the user sets, and else what decided until then."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from config.file_keys import list_file_keys
from config.keys import flatten_sections
from config.layers import list_corpora
from config.load import BASELINE, ConfigError, load_config, read_stored_config, to_dict
from config.schema import Config, Precision
from engine.checkpoint_config import read_words
from engine.distributed import select_local_device, split_device_names
from engine.pad_to import settle_pad_to
from engine.resume import find_checkpoint_to_resume, is_decisive
from engine.resumed_precision import choose_precision
from utils.checkpoint import CheckpointError, load_checkpoint
from utils.ranks import local_rank

CHOOSING = ("system", "dataset")
"""Keys that choose files of this project, whose values may be others in another version."""


def load_training_config(path: str | Path | None, overrides: Mapping[str, Any]) -> tuple[Config, list[str]]:
    """The configuration of the phase `train`.

    Where a training goes on, a decisive key (`engine.resume`) that the user has not set is as in its checkpoint, so
    that other defaults in a new version of this project stop no training. The user has set what is on the command line
    and in the file, as `list_file_keys` tells; whoever names another system or corpus than the checkpoint's sets all.

    Args:
        path: the configuration file; None if none is given.
        overrides: values by dotted key, as the command line gives them.

    Returns:
        the configuration, and lines for the log: those of `load_config`, and one for each key whose value would be
        another one without the checkpoint.

    Raises:
        ConfigError: something is wrong with the configuration, or with the checkpoint's.
        InputError: the device is not there.
    """
    path = path or BASELINE
    config, notes = load_config(path, overrides)
    checkpoint = find_checkpoint_to_resume(config)
    try:
        content = load_checkpoint(checkpoint) if checkpoint else {}
    except CheckpointError:  # which the training meets again, and says more about
        return config, notes
    if not checkpoint or "config" not in content:
        return config, notes
    stored = read_stored_config(content, checkpoint)
    typed = {*flatten_sections(read_words(overrides)[0])}
    named = list_file_keys(path, config) | typed
    if any(key in named and getattr(config, key) != getattr(stored, key) for key in CHOOSING):
        return config, notes
    of_corpus = () if stored.dataset in list_corpora() else ("dataset_root", "prepared", "normalise")
    chosen = {key: getattr(stored, key) for key in (*CHOOSING, *of_corpus) if key not in named}
    try:
        # Again, since a file may set keys for the checkpoint's system alone.
        given = list_file_keys(path, load_config(path, chosen | dict(overrides))[0]) | typed
        if config.feeder_args.pad_to == "auto":  # the checkpoint has the number that it stood for
            given -= {"feeder_args.pad_to"}
        held = flatten_sections(to_dict(stored))
        taken = {key: value for key, value in held.items() if is_decisive(key) and key not in given}
        resumed = load_config(path, chosen | taken | dict(overrides))[0]
    except ConfigError:  # what is given does not go with the rest, which the comparison of both says more clearly
        return config, notes
    device = select_local_device(resumed.device if local_rank() is not None else split_device_names(resumed.device)[0])
    precision = choose_precision(content, checkpoint, resumed, device, "precision" in given)
    resumed = replace(resumed, precision=cast(Precision, precision))
    today, then = (settle_pad_to(one, device) for one in (config, resumed))
    return resumed, notes + list_taken_over(today, then, checkpoint)


def list_taken_over(config: Config, resumed: Config, checkpoint: str) -> list[str]:
    """A line for each key that is another one because of the checkpoint that a training goes on from."""
    today, then = flatten_sections(to_dict(config)), flatten_sections(to_dict(resumed))
    return [
        f"{key}: {_show(value)}, as in {checkpoint}, which counts over the default ({_show(today[key])})"
        for key, value in then.items()
        if value != today[key] and (is_decisive(key) or key == "system")
    ]


def _show(value: Any) -> str:
    """A value as YAML has it."""
    return value if isinstance(value, str) else json.dumps(value)
