"""A log that a person can read: on the terminal, and with times in a file."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from tqdm import tqdm

from utils.text import escaping_errors

LOGGER = logging.getLogger("mstfnet")


class TerminalHandler(logging.Handler):
    """Prints above a running progress bar instead of through it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one message."""
        tqdm.write(self.format(record))


class LogFile(logging.FileHandler):
    """Appends to a file; a full disk is said once on the terminal, and a file that was deleted is made again."""

    failed = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message."""
        path = Path(self.baseFilename)
        if self.stream and not path.exists() and path.parent.is_dir():
            self.stream.close()
            self.stream = self._open()
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, ARG002  of logging
        """Say that a message could not be written; logging's own way is a traceback for each."""
        if not self.failed:
            tqdm.write(f"warning: {self.baseFilename} cannot be written: {sys.exc_info()[1]}")
        self.failed = True


def start_log(path: str | Path | None, quiet: bool = False) -> logging.Logger:
    """Let the project's logger print to the terminal, and append to the file at `path`, if one is given.

    Args:
        path: the log file.
        quiet: whether nothing is printed: of several processes only the first one speaks.

    Returns:
        the logger.
    """
    # A test, or a program that uses this one, starts a run after the other: a message must not come twice.
    for handler in list(LOGGER.handlers):
        handler.close()
        LOGGER.removeHandler(handler)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False  # else a handler of the root logger would print the same once more
    LOGGER.addHandler(logging.NullHandler() if quiet else TerminalHandler())
    if path is not None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        file = LogFile(path, encoding="utf-8", errors=escaping_errors())
        file.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%Y-%m-%d %H:%M:%S"))
        LOGGER.addHandler(file)
    return LOGGER
