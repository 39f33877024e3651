"""Which system of the family a configuration, or a network, is of: the nearest one, and the keys that differ."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from config.keys import flatten_sections, list_keys
from config.layers import list_corpora, list_systems, read_corpus, read_system
from config.older_keys import drop_ignored_keys

MSTFNET = "mstfnet"  # its file sets every key that any system's file sets
SWITCHING = ("model_args", "loss_weights")
"""The sections of which the keys in the systems' files tell one system from another; the other keys are its recipe."""
NEW = {f"model_args.{key}" for key in ("fusion", "fusion_after", "pooling", "hfam")} | {"system"}
"""Keys that the file of no earlier system has."""


@dataclass(frozen=True)
class NearestSystem:
    """The system that differs in the fewest switches.

    Attributes:
        name: its name.
        differing: the value here and the system's own, by dotted key; those of the recipe too.
    """

    name: str
    differing: Mapping[str, tuple[Any, Any]]

    @property
    def switches(self) -> dict[str, tuple[Any, Any]]:
        """What differs in the network and its losses; empty if they are this very system's."""
        return {key: values for key, values in self.differing.items() if key.partition(".")[0] in SWITCHING}

    def describe(self, with_recipe: bool = False) -> str:
        """ "corrnet", or "corrnet, but for model_args.fusion: none (corrnet: correlation)"."""
        shown = self.differing if with_recipe else self.switches
        parts = [f"{key}: {_show(here)} ({self.name}: {_show(own)})" for key, (here, own) in shown.items()]
        return f"{self.name}, but for {', '.join(parts)}" if parts else self.name


def find_nearest_system(given: Mapping[str, Any]) -> NearestSystem:
    """The system that a configuration is of, or is nearest to.

    Args:
        given: sections and keys, as `config.load.to_dict` has them, or some of them: only those are compared. Its
            `dataset` says on which corpus the system is taken (CorrNet fuses after other stages on CSL-Daily). Of
            systems that differ in equally many switches, the one that its `system` names counts, then the one whose
            network is nearer, then the newer one.
    """
    values, names = flatten_sections(given), list_systems()

    def rank(system: NearestSystem) -> tuple[int, bool, int, int]:
        of_network = sum(key.startswith("model_args.") for key in system.switches)
        return len(system.switches), system.name != values.get("system"), of_network, -names.index(system.name)

    return min((NearestSystem(name, _compare(values, name)) for name in names), key=rank)


def name_system(config: Mapping[str, Any]) -> str:
    """A line for the log about the system of a configuration, which `config.load.to_dict` has made plain.

    Where nothing is trained, the losses say nothing about it.
    """
    kept = {key: value for key, value in config.items() if config.get("phase") == "train" or key != "loss_weights"}
    return f"system: {find_nearest_system(kept).describe()}"


def advise_old_file(in_file: Mapping[str, Any], typed: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """A line for whoever trains by the file of an earlier system, and may want that system.

    Such a file names no switch, so it trains MSTFNet's network as far as it says nothing else. Whoever names a system
    or a switch knows of them, and the files of this project have none of the keys that only earlier systems have.

    Args:
        in_file: sections and keys of the file.
        typed: those of the command line.
        config: all keys, with the values that count.
    """
    known, ignored = drop_ignored_keys(in_file)
    values = flatten_sections(known)
    if config["phase"] != "train" or not ignored or NEW & (values.keys() | flatten_sections(typed).keys()):
        return []
    if any(key.startswith("loss_weights.") for key in values):  # a term that such a file leaves out is not there
        values = dict.fromkeys((key for key, _ in list_keys() if key.startswith("loss_weights.")), 0) | values
    here, meant = find_nearest_system(config), find_nearest_system(values)
    if not values.keys() & _list_switches() or meant.name == here.name:
        return []
    return [
        f"the file names no system, so this trains {here.describe(with_recipe=True)}; its keys are nearest to those of "
        f"{meant.name}, which --system {meant.name} trains"
    ]


def advise_named_system(in_file: Mapping[str, Any], typed: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """A line for whoever trains a system by its name, by a file that sets some of that system's keys otherwise.

    The file counts over the system's: a copy of an earlier baseline.yaml, or a run's stored configuration.

    Args:
        in_file: sections and keys of the file.
        typed: those of the command line.
        config: all keys, with the values that count.
    """
    if config["phase"] != "train" or "system" not in typed:
        return []
    of_file = flatten_sections(in_file).keys() - flatten_sections(typed).keys() | {"dataset"}
    values = {key: value for key, value in flatten_sections(config).items() if key in of_file}
    differing = _compare(values, config["system"])
    if not differing:
        return []
    shown = NearestSystem(config["system"], differing).describe(with_recipe=True)
    return [
        f"the file counts over --system, so this trains {shown}; take these keys out of the file to train the system"
    ]


def _compare(values: Mapping[str, Any], name: str) -> dict[str, tuple[Any, Any]]:
    """What differs of a system's keys on the corpus that the values name, as `NearestSystem` has it."""
    own = dict(list_keys()) | flatten_sections(read_system(name))
    if values.get("dataset") in list_corpora():
        corpus = read_corpus(values["dataset"], [], [])
        # A switch in the corpus's file that is no system's own is a choice for the corpus: there it does differ.
        own |= flatten_sections({key: value for key, value in corpus.keys.items() if key not in SWITCHING})
        own |= flatten_sections(corpus.systems.get(name, {}))
    keys = flatten_sections(read_system(MSTFNET)).keys() & values.keys()
    if values.get("model_args.fusion") == "none":
        keys -= {"model_args.fusion_after"}  # there is nothing after any stage
    pairs = {key: (_listed(values[key]), _listed(own[key])) for key in own if key in keys}
    return {key: (here, there) for key, (here, there) in pairs.items() if here != there}


def _list_switches() -> set[str]:
    """The dotted keys that tell one system from another."""
    return {key for key in flatten_sections(read_system(MSTFNET)) if key.partition(".")[0] in SWITCHING}


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _show(value: Any) -> str:
    """A value as YAML has it."""
    return value if isinstance(value, str) else json.dumps(value)
