"""Keys of earlier versions and of earlier systems, whose files are to run as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from config.keys import is_text, merge_sections
from utils.errors import InputError
from utils.sclite_program import find_sclite
from utils.text import quote_value

IGNORED_KEYS = {
    "feeder": "the loader is chosen by feeder_args.datatype",
    "model": "the network is chosen by system and model_args",
    "model_args.num_classes": "it follows from the dictionary",
    "num_classes": "it follows from the dictionary",
    "model_args.use_bn": "the network always has its BatchNorm",
    "feeder_args.num_gloss": "every gloss of the dictionary is used",
    "feeder_args.drop_ratio": "nothing is dropped",
    "feeder_args.mode": "it follows from the phase",
    "optimizer_args.learning_ratio": "nothing reads it",
    "optimizer_args.start_epoch": "a checkpoint knows its epoch",
    "random_fix": "the seed is always fixed",
    "print_log": "the log is always printed",
}
"""Keys of earlier systems' files that mean nothing here: they are accepted, and the log says why nothing reads them."""


class RenamedKey(NamedTuple):
    """What became of a key of an earlier version.

    Attributes:
        key: its name today, with its section.
        values: each value of then -> the value of today; empty where values stayed as they were.
    """

    key: str
    values: Mapping[Any, Any]


RENAMED_KEYS = {"checkpoint_stages": RenamedKey("recompute", {False: "blocks", True: "stages"})}
"""Keys of earlier versions of this system, in files, on the command line and in checkpoints: read as those of today."""


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
        if values and not (isinstance(value, (bool, int, str)) and value in values):
            choices = ", ".join(map(str, values.values()))
            mistakes.append(
                f"{old}: {quote_value(value)} is not allowed; it is called {new} today: choose one of {choices}"
            )
            continue
        branch: Any = values[value] if values else value
        shown = branch if isinstance(branch, str) else quote_value(branch)
        note = f"{old} is called {new} today, and read as {new}: {shown}"
        for part in reversed(new.split(".")):
            branch = {part: branch}
        merged = merge_sections(branch, renamed)
        if merged == renamed:  # what stands under the name of today counts
            note = f"{old} is called {new} today, and ignored, since {new} is given too"
        notes.append(note)
        renamed = merged
    return renamed


def replace_missing_scorer(in_file: dict[str, Any], typed: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """The keys of a file, with the built-in scorer where an earlier system's file asks for a sclite that is not here.

    Such files name sclite because those systems have no other scorer. Whoever names it on the command line, or in a
    file of this system, wants it.

    Args:
        in_file: sections and keys of the file.
        typed: sections and keys of the command line.
        notes: gets a line about the replacement.
    """
    is_of_earlier_system = bool(drop_ignored_keys(in_file)[1])
    if not is_of_earlier_system or "evaluate_tool" in typed or in_file.get("evaluate_tool") != "sclite":
        return in_file
    place = typed.get("sclite_path", in_file.get("sclite_path"))
    try:
        find_sclite(place if isinstance(place, str) else None)
    except InputError:
        notes.append(
            "evaluate_tool: python takes the place of sclite, which the file of an earlier system names and which is "
            "not here; the built-in scorer counts the same"
        )
        return in_file | {"evaluate_tool": "python"}
    return in_file


def is_text_today(key: str) -> bool:
    """`config.keys.is_text` for a key that may have a name of an earlier version."""
    renamed = RENAMED_KEYS.get(key)
    return is_text(key) or (renamed is not None and not renamed.values and is_text(renamed.key))


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
        elif isinstance(value, Mapping) and not prefix:  # there are no sections within sections
            kept[key], below = drop_ignored_keys(value, f"{dotted}.")
            notes += below
        else:
            kept[key] = value
    return kept, notes
