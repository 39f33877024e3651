"""Functions that numba compiles, and where it keeps the machine code, so that it compiles only once."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import config, njit

from utils.log import LOGGER

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """Let numba compile a function when it is first called, without Python's lock, so that several threads may run it.

    The machine code lies beside the source, else in the user's cache. Where neither can be written (a clone and a home
    that are read-only), it lies in a temporary folder.
    """
    try:
        return cast(Function, njit(cache=True, nogil=True)(function))
    except RuntimeError as error:
        if "no locator available" not in str(error):
            raise
    folder = make_private_folder()
    if folder is None:
        LOGGER.warning("no folder can be written in which numba could keep compiled code: it compiles at every start")
        return cast(Function, njit(nogil=True)(function))
    LOGGER.warning("numba keeps compiled code in %s: neither the clone nor the home can be written", folder)
    cast(Any, config).CACHE_DIR = str(folder)  # for all functions after this one
    return cast(Function, njit(cache=True, nogil=True)(function))


def make_private_folder() -> Path | None:
    """A temporary folder of this user alone, the same one every time; None where there can be none.

    Whoever could write there could let other code run in this process: a folder that is not surely the user's own is
    not used, but a new one.
    """
    try:
        folder = Path(tempfile.gettempdir()) / f"mstfnet-numba-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder if is_private(folder) else Path(tempfile.mkdtemp(prefix=f"{folder.name}-"))
    except OSError:
        try:
            return Path(tempfile.mkdtemp(prefix="mstfnet-numba-"))
        except OSError:
            return None


def is_private(folder: Path) -> bool:
    """Whether a folder is no link, belongs to this user, and nobody else can read or write it."""
    state = folder.lstat()
    if not hasattr(os, "getuid"):  # Windows, where each user has a temporary folder of their own
        return stat.S_ISDIR(state.st_mode)
    return stat.S_ISDIR(state.st_mode) and state.st_uid == os.getuid() and not stat.S_IMODE(state.st_mode) & 0o077
