"""Reading a configuration: the command line wins over the file, that over the corpus's own file, that over defaults."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from config.schema import IGNORED_KEYS, RENAMED_KEYS, Config
from utils.errors import InputError
from utils.text import did_you_mean, plural

FOLDER = Path(__file__).parent


class ConfigError(InputError, ValueError):
    """Everything that is wrong with a configuration, in one message."""


def load_config(path: str | Path | None, overrides: Mapping[str, Any]) -> tuple[Config, list[str]]:
    """The configuration of a run.

    Args:
        path: the YAML file; None takes the defaults.
        overrides: values by dotted key, as the command line gives them.

    Returns:
        the configuration, and a line for each key that is accepted though it is renamed today or means nothing here.

    Raises:
        ConfigError: lists every unknown key, wrong type and bad choice at once.
    """
    mistakes: list[str] = []
    notes: list[str] = []
    # Before the two are merged, so that a key on the command line beats its older name in the file.
    in_file = rename_keys(read_yaml(path) if path else {}, notes, mistakes)
    typed = rename_keys(nest_overrides(overrides, mistakes), notes, mistakes)
    config, ignored = _complete(merge_sections(in_file, typed), mistakes, f" (file: {path})" if path else "")
    return config, notes + ignored


def parse_stored_config(content: Any, source: str | Path) -> Config:
    """The configuration in what `to_dict` made of it, as a checkpoint holds it.

    Args:
        content: the dictionary; a key that it lacks, because it came later, has its default.
        source: the file that it was in, for the error.

    Raises:
        ConfigError: it is something else, or comes from a version with other keys.
    """
    if not isinstance(content, Mapping):
        raise ConfigError(f"the configuration in {source} is a {type(content).__name__}, not sections and keys")
    mistakes: list[str] = []
    return _complete(rename_keys(content, [], mistakes), mistakes, f" in {source}")[0]


def _complete(given: Mapping[str, Any], mistakes: list[str], where: str) -> tuple[Config, list[str]]:
    """Add what the corpus's file and the defaults say, and check everything.

    Args:
        given: sections and keys, as they were given.
        mistakes: the mistakes found so far, which come into the same error.
        where: the file, for the error.

    Returns:
        as `load_config`.
    """
    dataset = given.get("dataset", Config.dataset)
    renames: list[str] = []
    if dataset in list_corpora():
        of_corpus = rename_keys(read_yaml(FOLDER / f"{dataset}.yaml"), renames, mistakes)
        given = merge_sections(of_corpus, given)
    elif not {"prepared", "normalise"} <= given.keys():
        known = ", ".join(sorted(list_corpora()))
        mistakes.append(
            f"dataset: there is no corpus {dataset} (config/ has {known}){did_you_mean(str(dataset), list_corpora())}; "
            "a corpus of your own needs `prepared` and `normalise`"
        )
    given, notes = drop_ignored_keys(given)  # before the check, to which they would be unknown keys
    try:
        config = TypeAdapter(Config).validate_python(given)
    except ValidationError as error:
        mistakes += [describe_validation_error(detail) for detail in error.errors()]
    if mistakes:
        head = f"{plural(len(mistakes), 'mistake')} in the configuration{where}:"
        raise ConfigError("\n  ".join([head, *mistakes]))
    return config, renames + notes


def list_corpora() -> list[str]:
    """The names of the corpora that have a file in this folder."""
    runs = {"baseline", "quickstart"}  # files of runs, not of corpora
    return [file.stem for file in FOLDER.glob("*.yaml") if file.stem not in runs]


def list_keys(record: type = Config, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every key that can be set, dotted, with its default."""
    defaults = record()
    for entry in dataclasses.fields(record):
        value = getattr(defaults, entry.name)
        if dataclasses.is_dataclass(value):
            yield from list_keys(type(value), f"{prefix}{entry.name}.")
        else:
            yield prefix + entry.name, value


def to_dict(config: Any) -> dict[str, Any]:
    """A configuration, or a section of it, as plain nested containers, which YAML and checkpoints hold."""
    out: dict[str, Any] = {}
    for entry in dataclasses.fields(config):
        value = getattr(config, entry.name)
        if dataclasses.is_dataclass(value):
            value = to_dict(value)
        elif isinstance(value, tuple):
            value = list(value)
        out[entry.name] = value
    return out


def to_yaml(config: Config) -> str:
    """The configuration as a file that `load_config` reads back."""
    return yaml.safe_dump(to_dict(config), sort_keys=False, allow_unicode=True)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read the mapping in a YAML file.

    Raises:
        ConfigError: no such file, not YAML, or it holds no mapping.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"there is no configuration file {path}") from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path} cannot be read as YAML: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold `key: value` lines, it holds {type(content).__name__}")
    return content


def merge_sections(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Both mappings, nested ones merged likewise; where they differ, `above` wins."""
    merged = dict(below)
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge_sections(merged[key], value)
        else:
            merged[key] = value
    return merged


def nest_overrides(overrides: Mapping[str, Any], mistakes: list[str]) -> dict[str, Any]:
    """Turn dotted keys into sections: {"a.b": 1} -> {"a": {"b": 1}}; text is read as YAML reads it.

    Args:
        overrides: values by dotted key.
        mistakes: a list, to which a line is added for each value that cannot be read.
    """
    out: dict[str, Any] = {}
    for dotted, value in overrides.items():
        try:
            branch = yaml.safe_load(value) if isinstance(value, str) else value
        except yaml.YAMLError:
            mistakes.append(f"{dotted}: {value!r} is not valid YAML")
            continue
        for key in reversed(dotted.split(".")):
            branch = {key: branch}
        out = merge_sections(out, branch)
    return out


def rename_keys(given: Mapping[str, Any], notes: list[str], mistakes: list[str]) -> dict[str, Any]:
    """`given` with the keys of earlier versions under their names of today.

    Args:
        given: sections and keys. Where a key stands there under both names, the one of today counts.
        notes: gets a line for each key that was renamed.
        mistakes: gets a line for each that has a value it never could have.
    """
    renamed = dict(given)
    for old, (new, values) in RENAMED_KEYS.items():
        section, _, key = old.rpartition(".")
        holder = renamed.get(section) if section else renamed
        if not isinstance(holder, Mapping) or key not in holder:
            continue
        value = holder[key]
        rest = {other: kept for other, kept in holder.items() if other != key}
        renamed = renamed | {section: rest} if section else rest
        if values and value not in list(values):
            choices = ", ".join(map(str, values.values()))
            mistakes.append(f"{old}: {value!r} is not allowed; it is called {new} today: choose one of {choices}")
            continue
        branch: Any = values[value] if values else value
        note = f"{old} is called {new} today, and read as {new}: {branch}"
        for part in reversed(new.split(".")):
            branch = {part: branch}
        merged = merge_sections(branch, renamed)
        if merged == renamed:  # what stands under the name of today counts
            note = f"{old} is called {new} today, and ignored, since {new} is given too"
        notes.append(note)
        renamed = merged
    return renamed


def drop_ignored_keys(given: Mapping[str, Any], prefix: str = "") -> tuple[dict[str, Any], list[str]]:
    """Take out the keys of earlier systems that mean nothing here.

    Args:
        given: sections and keys.
        prefix: the dotted name of the section that they are in, with a dot at its end.

    Returns:
        what is left, and a line for each key that was taken out.
    """
    kept: dict[str, Any] = {}
    notes: list[str] = []
    for key, value in given.items():
        dotted = f"{prefix}{key}"
        if dotted in IGNORED_KEYS:
            notes.append(f"{dotted} is ignored: {IGNORED_KEYS[dotted]}")
        elif isinstance(value, Mapping):
            kept[key], below = drop_ignored_keys(value, f"{dotted}.")
            notes += below
        else:
            kept[key] = value
    return kept, notes


def describe_validation_error(detail: Mapping[str, Any]) -> str:
    """One of pydantic's error records, as a sentence that names the key by its dotted name."""
    path = [str(part) for part in detail["loc"]]
    dotted = ".".join(path)
    if detail["type"] == "unexpected_keyword_argument":
        # First a key of the same section that is spelt alike, then one of any section.
        keys, section = [key for key, _ in list_keys()], ".".join(path[:-1])
        siblings = [key for key in keys if key.rsplit(".", 1)[:-1] == [section]] if section else keys
        near = did_you_mean(dotted, siblings) or did_you_mean(path[-1], [key.rsplit(".", 1)[-1] for key in keys])
        return f"{dotted}: unknown key{near}"
    sections = ("dataclass_type", "dataclass_exact_type")
    if detail["type"] in sections:
        return f"{dotted}: {detail['input']!r} is one value, a section with keys of its own is needed"
    if detail["type"] == "value_error":  # of a section's own check, which names the values
        return f"{dotted}: {detail['ctx']['error']}"
    return f"{dotted}: {detail['input']!r} is not allowed: {detail['msg'].lower()}"
