"""The configuration of a run that trains nothing: its network, and what else it needs, are as the checkpoint says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from config.decoding import put_decoding_in
from config.keys import merge_sections
from config.load import BASELINE, load_config, nest_overrides, parse_stored_config, read_stored_config, to_dict
from config.mistakes import describe_mistakes
from config.older_keys import drop_ignored_keys, rename_keys
from config.published import adopt_told_network, list_given_settings
from config.schema import Config
from engine.resume import find_checkpoint_to_resume
from engine.run_folder import STARTING
from evaluation.combined_checkpoints import settle_combination
from utils.architecture import as_yaml, detect_architecture
from utils.checkpoint import extract_weights, load_checkpoint
from utils.files import real_path
from utils.hub import parse_repository
from utils.model_folder import is_model_folder
from utils.systems import describe_system

OF_TRAINING = STARTING | {"phase", "device", "load_weights", "ignore_weights", "sclite_path"}
"""Keys of a checkpoint's configuration that say how its training was started, on which machine; a test begins anew.

The place of sclite is one of them for safety too: a file that others wrote must not choose which program is run.
"""

WITHOUT_EFFECT = {"pretrained", "dropout"}
"""Keys of `model_args` that change nothing in a network that was trained and only recognises."""

FREE = {"mask_padding"}
"""Keys of `model_args` that weights of any network go with: what the command line says of them counts."""

OF_FRAMES = ("input_size", "image_scale", "frame_interval")
"""Keys of `feeder_args` by which frames would look or move otherwise than those that the network has learnt from."""


def load_evaluation_config(path: str | Path | None, overrides: Mapping[str, Any]) -> tuple[Config, list[str]]:
    """The configuration of the phase `test` or `features`.

    The network is the checkpoint's, whatever else is said. All other keys come from the command line, then from the
    file; where none is given, from the checkpoint. Published weights hold no configuration, but tell their network: a
    key of it that the file or the command line sets must say the same.

    Args:
        path: the configuration file; None if none is given.
        overrides: values by dotted key, as the command line gives them.

    Returns:
        the configuration, and a line for the log about each key that does not count or differs from the training.

    Raises:
        ConfigError: something is wrong with the configuration, the one in the checkpoint included, or what is given
            contradicts published weights.
        CheckpointError: the checkpoint cannot be read, or its weights are of a system that is not supported.
    """
    config, notes = _load_config_of_first(path, overrides)
    config, more = settle_combination(config)
    return config, notes + more


def _load_config_of_first(path: str | Path | None, overrides: Mapping[str, Any]) -> tuple[Config, list[str]]:
    """The configuration with the network of the only checkpoint, or of the first of several."""
    named = _name_checkpoints(overrides)
    if path is None and named:
        held = load_checkpoint(named[0])
        if held.get("config") is not None:
            return _load_whole_config(held, named, overrides)
    config, notes = load_config(path or BASELINE, overrides)
    weights = config.weight_files[0] if config.weight_files else find_checkpoint_to_resume(config)
    if weights is None:
        return config, notes
    content, typed = load_checkpoint(weights), read_words(overrides)[0]
    if content.get("config") is None:
        told = adopt_told_network(config, content, weights, list_given_settings(path, typed, config))
        return told, [*notes, _describe_told_network(content, weights)]
    config, more = adopt_network(config, read_stored_config(content, weights), weights, typed)
    return config, notes + more


def _name_checkpoints(overrides: Mapping[str, Any]) -> list[str]:
    """The checkpoints that the command line names; none where that is no name or list of names, which is told later."""
    for key in ("load_weights", "load_checkpoints"):
        given = nest_overrides({key: overrides.get(key)}, [])
        names = given.get(key)
        names = [names] if isinstance(names, str) else names
        if isinstance(names, (list, tuple)) and names and all(isinstance(name, str) and name for name in names):
            return list(names)
    return []


def _describe_told_network(content: Mapping[str, Any], weights: str) -> str:
    """A line about the network that weights without a configuration tell of."""
    architecture = detect_architecture(extract_weights(content, weights))
    if not architecture.is_of_family:
        return f"the weights of {weights} are of no network that is known here: what is given counts"
    settings = " ".join(f"{key}={as_yaml(value)}" for key, value in architecture.model_args.items())
    return f"the network is as the weights of {weights} tell: {describe_system(architecture)}: {settings}"


def _load_whole_config(
    content: Mapping[str, Any], names: Sequence[str], overrides: Mapping[str, Any]
) -> tuple[Config, list[str]]:  # fmt: skip
    """The configuration in the first of some checkpoints, changed by the command line alone."""
    weights = names[0]
    trained = read_stored_config(content, weights)
    several = f"-{len(names)}-networks" if len(names) > 1 else ""  # what the first one gave alone stays
    folder = name_output_folder(weights, f"{overrides['phase']}{several}")
    of_checkpoint = {key: value for key, value in to_dict(trained).items() if key not in OF_TRAINING}
    typed, notes = read_words(overrides)
    given = merge_sections(of_checkpoint | {"work_dir": folder}, typed)
    source = f"no --config is given: what the command line does not say is as in the training of {weights}"
    config, more = adopt_network(parse_stored_config(given, weights), trained, weights, typed)
    return config, [source, *notes, *more]


def name_output_folder(weights: str, phase: str) -> str:
    """The folder for what a phase gives where none is named: beside the checkpoint, whose own files stay as they are.

    What comes of a model folder lies beside that folder, which may be shared; of a repository on the Hub, in work_dir.
    """
    repository = parse_repository(weights)
    if repository:
        return str(Path("work_dir") / f"{Path(repository.name).name}-{phase}")
    if is_model_folder(weights):
        folder = Path(weights) if Path(weights).name else real_path(weights)  # `.` has no name
        return str(folder.with_name(f"{folder.name}-{phase}"))
    return str(Path(weights).parent / phase)


def read_words(overrides: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The command line as sections with today's keys, and a line for each key that is renamed or means nothing.

    The keys of a file that its `decoding` names are among them.
    """
    mistakes: list[str] = []
    notes: list[str] = []
    typed, ignored = drop_ignored_keys(rename_keys(nest_overrides(overrides, mistakes), notes, mistakes))
    if mistakes:
        raise describe_mistakes(mistakes, [], " on the command line")
    return put_decoding_in(typed, notes), notes + ignored


def adopt_network(
    config: Config, trained: Config, weights: str | Path, typed: Mapping[str, Any]
) -> tuple[Config, list[str]]:  # fmt: skip
    """A configuration with the network of a checkpoint.

    Args:
        config: the configuration as it was given.
        trained: the checkpoint's configuration.
        weights: the checkpoint, for the lines.
        typed: sections and keys of the command line.

    Returns:
        the configuration, and a line for each key that does not count, and for each that counts but by which the
        network would see other clips than it has learnt from.

    Raises:
        ConfigError: the network of the checkpoint cannot do what the rest of the configuration wants.
    """
    chosen = FREE & typed.get("model_args", {}).keys()
    given, theirs = to_dict(config.model_args), to_dict(trained.model_args)
    notes = [
        f"model_args.{key}: {theirs[key]}, as in {weights}; what was given, {given[key]}, does not count"
        for key in given
        if given[key] != theirs[key] and key not in WITHOUT_EFFECT | chosen
    ]
    if "system" in typed and config.system != trained.system:
        notes.append(f"system: {trained.system}, as in {weights}; what was given, {config.system}, does not count")
    given_frames, their_frames = to_dict(config.feeder_args), to_dict(trained.feeder_args)
    differing = [(f"model_args.{key}", given[key], theirs[key]) for key in sorted(chosen)]
    differing += [(f"feeder_args.{key}", given_frames[key], their_frames[key]) for key in OF_FRAMES]
    notes += [
        f"warning: {key} is {now}, and the network of {weights} was trained with {then}"
        for key, now, then in differing
        if now != then
    ]
    network = theirs | {key: given[key] for key in chosen}
    # Read as a stored configuration, since keys of other sections may contradict the network.
    of_network = {"model_args": network, "system": trained.system}
    return parse_stored_config(to_dict(config) | of_network, weights), notes
