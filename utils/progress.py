"""How far a long piece of work is: a bar on a terminal, and a line now and then in a log file or a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

SECONDS = 60.0
"""The time between two lines where there is no terminal. What takes less time says nothing."""


def show_progress(
    items: Iterable[Item], total: int, title: str, unit: str, hidden: bool = False, done: int = 0,
    describe: Callable[[], str] | None = None,
) -> Generator[Item, None, None]:  # fmt: skip
    """Hand on items and show on the standard error stream how many of them are done.

    Args:
        items: what is worked on, one after the other.
        total: the number of items.
        title: what is done to them.
        unit: the word for one of them.
        hidden: whether nothing is shown, e.g. by all processes of a training but the first.
        done: how many of the `total` were done before and are not among the items.
        describe: what else is shown, such as the loss until now; asked after each item on a terminal.
    """
    if hidden:
        yield from items
    elif is_terminal():
        with tqdm(desc=title, total=total, initial=done, leave=False, unit=unit) as bar:
            for item in items:
                yield item
                if describe:
                    bar.set_postfix_str(describe(), refresh=False)
                bar.update()
    else:
        said = time.monotonic()
        for number, item in enumerate(items, done):
            if time.monotonic() - said >= SECONDS:
                said = time.monotonic()
                more = f", {describe()}" if describe and number > done else ""
                print(f"{title}: {number} of {total}{more}", file=sys.stderr, flush=True)
            yield item


def is_terminal() -> bool:
    """Whether a person looks at the standard error stream, on which a bar can be drawn."""
    return sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty()
