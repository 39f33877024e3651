"""Reading JSON that came from outside: within bounds, every key once, and no number that is none."""

from __future__ import annotations

import gc
import json
from math import isinf
from pathlib import Path
from typing import Any, NoReturn

from utils.errors import ParseError
from utils.files import read_text

MOST_BYTES = 2**30
MOST_LEVELS = 50
MOST_DIGITS = 30
"""Bounds that no file of ours meets: the report of a large split has some ten MB and five levels."""


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Raises:
        FileNotFoundError: there is no such file.
        ParseError: it cannot be read; the message names the file.
    """
    return parse_json(read_text(path, MOST_BYTES), str(path))


def parse_json(text: str, source: str) -> Any:
    """Read a JSON text.

    Args:
        text: the text.
        source: the file, in messages.

    Raises:
        ParseError: it is not JSON, has a key twice in one object, holds a number that is none or too large, or has
            too many levels.
    """
    collected = gc.isenabled()
    gc.disable()  # it would search the growing lists again and again: more than half the time of a large report
    try:
        content = json.loads(
            text,
            object_pairs_hook=_build_object,
            parse_constant=_refuse_constant,
            parse_int=_read_integer,
            parse_float=_read_float,
        )
        # Python joins the halves of characters, and lets single ones pass. Those that spell a byte of a file name
        # (`utils.files.write_json`) may.
        if "\\ud" in text or "\\uD" in text:
            json.dumps(content, ensure_ascii=False).encode(errors="surrogateescape")
    except json.JSONDecodeError as error:
        raise ParseError(f"{source}, line {error.lineno}: this is not JSON: {error.msg}") from None
    except RecursionError:
        raise ParseError(f"{source} has more than {MOST_LEVELS} levels of lists and objects") from None
    except UnicodeEncodeError:
        raise ParseError(
            f"{source}: \\ud800 to \\udfff stand for half of a character, and one of them stands alone"
        ) from None
    except ValueError as error:
        raise ParseError(f"{source}: {error}") from None
    finally:
        if collected:
            gc.enable()
    _check_depth(content, source)
    return content


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in built if names.count(name) > 1)
        raise ValueError(f"the key {twice[:80]!r} is given twice in one object")
    return built


def _read_integer(digits: str) -> int:
    if len(digits) > MOST_DIGITS:  # with its sign
        raise ValueError(f"a number of {len(digits)} digits has no meaning here")
    return int(digits)


def _read_float(digits: str) -> float:
    value = float(digits)
    if isinf(value):
        raise ValueError(f"{digits[:20]} is too large a number")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _check_depth(content: Any, source: str) -> None:
    """Raise ParseError for values that nest too deep for those that walk through them; level by level, not deeper."""
    level = [content]
    for _ in range(MOST_LEVELS + 1):
        inside: list[Any] = []
        for holder in level:
            values = holder.values() if isinstance(holder, dict) else holder if isinstance(holder, list) else ()
            inside += [value for value in values if isinstance(value, (dict, list))]
        if not inside:
            return
        level = inside
    raise ParseError(f"{source} has more than {MOST_LEVELS} levels of lists and objects")
