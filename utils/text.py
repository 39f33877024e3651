"""Small pieces of the sentences that users read."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


def plural(count: int, noun: str, many: str | None = None) -> str:
    """The count with its noun: "1 frame", "2 frames"; `many` is the plural where an s does not make it."""
    if count == 1:
        return f"1 {noun}"
    return f"{count} {many or noun + 's'}"


def shorten(names: Iterable[str], most: int = 5) -> str:
    """The first `most` names, separated by commas; an ellipsis stands for the rest."""
    listed = list(names)
    rest = ["..."] if len(listed) > most else []
    return ", ".join([*listed[:most], *rest])


def did_you_mean(name: str, choices: Sequence[str], most: int = 1, cutoff: float = 0.5) -> str:
    """ "; did you mean A?" with the choices that are spelt most like `name`; "" where none is near."""
    near = difflib.get_close_matches(name, choices, n=most, cutoff=cutoff)
    return f"; did you mean {' or '.join(near)}?" if near else ""
