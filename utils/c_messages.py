"""What C libraries write to the standard error stream: heard by the program instead of shown to the user.

libjpeg has no other way to say that an image is damaged and that it went on all the same, and libpng writes its
warnings there, once for each image.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import TypeVar

Result = TypeVar("Result")

STDERR = 2
MOST_BYTES = 1 << 16
_one_at_a_time = threading.Lock()


@lru_cache(maxsize=1)
def _open_pipe(_process: int) -> tuple[int, int]:
    """Open the pipe that lines are heard through, one for each process: a fork must not hear what its parent hears."""
    reader, writer = os.pipe()
    if os.name == "posix":  # a library that writes without end must not wait for a reader
        os.set_blocking(writer, False)
    return reader, writer


def hear_c_library(call: Callable[[], Result], pattern: re.Pattern[str]) -> tuple[Result, list[str]]:
    """Call a function whose C library writes lines to the standard error stream, and return these lines.

    The stream is that of the whole process. So one call is heard at a time, and lines that another thread writes in the
    meantime are written to the stream afterwards.

    Args:
        call: the function; it must be short, and neither write to the stream itself nor start a process.
        pattern: what the beginning of the library's own lines matches.

    Returns:
        what the function returned, and the library's lines without their ends.
    """
    with _one_at_a_time:
        try:
            shown = os.dup(STDERR)
        except OSError:  # a program without a terminal may have closed the stream: nothing can be heard, nor shown
            return call(), []
        reader, writer = _open_pipe(os.getpid())
        try:
            os.dup2(writer, STDERR)
            result = call()
        finally:
            os.dup2(shown, STDERR)
            os.close(shown)
            text = _empty_pipe(reader, writer)
    lines = text.decode(errors="replace").splitlines()
    others = [line for line in lines if not pattern.match(line)]
    if others:
        with suppress(OSError):  # nobody reads the stream any more
            os.write(STDERR, "".join(f"{line}\n" for line in others).encode())
    return result, [line for line in lines if pattern.match(line)]


def _empty_pipe(reader: int, writer: int) -> bytes:
    """Read what is in the pipe."""
    with suppress(BlockingIOError):  # it is full
        os.write(writer, b"\n")  # else reading an empty pipe would wait
    return os.read(reader, MOST_BYTES).removesuffix(b"\n")
