"""Reading YAML that came from outside: plain values only, within bounds, and text as it was written."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from utils.errors import ParseError
from utils.files import read_text

MOST_BYTES = 4 * 2**20
MOST_LEVELS = 20
MOST_DIGITS = 40
MOST_VALUES = 200_000
"""Bounds that no configuration meets. Longer numbers stay text. The last bound is of values
after aliases were replaced by what they stand for.
"""

# The base loader makes nothing of a scalar but text. Python's says better what is wrong; libyaml's, where PyYAML has
# it, is ten times faster.
LOADER: Any = yaml.BaseLoader
LOADER_OF_LARGE: Any = getattr(yaml, "CBaseLoader", LOADER)
LARGE = 2**16
TAG = "tag:yaml.org,2002:"
TAGS = {f"{TAG}{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")}
NULLS = {"", "~", "null", "Null", "NULL"}
BOOLS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
INTEGER = re.compile(r"[-+]?[0-9]{1,20}")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


def read_yaml(path: str | Path, is_text: Callable[[str], bool] = lambda _: False) -> Any:
    """Read the one document of a YAML file.

    Args:
        path: the file.
        is_text: as for `parse_yaml`.

    Raises:
        FileNotFoundError: there is no such file.
        ParseError: it cannot be read; the message names the file and the line.
    """
    return parse_yaml(read_text(path, MOST_BYTES), str(path), is_text)


def parse_yaml(text: str, source: str, is_text: Callable[[str], bool] = lambda _: False) -> Any:
    """Read one YAML document.

    Numbers are decimal, as people write them and as YAML 1.2 has them: of YAML 1.1's further kinds (octal 0123,
    12:30:45 to the base of sixty, dates) none is guessed, they stay text.

    Args:
        text: the document.
        source: the file in messages; "" where there is none.
        is_text: whether the values of a key, which it gets with its sections as `section.key`, are text. They stay as
            they were written (20261125_01, 1.10, 0123, no), except for YAML's words for no value.

    Raises:
        ParseError: it is not YAML, has a key twice in one section, holds more than plain values, or too much.
    """
    place = f"{source}, " if source else ""
    loader = LOADER if len(text) < LARGE else LOADER_OF_LARGE
    try:
        _check_depth(text, loader, place)
        node = yaml.compose(text, Loader=loader)
    except ParseError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise ParseError(f"{place}{line}this is not YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError) as error:  # of a reader: a character that YAML does not allow
        what = " ".join(str(error).split()).split(" in ")[0]
        raise ParseError(f"{place}this is not YAML: {what}") from None
    return None if node is None else _Builder(place, is_text).build(node, "", 0)


def _check_depth(text: str, loader: Any, place: str) -> None:
    """Raise ParseError for a document with too many levels, on which yaml.compose would exhaust the stack."""
    level = 0
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.CollectionStartEvent):
            level += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            level -= 1
        if level > MOST_LEVELS:
            line = event.start_mark.line + 1
            raise ParseError(f"{place}line {line}: more than {MOST_LEVELS} levels of lists and sections")


class _Builder:
    """Makes plain values of the nodes of a document; counts them, since an alias can stand for many."""

    def __init__(self, place: str, is_text: Callable[[str], bool]) -> None:
        self.place = place
        self.is_text = is_text
        self.values = 0

    def build(self, node: yaml.Node, key: str, level: int) -> Any:
        """The value of a node that belongs to this key, `level` lists and sections deep."""
        self.values += 1
        if level > MOST_LEVELS or self.values > MOST_VALUES:  # an alias may stand for the section that it is in
            raise self.complain(node, "this is too large or endless, perhaps by aliases such as *a")
        if node.tag not in TAGS:
            raise self.complain(node, f"the tag {node.tag.replace(TAG, '!!')} has no place here")
        if isinstance(node, yaml.MappingNode):
            return self.build_mapping(node, key, level)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, key, level + 1) for item in node.value]
        return node.value if node.style else _resolve(node.value, self.is_text(key))

    def build_mapping(self, node: yaml.MappingNode, prefix: str, level: int) -> dict[str, Any]:
        """The mapping in a node; `<<` takes over the keys of others, below its own."""
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for name, value in node.value:
            if not isinstance(name, yaml.ScalarNode):
                raise self.complain(name, "a key must be one word, not a list or a section")
            key = name.value
            if key in lines:
                raise self.complain(name, f"{key[:80]} is already on line {lines[key]}; a key is given once")
            lines[key] = name.start_mark.line + 1
            if key == "<<" and name.style is None:
                others = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for other in reversed(others):  # of several the first one wins
                    if not isinstance(other, yaml.MappingNode):
                        raise self.complain(value, "<< needs a section, or a list of sections")
                    merged |= self.build(other, prefix, level + 1)
            else:
                own[key] = self.build(value, f"{prefix}.{key}" if prefix else key, level + 1)
        return merged | own

    def complain(self, node: yaml.Node, what: str) -> ParseError:
        """The error for a node."""
        return ParseError(f"{self.place}line {node.start_mark.line + 1}: {what}")


def _resolve(written: str, is_text: bool) -> Any:
    """What a scalar without quotes stands for."""
    if written in NULLS:
        return None
    if is_text:
        return written
    if written.lower() in BOOLS:
        return BOOLS[written.lower()]
    if INTEGER.fullmatch(written):
        return int(written)
    return float(written) if len(written) < MOST_DIGITS and FLOAT.fullmatch(written) else written
