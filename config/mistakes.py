"""What is wrong with a configuration, in sentences that name the keys."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from config.keys import list_keys
from utils.errors import InputError
from utils.text import did_you_mean, list_first, quote_value, shorten_text

MOST_NAMED = 10


class ConfigError(InputError, ValueError):
    """Everything that is wrong with a configuration, in one message."""


def describe_mistakes(mistakes: Sequence[str], details: Sequence[Mapping[str, Any]], where: str) -> ConfigError:
    """The error for a configuration with these mistakes.

    Args:
        mistakes: sentences about mistakes.
        details: pydantic's error records of further ones. Only those that the message names are looked into, since a
            file that is no configuration has thousands.
        where: the file, for the message.
    """
    named = [*mistakes, *map(describe_validation_error, details[: max(0, MOST_NAMED - len(mistakes))])]
    count = len(mistakes) + len(details)
    head = f"{count:,} {'mistake' if count == 1 else 'mistakes'} in the configuration{where}:"
    return ConfigError("\n  ".join([head, *list_first(named, MOST_NAMED, count)]))


def describe_validation_error(detail: Mapping[str, Any]) -> str:
    """One of pydantic's error records, as a sentence that names the key by its dotted name."""
    path = [shorten_text(str(part)) for part in detail["loc"]]
    dotted = ".".join(path)
    given = quote_value(detail["input"])
    if detail["type"] == "unexpected_keyword_argument":
        # First a key of this name in another section, then one of the same section that is spelt alike, then any.
        keys, section = [key for key, _ in list_keys()], ".".join(path[:-1])
        elsewhere = [key for key in keys if key.rsplit(".", 1)[-1] == path[-1]]
        siblings = [key for key in keys if key.rsplit(".", 1)[:-1] == [section]] if section else keys
        near = did_you_mean(dotted, elsewhere, cutoff=0.0) or did_you_mean(dotted, siblings)
        near = near or did_you_mean(path[-1], [key.rsplit(".", 1)[-1] for key in keys])
        return f"{dotted}: unknown key{near}"
    if detail["type"] in ("dataclass_type", "dataclass_exact_type"):
        return f"{dotted}: {given} is one value, a section with keys of its own is needed"
    if detail["type"] == "value_error":  # of a check of our own, which names the values
        return f"{dotted}: {detail['ctx']['error']}" if dotted else str(detail["ctx"]["error"])
    if detail["type"] == "tuple_type":
        return f"{dotted}: {given} is not allowed: a list in brackets is needed"
    near = ""
    if detail["type"] == "literal_error" and isinstance(detail["input"], str):
        choices = re.findall("'([^']+)'", detail["ctx"]["expected"])
        # Less alike would be misleading: float32 is no nearer to fp32 than to tf32.
        near = did_you_mean(detail["input"][:80].lower(), choices, cutoff=0.6)
    return f"{dotted}: {given} is not allowed: {detail['msg'].lower()}{near}"
