"""Being asked to stop: by the user, or by a cluster that takes the machine back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(Exception):  # noqa: N818  no error, like KeyboardInterrupt
    """The run was asked to stop, and everything it had done is saved.

    Attributes:
        status: exit status of the program, 128 and the number of the signal, as shells expect it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.status = 128 + number


class Interruption:
    """While it is entered, SIGINT and SIGTERM only set `requested`; a second SIGINT stops the program at once.

    Outside the main thread, where Python lets nobody handle signals, it does nothing.

    Attributes:
        requested: the signal that came; 0 for none.
    """

    def __init__(self) -> None:
        self.requested = 0
        self._at_once = False

    def __enter__(self) -> Interruption:
        self._before = {}
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._receive) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Raise Interrupted as soon as a signal comes: around what leaves nothing half done."""
        self._at_once = True
        try:
            self.check()
            yield
        finally:
            self._at_once = False

    def check(self) -> None:
        """Raise Interrupted if a signal has come."""
        if self.requested:
            raise Interrupted(self.requested)

    def _receive(self, number: int, _: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = number
        if self._at_once:
            self.check()
