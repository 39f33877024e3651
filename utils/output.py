"""The output of commands: every text can be printed in any encoding, and a reader that goes away ends no work."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from utils.allocator import let_segments_grow
from utils.errors import InputError
from utils.text import escaping_errors

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def run_command(main: Callable[[], int | None]) -> None:
    r"""Run a command and end the process with its exit status. Every entry point of the project begins here.

    Characters that the terminal or pipe cannot hold are shown as `\xE9` or `\u4e2d`. What is written after the reader
    of a pipe has gone, as `head` does, is dropped; the command goes on to its end, since others read its files.

    Args:
        main: the command; the exit status is what it returns, 0 for None. What its user got wrong ends it with one
            message, where it has no better one itself.
    """
    sys.stdout, sys.stderr = make_safe(sys.stdout), make_safe(sys.stderr)
    # For the processes that this one starts: their own output is set up before they could call this.
    os.environ["PYTHONIOENCODING"] = f"{getattr(sys.stdout, 'encoding', None) or 'utf-8'}:backslashreplace"
    let_segments_grow()
    try:
        status = main()
        sys.stdout.flush()  # here, where a full disk behind it is still an error and not a traceback
    except (InputError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted")
    sys.exit(status)


def make_safe(stream: TextIO) -> TextIO:
    """The stream, or one in its place, that escapes what its encoding lacks and drops what nobody reads any more."""
    if not isinstance(stream, io.TextIOWrapper):  # none, or what a notebook or a test has put there
        return stream
    if stream.isatty():  # the console of Windows is no plain file
        stream.reconfigure(errors=escaping_errors())
        return stream
    stream.flush()
    pipe = _Pipe(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(pipe),
        stream.encoding,
        escaping_errors(),
        line_buffering=stream.line_buffering or stream.write_through,
    )


class _Pipe(io.FileIO):
    """A file that drops what is written after a failure; that its reader has gone is not even an error."""

    failed = False

    def write(self, data: ReadableBuffer) -> int:
        """Write the bytes, or drop them."""
        if self.failed:
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except OSError as error:
            self.failed = True
            if not isinstance(error, BrokenPipeError):
                raise
            return memoryview(data).nbytes
