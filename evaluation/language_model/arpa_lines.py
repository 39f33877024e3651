"""The lines of an ARPA file, compressed or not, within bounds."""

from __future__ import annotations

import gzip
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import cast

from utils.errors import ParseError
from utils.text import quote_value

MOST_BYTES = 2**30
"""Of a file that is not compressed, or of what a compressed one holds."""
LONGEST_LINE = 2**16

_GZIP = b"\x1f\x8b"
_BINARIES = {
    b"mmap lm http": "KenLM", b"SRILM_BINARY_NGRAM": "SRILM", b"blmt": "IRSTLM", b"Qblmt": "IRSTLM",
}  # fmt: skip
"""How the binary files of other programs begin."""


class Lines:
    """The lines of a file that are not blank, one after the other.

    Attributes:
        path: the file.
        number: the number of the line read last, from 1.
        text: that line, without white space around it; "" at the end of the file.
        ended: whether the file has no more lines.
    """

    def __init__(self, file: BufferedReader, path: Path) -> None:
        self.path = path
        self._file, self._bytes = file, 0
        self.number, self.text, self.ended = 0, "", False

    def advance(self) -> str:
        """Read the next line that is not blank, and return it."""
        self.text = ""
        while not self.text:
            raw = self._file.readline(LONGEST_LINE + 1)
            if not raw:
                self.ended = True
                break
            self.number += 1
            self._bytes += len(raw)
            if len(raw) > LONGEST_LINE or self._bytes > MOST_BYTES:
                what = "a line" if len(raw) > LONGEST_LINE else "the file"
                raise self.error(f"{what} is longer than any of a language model of glosses")
            try:
                # Not all that Unicode calls white space: U+00A0 and U+3000 belong to words.
                self.text = raw.decode("utf-8-sig" if self.number == 1 else "utf-8").strip(" \t\r\n")
            except UnicodeDecodeError as error:
                byte = f"byte 0x{raw[error.start]:02x} is not UTF-8"
                raise self.error(f"{byte}: convert the file, for example by iconv -f LATIN1 -t UTF-8") from None
        return self.text

    def error(self, what: str) -> ParseError:
        """An error that names the line."""
        if self.ended:
            what += "; the file ends here: it was cut short"
        return ParseError(f"{self.path}, line {self.number}: {what}")

    def quote(self) -> str:
        """The line for a message."""
        return quote_value(self.text) if self.text else "nothing"


@contextmanager
def open_arpa(path: Path) -> Iterator[Lines]:
    """The lines of the file `path`, decompressed if it is compressed by gzip, before the first of them is read.

    Raises:
        ParseError: there is no such file, it is empty, damaged, cut short, not readable or of another program's format;
            raised in the block, too, where that is found out only there.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe that nobody writes to would be waited for without end
            raise ParseError(f"{path} is no file: give the ARPA file of a language model")
        with path.open("rb") as raw:
            if raw.peek(2)[:2] != _GZIP:
                yield Lines(_check_text(raw, path), path)
                return
            with gzip.open(raw) as file:
                yield Lines(_check_text(cast("BufferedReader", file), path), path)
    except FileNotFoundError:
        raise ParseError(
            f"there is no language model {path}: `python -m evaluation.language_model train` estimates one"
        ) from None
    except EOFError:
        raise ParseError(f"{path} was cut short: what gzip compressed there has no end; copy it again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise ParseError(f"{path} is damaged ({error}): copy it again") from None
    except (OSError, ValueError) as error:  # a ValueError: a path cannot hold the character of value zero
        if isinstance(error, ParseError):
            raise
        raise ParseError(f"{quote_value(str(path))} cannot be read: {error}") from None


def _check_text(file: BufferedReader, path: Path) -> BufferedReader:
    """The file; ParseError if it is empty or in the binary format of another program."""
    start = file.peek(32)
    if not start:
        raise ParseError(f"{path} is empty")
    for magic, program in _BINARIES.items():
        if start.startswith(magic):
            raise ParseError(
                f"{path} is in the binary format of {program}, which only {program} reads: give the ARPA file"
            )
    return file
