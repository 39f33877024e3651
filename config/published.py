"""The configuration for weights that hold none, as published ones: the network is the one that they tell of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from config.file_keys import list_file_keys
from config.layers import read_system
from config.load import parse_stored_config, read_stored_config, to_dict
from config.mistakes import ConfigError
from config.schema import Config
from utils.architecture import as_yaml, tell_model_args
from utils.checkpoint import CheckpointError, extract_weights, refuse_foreign_system
from utils.systems import find_nearest_network


def find_config(content: Mapping[str, Any], source: str | Path, given: Config | None) -> Config:
    """The configuration in a checkpoint, else the one that is given, with the network that the weights tell of.

    Args:
        content: what the checkpoint's file holds.
        source: the file.
        given: the configuration for a checkpoint that holds none.

    Raises:
        ConfigError: what the checkpoint holds is no configuration, or there is no such network here.
        CheckpointError: there is no configuration, or no weights, or they are of a system that is not supported.
    """
    if "config" in content:
        return read_stored_config(content, source)
    if given is None:
        refuse_foreign_system(extract_weights(content, str(source)), str(source))
        raise CheckpointError(
            f"{source} holds no configuration: name the corpus that it was trained on, by --language phoenix or, where "
            "a command has that, --config config/phoenix2014.yaml"
        )
    return adopt_told_network(given, content, source)


def adopt_told_network(
    config: Config, content: Mapping[str, Any], source: str | Path, given: Mapping[str, str] | None = None
) -> Config:
    """A configuration with the network that weights tell of, as far as they do.

    Args:
        config: the configuration as it was given.
        content: what the file of the weights holds.
        source: the file.
        given: keys of `model_args` that may not say anything else, each with what says it; all others give way.

    Raises:
        ConfigError: what is given contradicts the weights, or there is no such network here.
        CheckpointError: there are no weights, or they are of a system that is not supported.
    """
    weights = extract_weights(content, str(source))
    refuse_foreign_system(weights, str(source))
    model_args = to_dict(config.model_args)
    told = tell_model_args(weights, model_args)
    system = find_nearest_network(told)[0].system if told else config.system
    told = {key: list(value) if isinstance(value, tuple) else value for key, value in told.items()}  # as `model_args`
    contradictions = [
        f"model_args.{key} is {as_yaml(value)} by {given[key]} and {as_yaml(told[key])} by the weights"
        for key, value in model_args.items()
        if given and key in given and told.get(key, value) != value
    ]
    if contradictions:
        raise ConfigError(
            f"the configuration and {source} contradict each other: {'; '.join(contradictions)}. Leave out what "
            "differs, since the weights tell their network, or take other weights"
        )
    # These weights are not trained here, so losses of parts that their network lacks are no mistake.
    phase = "test" if config.phase == "train" else config.phase
    changes = {"phase": phase, "system": system, "model_args": model_args | told}
    return parse_stored_config(to_dict(config) | changes, source)


def list_given_settings(path: str | Path | None, typed: Mapping[str, Any], config: Config) -> dict[str, str]:
    """The keys of `model_args` that a user has set, each with what says it: a file, a system or the command line.

    Args:
        path: the configuration file; None if none is given.
        typed: sections and keys of the command line.
        config: the configuration that both make.
    """
    in_file = list_file_keys(path, config) if path else set()
    given = {}
    if "system" in in_file or "system" in typed:
        given = dict.fromkeys(read_system(config.system)["model_args"], f"system {config.system}")
    of_network = [key.removeprefix("model_args.") for key in in_file if key.startswith("model_args.")]
    return given | dict.fromkeys(of_network, str(path)) | dict.fromkeys(typed.get("model_args", {}), "the command line")
