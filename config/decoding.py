"""A file with the settings of the beam search that were best on a split, as `evaluation.tune` writes it.

It has some of the keys `lm`, `lm_weight`, `insertion_bonus`, `blank_penalty` and `beam_width`, which count over every
configuration file and below the command line; `lm` is relative to the file. A configuration gets these keys when it is
read, and knows nothing of the file afterwards: runs and checkpoints hold what counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from config.layers import list_value_mistakes, read_yaml
from config.mistakes import ConfigError
from config.schema import Config
from utils.text import did_you_mean, quote_value

KEY = "decoding"
DECODING_KEYS = ("lm", "lm_weight", "insertion_bonus", "blank_penalty", "beam_width")
"""What such a file may set."""


def read_decoding(path: Any) -> dict[str, Any]:
    """The keys in a file of decoding settings.

    Args:
        path: the value of the key `decoding`; None gives no keys.

    Raises:
        ConfigError: there is no such file, or it holds other keys, wrong types or wrong values.
    """
    if path is None or path == "":
        return {}
    if not isinstance(path, str) or not Path(path).is_file():
        raise ConfigError(
            f"{KEY}: there is no file {quote_value(path)}; `python -m evaluation.tune` writes one, and --{KEY} none "
            "decodes without it"
        )
    keys = read_yaml(path)
    mistakes = [
        f"{key}: unknown key{did_you_mean(key, DECODING_KEYS)}; the file may have {', '.join(DECODING_KEYS)}"
        for key in map(str, keys)
        if key not in DECODING_KEYS
    ]
    mistakes += list_value_mistakes({key: value for key, value in keys.items() if key in DECODING_KEYS})
    if mistakes:
        raise ConfigError("; ".join(f"{path}: {mistake}" for mistake in mistakes))
    if isinstance(keys.get("lm"), str) and keys["lm"]:  # "" is none, as in a configuration
        keys["lm"] = str(Path(path).parent / keys["lm"])
    return keys


def put_decoding_in(typed: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """The sections and keys of a command line, with those of the file that its `decoding` names.

    Args:
        typed: sections and keys; what it sets itself counts over the file.
        notes: gets a line about what the file gives.

    Raises:
        ConfigError: as `read_decoding`.
    """
    return take_decoding(typed.get(KEY), notes) | leave_decoding_out(typed)


def leave_decoding_out(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Sections and keys without the name of the file."""
    return {key: value for key, value in keys.items() if key != KEY}


def take_decoding(path: Any, notes: list[str]) -> dict[str, Any]:
    """`read_decoding`, with a line for the log about what the file gives."""
    keys = read_decoding(path)
    if keys:
        notes.append(f"{KEY}: {path} gives {', '.join(f'{key} {value}' for key, value in keys.items())}")
    return keys


def drop_language_model(keys: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a configuration without its language model, and without the bonus and penalty that go with one.

    For files that others get: what a network is shared in must not need a file that is not in it.
    """
    if not keys.get("lm"):
        return dict(keys)
    off = {key: getattr(Config, key) for key in ("lm", "lm_weight", "insertion_bonus", "blank_penalty")}
    return dict(keys) | off
