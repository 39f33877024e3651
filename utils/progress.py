"""How far a long piece of work is: a bar on a terminal, and a line now and then in a log file or a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

SECONDS = 60.0
"""The time between two lines where there is no terminal. What takes less time says nothing."""


def show_progress(
    items: Iterable[Item], total: int, title: str, unit: str, hidden: bool = False
) -> Iterator[Item]:  # fmt: skip
    """Hand on items and show on the standard error stream how many of them are done.

    Args:
        items: what is worked on, one after the other.
        total: the number of items.
        title: what is done to them.
        unit: the word for one of them.
        hidden: whether nothing is shown, e.g. by all processes of a training but the first.
    """
    if hidden:
        yield from items
    elif is_terminal():
        yield from tqdm(items, title, total, leave=False, unit=unit)
    else:
        said = time.monotonic()
        for done, item in enumerate(items):
            if time.monotonic() - said >= SECONDS:
                said = time.monotonic()
                print(f"{title}: {done} of {total}", file=sys.stderr, flush=True)
            yield item


def is_terminal() -> bool:
    """Whether a person looks at the standard error stream, on which a bar can be drawn."""
    return sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty()
