"""Work that a thread does one step behind the caller, who meanwhile prepares the next step."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class OneBehind:
    """While it is entered, calls a function in a thread for one item after the other.

    `give` hands over an item and waits until the one before it is done, so that never more than one is on the way: what
    the items hold in memory stays small. Leaving waits for the last one. An error of the function is raised by what
    waits for it; after any error, or where the caller is interrupted, the thread ends as well.

    Args:
        work: the function. It is called in the order of the items, never twice at once.
    """

    def __init__(self, work: Callable[..., None]) -> None:
        self.work = work
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="one-behind")
        self._last: Future[None] | None = None

    def __enter__(self) -> OneBehind:
        return self

    def give(self, *item: Any) -> None:
        """Let the thread call `work(*item)`, as soon as it is done with the item before."""
        self.wait()
        self._last = self._thread.submit(self.work, *item)

    def wait(self) -> None:
        """Wait until the last item is done; raises what `work` raised."""
        if self._last:
            self._last.result()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.wait()
        finally:
            self._thread.shutdown()  # an item that has begun is finished: a thread cannot be stopped
