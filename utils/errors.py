"""The base of all errors that come from input, not from the program; and how to tell that memory ran out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from utils.text import show_text

OUT_OF_MEMORY = re.compile(
    r"out of memory|alloc\w* (\w+ )?memory|bad[ _]alloc|alloc(ation)?_failed|(insufficient|not enough) memory"
    r"|failed to cuda calloc|invalid buffer size"  # NCCL's words, and those of Apple's GPUs
    # A tensor so large that its size is no number any more.
    r"|size calculation overflowed|integer multiplication overflow|Overflow when unpacking long|without overflow",
    re.IGNORECASE,
)
PROBABLY_OUT_OF_MEMORY = re.compile(
    r"(cudnn|cublas)_status_not_initialized|cudnn_status_internal_error"
    r"|unable to find an engine to execute this computation|unable to find a valid cudnn algorithm",
    re.IGNORECASE,
)
"""What cuDNN and cuBLAS say where no memory is left for their own needs, but also where they do not work at all."""


class InputError(Exception):
    """Something given by the user is wrong: the message names the value and the remedy, and needs no traceback."""

    def __str__(self) -> str:
        """The message, in which names that are not UTF-8 can be printed and written to files."""
        return show_text(super().__str__())


def take_message(error: Exception) -> str:
    """The message of an error alone: one from a worker process arrives with that process's traceback before it."""
    return str(error).rpartition(f"{type(error).__name__}: ")[2].strip()


class ParseError(InputError, ValueError):
    """A file or text is not what its format allows: the message names it, with the line where that is known.

    The readers of every format raise it (`utils.plain_json`, `utils.plain_yaml`); callers say what to do about it.
    """


def describe_out_of_memory(error: BaseException) -> str:
    """What an error says of memory: "memory ran out", "memory probably ran out" with the reason to doubt it, or "".

    Numpy and PyTorch have types of their own for it, but not everywhere; else it is told by the words of numpy,
    PyTorch, CUDA's libraries, OpenCV or onnxruntime.
    """
    message = str(error)
    # By its name, since importing PyTorch takes seconds that a message for the command line does not need.
    is_typed = any(kind.__name__ in {"MemoryError", "OutOfMemoryError"} for kind in type(error).__mro__)
    if is_typed or OUT_OF_MEMORY.search(message):
        return "memory ran out"
    if PROBABLY_OUT_OF_MEMORY.search(message):
        return (
            f'memory probably ran out (PyTorch says "{message.strip().splitlines()[0]}"; if that comes on any clip, '
            "PyTorch does not fit the card or its driver)"
        )
    return ""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, surely or probably."""
    return bool(describe_out_of_memory(error))


@contextmanager
def explain_out_of_memory(explain: Callable[[], str]) -> Iterator[None]:
    """Raise InputError where memory runs out while this is entered.

    Args:
        explain: gives what comes after "memory ran out" in the message: when, and what to do.
    """
    try:
        yield
    except (RuntimeError, MemoryError, OverflowError) as error:
        said = describe_out_of_memory(error)
        if not said:
            raise
        raise InputError(f"{said} {explain()}") from error
