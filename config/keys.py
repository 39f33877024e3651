"""The keys of the configuration by their dotted names: which there are, and which of them hold text."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from functools import cache
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from config.schema import Config


def list_keys(record: type = Config, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every key that can be set, dotted, with its default."""
    defaults = record()
    for entry in dataclasses.fields(record):
        value = getattr(defaults, entry.name)
        if dataclasses.is_dataclass(value):
            yield from list_keys(type(value), f"{prefix}{entry.name}.")
        else:
            yield prefix + entry.name, value


def list_sections() -> list[str]:
    """The names of the sections."""
    return list(dict.fromkeys(key.partition(".")[0] for key, _ in list_keys() if "." in key))


@cache
def _list_types(record: type = Config, prefix: str = "") -> dict[str, Any]:
    """The type of every key that can be set, by its dotted name."""
    types: dict[str, Any] = {}
    for key, kind in get_type_hints(record).items():
        is_section = isinstance(kind, type) and dataclasses.is_dataclass(kind)
        types |= _list_types(kind, f"{prefix}{key}.") if is_section else {prefix + key: kind}
    return types


def is_text(key: str) -> bool:
    """Whether the value of a key, or each value of its list, is text: a path, a name or a word of a choice."""
    return _holds_text(_list_types().get(key))


def is_list(key: str) -> bool:
    """Whether a key holds a list."""
    return get_origin(_list_types().get(key)) is tuple


def may_be_list(key: str) -> bool:
    """Whether a key holds one value or a list of several."""
    return any(get_origin(part) is tuple for part in get_args(_list_types().get(key)))


def may_be_none(key: str) -> bool:
    """Whether a key may have no value."""
    return NoneType in get_args(_list_types().get(key))


def _holds_text(kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return all(isinstance(choice, str) for choice in get_args(kind))
    parts = [part for part in get_args(kind) if part not in (NoneType, Ellipsis)]
    return kind is str or (bool(parts) and all(map(_holds_text, parts)))


def merge_sections(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Both mappings, nested ones merged likewise; where they differ, `above` wins."""
    merged = dict(below)
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = merge_sections(merged[key], value)
        else:
            merged[key] = value
    return merged


def flatten_sections(given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of sections and keys by their dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in given.items():
        flat |= {f"{key}.{name}": one for name, one in value.items()} if isinstance(value, Mapping) else {key: value}
    return flat
