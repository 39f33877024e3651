"""Reading a configuration.

What counts over what, from the least to the most: the defaults of `config.schema`; the system's file
`config/systems/<system>.yaml`; the corpus's file `config/<dataset>.yaml`; that file's block `systems: {<system>: ...}`;
the run's file; its block `systems`, if it has one; the file that its key `decoding` names; the command line, above the
file that its own `decoding` names.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from config.decoding import KEY, leave_decoding_out, take_decoding
from config.keys import is_list, may_be_list, may_be_none, merge_sections
from config.layers import Layer, combine_layers, list_corpora, read_corpus, read_layer, read_system
from config.mistakes import ConfigError, describe_mistakes
from config.nearest_system import advise_named_system, advise_old_file
from config.older_keys import drop_ignored_keys, is_text_today, rename_keys, replace_missing_scorer
from config.schema import Config
from utils.errors import ParseError
from utils.plain_yaml import parse_yaml
from utils.text import did_you_mean, quote_value

BASELINE = "config/baseline.yaml"
"""The file that counts where a command line names none."""
NO_VALUE = {"", "~", "null", "none"}
"""What says on the command line that a key has no value."""
RARE_LINE_ENDS = re.compile("[\x85\u2028\u2029]")


def load_config(path: str | Path | None, overrides: Mapping[str, Any]) -> tuple[Config, list[str]]:
    """The configuration of a run.

    Args:
        path: the YAML file; None takes the defaults.
        overrides: values by dotted key; text is read as on the command line (`read_word`).

    Returns:
        the configuration, and a line for each key that is accepted though it is renamed today, means nothing here, or
        does not count; and one where the file trains another system than its own or the one that is named.

    Raises:
        ConfigError: lists the unknown keys, wrong types and bad choices at once.
    """
    mistakes: list[str] = []
    notes: list[str] = []
    # Before the two are merged, so that a key on the command line beats its older name in the file.
    file = read_layer(path, notes, mistakes) if path else Layer({})
    typed = rename_keys(nest_overrides(overrides, mistakes), notes, mistakes)
    file = replace(file, keys=replace_missing_scorer(file.keys, typed, notes))
    tuned = take_decoding(typed.get(KEY, file.keys.get(KEY)), notes)
    file, typed = replace(file, keys=leave_decoding_out(file.keys)), leave_decoding_out(typed)
    config, ignored = _complete([file, Layer(tuned), Layer(typed)], mistakes, f" (file: {path})" if path else "")
    plain = to_dict(config)
    advice = advise_old_file(file.keys, typed, plain) or advise_named_system(file.keys, typed, plain)
    return config, notes + ignored + advice


def parse_stored_config(content: Any, source: str | Path) -> Config:
    """The configuration in what `to_dict` made of it, as a checkpoint holds it.

    Args:
        content: the dictionary; a key that it lacks, because it came later, has its default. One without a system
            comes from before there were several, and is MSTFNet's.
        source: the file that it was in, for the error.

    Raises:
        ConfigError: it is something else, or comes from a version with other keys.
    """
    if not isinstance(content, Mapping):
        raise ConfigError(f"the configuration in {source} is a {type(content).__name__}, not sections and keys")
    mistakes: list[str] = []
    keys = rename_keys(content, [], mistakes)
    if "system" not in keys:
        keys = merge_sections(read_system(Config.system), keys) | {"system": Config.system}
    return _complete([Layer(keys)], mistakes, f" in {source}")[0]


def read_stored_config(content: Mapping[str, Any], source: str | Path) -> Config:
    """The configuration in a checkpoint, with the meaning that it had when that was written.

    Args:
        content: what the checkpoint holds, a configuration among it. One from before `precision` was recorded knew no
            TF32: what it calls fp32 is what `default` is today. One without `feeder_args.pad_to` added no frames.
        source: the checkpoint's file, for the error.

    Raises:
        ConfigError: as `parse_stored_config`.
    """
    stored = content["config"]
    if isinstance(stored, Mapping) and isinstance(stored.get("feeder_args", {}), Mapping):
        stored = merge_sections({"feeder_args": {"pad_to": 0}}, stored)
    config = parse_stored_config(stored, source)
    if "precision" not in content and config.precision == "fp32":
        return replace(config, precision="default")
    return config


def _complete(layers: Sequence[Layer], mistakes: list[str], where: str) -> tuple[Config, list[str]]:
    """Add what the defaults, the system's file and the corpus's file say, and check everything.

    Args:
        layers: what was given, of which the later counts over the earlier.
        mistakes: the mistakes found so far, which come into the same error.
        where: the file, for the error.

    Returns:
        as `load_config`.
    """
    named = {key for layer in layers for key in layer.keys}
    dataset = next((layer.keys["dataset"] for layer in reversed(layers) if "dataset" in layer.keys), Config.dataset)
    renames: list[str] = []
    if dataset in list_corpora():
        layers = [read_corpus(dataset, renames, mistakes), *layers]
    elif not {"prepared", "normalise"} <= named:
        name, known = quote_value(dataset).strip("'"), ", ".join(sorted(list_corpora()))
        mistakes.append(
            f"dataset: there is no corpus {name} (config/ has {known})"
            f"{did_you_mean(str(dataset), list_corpora())}; a corpus of your own needs `prepared` and `normalise`"
        )
    given, notes = drop_ignored_keys(combine_layers(layers, mistakes))  # which the check would not know
    mistakes = list(dict.fromkeys(mistakes))  # the file of the run may be that of the corpus, and is read twice then
    try:
        config = TypeAdapter(Config).validate_python(given)
    except ValidationError as error:
        raise describe_mistakes(mistakes, error.errors(include_url=False), where) from None
    if config.decoding:
        mistakes.append("decoding: it has a place in the run's file and on the command line alone")
    if mistakes:
        raise describe_mistakes(mistakes, [], where)
    return config, renames + notes


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
    return yaml.dump(to_dict(config), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Writes everything that YAML reads back as it was."""


def _write_text(dumper: _Dumper, text: str) -> yaml.Node:
    # The rarer ends of lines come back only in double quotes, where they are escaped.
    style = '"' if RARE_LINE_ENDS.search(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _write_text)


def nest_overrides(overrides: Mapping[str, Any], mistakes: list[str]) -> dict[str, Any]:
    """Turn dotted keys into sections: {"a.b": 1} -> {"a": {"b": 1}}.

    Args:
        overrides: values by dotted key; text is read by `read_word`.
        mistakes: a list, to which a line is added for each value that cannot be read.
    """
    out: dict[str, Any] = {}
    for dotted, value in overrides.items():
        try:
            branch = read_word(dotted, value) if isinstance(value, str) else value
        except ParseError as error:
            mistakes.append(f"{dotted}: {quote_value(value)} cannot be read: {error}")
            continue
        for key in reversed(dotted.split(".", 2)):  # there are no sections within sections
            branch = {key: branch}
        out = merge_sections(out, branch)
    # Whoever switches a language model off needs no weight for it, whatever lies below has one.
    return {"lm_weight": Config.lm_weight} | out if out.get("lm", "") is None else out


def read_word(key: str, word: str) -> Any:
    """What a value on the command line means: text where the key holds text, else what YAML makes of it.

    Args:
        key: the dotted key. Where it may be without a value, "none" and "null" say so; where it may hold a list, that
            is in brackets.
        word: the value.

    Raises:
        ParseError: it is not YAML.
    """
    if may_be_none(key) and word.strip().lower() in NO_VALUE:
        return None
    in_brackets = word.startswith("[") and word.endswith("]")
    if is_text_today(key) and not is_list(key) and not (may_be_list(key) and in_brackets):
        return word
    # Else a # would begin a comment.
    return parse_yaml(word, "", lambda below: is_text_today(f"{key}.{below}" if below else key))
