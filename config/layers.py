"""The files that a configuration is made of: each one's sections and keys, and its block of changes for each system."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from config.keys import list_sections, merge_sections
from config.mistakes import ConfigError, describe_validation_error
from config.older_keys import is_text_today, rename_keys
from config.schema import Config, System
from utils.errors import ParseError
from utils.plain_yaml import read_yaml as read_plain_yaml
from utils.text import did_you_mean, quote_value, shorten_text

FOLDER = Path(__file__).parent
SYSTEMS = FOLDER / "systems"
BLOCK = "systems"
"""The key of a file under which it says what it changes for one system or another."""
OUTSIDE = dict.fromkeys(("system", "dataset", BLOCK), "it chooses which block counts") | {
    "decoding": "its file counts over every block"
}
"""Keys that no block may hold, and why."""


@dataclass(frozen=True)
class Layer:
    """What one file, or the command line, says.

    Attributes:
        keys: sections and keys.
        systems: further ones, which count over `keys`, for each system that has any.
    """

    keys: dict[str, Any]
    systems: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def list_corpora() -> list[str]:
    """The names of the corpora that have a file in this folder."""
    runs = {"baseline", "quickstart"}  # files of runs, not of corpora
    return [file.stem for file in FOLDER.glob("*.yaml") if file.stem not in runs]


def list_systems() -> list[str]:
    """The names of the systems, each of which has a file in `systems/`, from the oldest to the newest."""
    return list(get_args(System))


def read_system(name: str) -> dict[str, Any]:
    """The sections and keys in a system's file: its recipe and its switches."""
    return read_yaml(SYSTEMS / f"{name}.yaml")


def read_corpus(name: str, notes: list[str], mistakes: list[str]) -> Layer:
    """What a corpus's file says; arguments and errors are those of `read_layer`."""
    return read_layer(FOLDER / f"{name}.yaml", notes, mistakes)


def read_layer(path: str | Path, notes: list[str], mistakes: list[str]) -> Layer:
    """What a file says; the file of a system is its name.

    Args:
        path: the YAML file of a run, a corpus or a system.
        notes: gets a line for each key that is renamed today.
        mistakes: gets a line for each mistake in the file's block `systems`.

    Raises:
        ConfigError: as `read_yaml`.
    """
    if Path(path).resolve().parent == SYSTEMS:
        # Its own keys would count over the corpus's here.
        return Layer({"system": Path(path).stem})
    content = read_yaml(path)
    block = content.pop(BLOCK, {})
    return Layer(rename_keys(content, notes, mistakes), _check_block(block, path, mistakes))


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read the sections and keys in a YAML file.

    Values of keys that hold text stay as they were written. A section that holds nothing, because all its lines are
    comments, is an empty one, in the block `systems` too.

    Raises:
        ConfigError: no such file, not YAML, or it holds no mapping.
    """
    try:
        content = read_plain_yaml(path, _is_text)
    except FileNotFoundError:
        raise ConfigError(f"there is no configuration file {path}") from None
    except ParseError as error:
        raise ConfigError(str(error)) from None
    if not isinstance(content, dict):
        found = "it is empty" if content is None else f"it holds {type(content).__name__}"
        raise ConfigError(f"{path} must hold `key: value` lines, {found}")
    content = _fill_empty(content, {*list_sections(), BLOCK})
    if isinstance(content.get(BLOCK), Mapping):
        block = _fill_empty(content[BLOCK], list_systems())
        sections = list_sections()
        content[BLOCK] = {
            name: _fill_empty(keys, sections) if isinstance(keys, Mapping) else keys for name, keys in block.items()
        }
    return content


def _fill_empty(content: Mapping[str, Any], sections: Collection[str]) -> dict[str, Any]:
    """The keys, with an empty section where one of these sections holds nothing."""
    return {key: {} if value is None and key in sections else value for key, value in content.items()}


def combine_layers(layers: Iterable[Layer], mistakes: list[str]) -> dict[str, Any]:
    """Everything that is given, of which the later counts over the earlier, on top of the chosen system's file.

    Args:
        layers: the corpus's file, the run's file, the command line; the last one that names a `system` chooses it.
        mistakes: gets a line for each section that is one value.
    """
    listed = list(layers)
    named = [Config.system, *(layer.keys["system"] for layer in listed if "system" in layer.keys)][-1]
    system = named if _is_system(named) else Config.system  # the check of all keys finds it wrong
    given = read_system(system) | {"system": named}
    for keys in (part for layer in listed for part in (layer.keys, layer.systems.get(system, {}))):
        mistakes += [  # which the keys of that section would hide
            f"{name}: {quote_value(value)} is one value, a section with keys of its own is needed"
            for name, value in given.items()
            if isinstance(keys.get(name), Mapping) and not isinstance(value, Mapping)
        ]
        given = merge_sections(given, keys)
    return given


def _is_system(name: Any) -> bool:
    return isinstance(name, str) and name in list_systems()


def _check_block(block: Any, path: str | Path, mistakes: list[str]) -> dict[str, Mapping[str, Any]]:
    """What is right of a file's block `systems`; `mistakes` gets a line for each thing that is not."""
    if not isinstance(block, Mapping):
        mistakes.append(f"{BLOCK}: {quote_value(block)} is one value, a section for each system is needed (in {path})")
        return {}
    right: dict[str, Mapping[str, Any]] = {}
    for name, keys in block.items():
        found = _list_mistakes(name, keys)
        mistakes += [f"{BLOCK}.{shorten_text(name)}{mistake} (in {path})" for mistake in found]
        if not found:
            right[name] = keys
    return right


def _list_mistakes(name: str, keys: Any) -> list[str]:
    """What is wrong with the part of a block that is about one system, each from behind that system's name on."""
    if not _is_system(name):
        near = did_you_mean(name[:80].lower(), list_systems())
        return [f": there is no such system{near} ({', '.join(list_systems())})"]
    if not isinstance(keys, Mapping):
        return [f": {quote_value(keys)} is one value, sections and keys are needed"]
    found = [f".{key}: {why}, and has no place in one" for key, why in OUTSIDE.items() if key in keys]
    mistakes = list_value_mistakes({key: value for key, value in keys.items() if key not in OUTSIDE})
    return found + [f".{mistake}" for mistake in mistakes]


def list_value_mistakes(keys: Mapping[str, Any]) -> list[str]:
    """What is wrong with each of some sections and keys by itself, whatever the others are."""
    try:
        TypeAdapter(Config).validate_python(dict(keys))
    except ValidationError as error:
        details = error.errors(include_url=False)
        return [describe_validation_error(detail) for detail in details if not _needs_all_layers(detail)]
    return []


def _needs_all_layers(detail: Mapping[str, Any]) -> bool:
    """Whether one of pydantic's error records is about keys that do not fit each other: a block alone cannot tell."""
    of_section = len(detail["loc"]) == 1 and detail["loc"][0] in list_sections()
    return detail["type"] == "value_error" and (of_section or not detail["loc"])


def _is_text(key: str) -> bool:
    """Whether a key of a file holds text, in a block for a system too."""
    section, _, rest = key.partition(".")
    return is_text_today(rest.partition(".")[2] if section == BLOCK else key)
