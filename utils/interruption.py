"""Being asked to stop: by the user, or by a cluster that takes the machine back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(Exception):  # noqa: N818  no error, like KeyboardInterrupt
    """The work was asked to stop.

    Args:
        number: the number of the signal.
        saved: whether everything that was done is saved.

    Attributes:
        number: the same.
        status: the program's exit status: 128 and the number of the signal, as shells expect it.
    """

    def __init__(self, number: int, saved: bool = False) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}{'; everything is saved' if saved else ''}")
        self.number = number
        self.status = 128 + number


class Interruption:
    """While it is entered, SIGINT and SIGTERM only set `requested`; a second SIGINT stops the program at once.

    Outside the main thread, where Python lets nobody handle signals, it does nothing.

    Attributes:
        requested: the number of the signal that came; 0 for none.
    """

    def __init__(self) -> None:
        self.requested = 0
        self._at_once = self._saved = self._held_back = False
        self._handlers_before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            self._handlers_before = {number: signal.signal(number, self._receive) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers_before.items():
            signal.signal(number, handler)
        self._handlers_before = {}

    @contextmanager
    def at_once(self, saved: bool = False) -> Iterator[None]:
        """Raise Interrupted as soon as a signal comes: for work that leaves nothing half done.

        Args:
            saved: whether everything that was done before is saved.
        """
        self._at_once, self._saved = True, saved
        try:
            self.check()  # a signal may have come before this was entered
            yield
        finally:
            self._at_once = self._saved = False

    @contextmanager
    def hold_back(self) -> Iterator[None]:
        """Let every signal wait, a second SIGINT too: for the saving of what was done, which takes a moment."""
        self._held_back = True
        try:
            yield
        finally:
            self._held_back = False

    def check(self) -> None:
        """Raise Interrupted if a signal has come."""
        if self.requested:
            raise Interrupted(self.requested, self._saved)

    def _receive(self, number: int, _: FrameType | None) -> None:
        # Only Ctrl-C counts as impatience: a cluster may send SIGTERM several times while the last step is saved.
        if self.requested and number == signal.SIGINT and not self._held_back:
            raise KeyboardInterrupt
        self.requested = number
        if self._at_once:
            self.check()
