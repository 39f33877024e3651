"""Files that appear whole or not at all."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from utils.errors import InputError, ParseError
from utils.text import escaping_errors, quote_value, show_text

NUMBERED = "{stem}{suffix}.{number:03d}"
"""Name of an older file that is kept: clip.eaf.001, as ELAN calls its own copies."""


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed onto it when the block ends without an error.

    The temporary file keeps the suffix of `path`, so that writers which look at it (images) work; the rest of its path
    is one that every library can open (`plain_path`). Whatever goes wrong inside the block, a full disk included, an
    older file at `path` stays as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the folder of `path`, since a rename is done at once only within one file system. The name is cut, because file
    # systems allow few bytes (often 255), and hidden, so that no reader of the folder takes a half-written file for a
    # whole one.
    start = os.fsencode(path.stem)[:100].decode("utf-8", "ignore")
    handle, name = tempfile.mkstemp(prefix=f".{start}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        with plain_path(temporary) as plain:
            yield plain
        with temporary.open("rb") as written:
            os.fsync(written.fileno())  # else a power cut after the rename could leave an empty file in its place
        _open_to_others(temporary, 0o666)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """A temporary folder beside `path`, renamed to it when the block ends without an error.

    Raises:
        OSError: there is a file at `path`, or a folder that is not empty; it stays as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    start = os.fsencode(path.name)[:100].decode("utf-8", "ignore")
    temporary = Path(tempfile.mkdtemp(prefix=f".{start}.", dir=path.parent))
    try:
        yield temporary
        _open_to_others(temporary, 0o777)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # after the rename nothing is there


def _open_to_others(path: Path, mode: int) -> None:
    """Give what `tempfile` made the usual mode: it is its owner's alone, which groups that share a run mind."""
    umask = os.umask(0)  # can only be asked for by setting it
    os.umask(umask)
    path.chmod(mode & ~umask)


@contextmanager
def plain_path(path: Path) -> Iterator[Path]:
    """The path for libraries that are written in C++: of one that is not UTF-8, another way to the same file.

    They refuse such a path, or the process ends in them. Inside the block a link in the system's temporary folder leads
    to the file, or to its folder if it does not exist yet.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        with tempfile.TemporaryDirectory(prefix="link-") as home:
            folder = Path(home, "folder")
            folder.symlink_to(path.parent.absolute(), target_is_directory=True)
            plain = folder / path.name
            if show_text(path.name) != path.name:
                plain = Path(home, f"file{show_text(path.suffix)}")
                plain.symlink_to(path.absolute())
            yield plain
    else:
        yield path


def real_path(path: str | Path) -> Path:
    """The path without links on the way, whatever is there.

    `Path.resolve` raises RuntimeError where links lead in a circle; whoever opens this path gets an OSError instead.
    """
    return Path(os.path.realpath(path))


def check_can_be_written(path: str | Path) -> None:
    """Check, before long work, that a file can be written at the end of it, as far as that is known now.

    Raises:
        InputError: it is a folder, lies in something else than a folder, or in one that refuses new files.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder: choose another name for the file")
        above = next(folder for folder in path.absolute().parents if os.path.lexists(folder))
    except OSError as error:  # a name that is too long, a circle of links, a folder that may not be looked into
        raise InputError(f"{quote_value(str(path))} cannot be written: {error.strerror}: choose another name") from None
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        why = "nothing can be written to that folder" if above.is_dir() else "that is no folder"
        raise InputError(f"{path} cannot be written in {above}: {why}; choose another one")


def set_aside(path: Path, pattern: str = "{stem}-{number}{suffix}") -> Path:
    """Rename a file or folder so that another one can take its name, and return the new name.

    Args:
        path: the file, NAME.SUFFIX, or the folder.
        pattern: the new name, of which the first that is free is taken: NAME-1.SUFFIX, NAME-2.SUFFIX and so on.
    """
    names = (pattern.format(stem=path.stem, suffix=path.suffix, number=number) for number in count(1))
    aside = next(other for name in names if not (other := path.with_name(name)).exists())
    path.rename(aside)
    return aside


def write_text(path: str | Path, text: str) -> None:
    r"""Write `text` to `path` as UTF-8 with Unix line ends, whole or not at all.

    Bytes of file names that are not UTF-8 stand in it as `\xE9` (`utils.text.show_text`).
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors=escaping_errors(), newline="\n")


def write_json(path: str | Path, value: Any, keep_names: bool = False) -> None:
    r"""Write `value` to `path` as indented UTF-8 JSON, whole or not at all.

    Args:
        path: the file.
        value: plain values.
        keep_names: whether file names that are not UTF-8 must be the same again when they are read: JSON can spell
            what Python makes of them (`\udce9`). Else they stand as `\xE9`, as in all other texts.
    """
    spell = _spell_in_json if keep_names else _show_in_json
    write_text(path, re.sub("[\ud800-\udfff]+", spell, json.dumps(value, ensure_ascii=False, indent=1)) + "\n")


def _spell_in_json(found: re.Match[str]) -> str:
    return "".join(f"\\u{ord(letter):04x}" for letter in found[0])


def _show_in_json(found: re.Match[str]) -> str:
    return show_text(found[0]).replace("\\", "\\\\")


def read_text(path: str | Path, most_bytes: int) -> str:
    """Read a UTF-8 file that came from outside; what editors on Windows add is left out.

    Args:
        path: the file.
        most_bytes: the size that no honest file of its kind has.

    Raises:
        FileNotFoundError: there is no such file.
        ParseError: it is no file, larger than that, not readable or not UTF-8.
    """
    try:
        # A pipe that nobody writes to would be waited for without end.
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 (Path raises another error for some of these)
            raise ParseError(f"{path} is no file")
        with open(path, "rb") as file:  # noqa: PTH123
            data = file.read(most_bytes + 1)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:  # a ValueError: a path cannot hold the character of value zero
        if isinstance(error, ParseError):
            raise
        raise ParseError(f"{str(path)!r} cannot be read: {error}") from None
    if len(data) > most_bytes:
        raise ParseError(f"{path} is larger than {most_bytes // 2**20} MiB: it cannot be what it is taken for")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ParseError(f"{path}, line {line}: byte 0x{data[error.start]:02x} is not UTF-8") from None
