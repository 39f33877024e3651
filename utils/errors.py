"""The base of all errors that come from input, not from the program; and how to tell that memory ran out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from utils.text import show_text

OUT_OF_MEMORY = re.compile(
    r"out of memory|alloc\w* (\w+ )?memory|bad[ _]alloc|alloc_failed|(insufficient|not enough) memory"
    # A tensor so large that its size is no number any more.
    r"|size calculation overflowed|integer multiplication overflow|Overflow when unpacking long|without overflow",
    re.IGNORECASE,
)


class InputError(Exception):
    """Something given by the user is wrong: the message names the value and the remedy, and needs no traceback."""

    def __str__(self) -> str:
        """The message, in which names that are not UTF-8 can be printed and written to files."""
        return show_text(super().__str__())


class ParseError(InputError, ValueError):
    """A file or text is not what its format allows: the message names it, with the line where that is known.

    The readers of every format raise it (`utils.plain_json`, `utils.plain_yaml`); callers say what to do about it.
    """


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: of numpy, PyTorch (any device), OpenCV or onnxruntime.

    Only numpy has a type of its own for it everywhere; the others are told by what they say.
    """
    return isinstance(error, MemoryError) or bool(OUT_OF_MEMORY.search(str(error)))


@contextmanager
def explain_out_of_memory(explain: Callable[[], str]) -> Iterator[None]:
    """Raise InputError where memory runs out while this is entered.

    Args:
        explain: gives what comes after "memory ran out" in the message: when, and what to do.
    """
    try:
        yield
    except (RuntimeError, MemoryError, OverflowError) as error:
        if not is_out_of_memory(error):
            raise
        raise InputError(f"memory ran out {explain()}") from error
