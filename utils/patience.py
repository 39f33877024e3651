"""A line for the user where something takes long before it shows anything."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS = 2.0
"""How long a user waits without a word."""
LOADING = "loading PyTorch ..."
"""The line for the imports that the commands do late."""


def say(line: str) -> None:
    """Print a line on the standard error stream."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def say_if_long(line: str, show: Callable[[str], None] = say) -> Iterator[None]:
    """Show a line if the block takes more than `SECONDS`.

    Args:
        line: what is done in the block, and what to expect.
        show: the function that shows it, called in another thread.
    """
    timer = threading.Timer(SECONDS, show, [line])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
