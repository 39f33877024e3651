"""The lock of a run's folder: of two runs that write into one folder, each would report the other's network."""

from __future__ import annotations

import os
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from engine.run_owner import (
    RunOwner,
    describe_owner,
    explain_lock,
    identify_this_process,
    is_given_up,
    parse_owner,
)  # fmt: skip
from utils.errors import InputError
from utils.log import LOGGER

try:
    import fcntl
except ImportError:  # Windows: who holds a folder is told by the heartbeat alone
    fcntl = None  # type: ignore[assignment]

NAME = ".lock"
HEARTBEAT = 60.0  # seconds from one sign of life to the next
ATTEMPTS = 20  # at a file that others make and delete at the same time


class RunLock:
    """Holds a folder for this process while it is entered; makes the folder, if need be.

    The file `.lock` in the folder names the process, and a thread touches it every minute. The process also holds it by
    `flock`, which the system lets go when the process ends, however it ends: on the same machine a dead run frees the
    folder at once. File systems that several machines share need not tell one of them what another one holds; there a
    run is given up when the file was not touched for ten minutes, by the file system's own clock.

    Args:
        folder: the run's folder.
        take_over: whether to take the folder whoever holds it.

    Attributes:
        note: whose folder it was before, for the log; empty if nobody's.
    """

    def __init__(self, folder: str | Path, take_over: bool = False) -> None:
        self.folder = Path(folder)
        self.take_over = take_over
        self.note = ""
        self._handle = -1
        self._made: list[Path] = []  # folders that were not there before, the innermost first
        self._ended = threading.Event()
        self._changing = threading.Lock()  # while it is held, the heartbeat leaves the file alone

    @property
    def path(self) -> Path:
        """The lock's file."""
        return self.folder / NAME

    def __enter__(self) -> RunLock:
        """Take the folder.

        Raises:
            InputError: another process holds it, or nothing can be written there.
        """
        try:
            self._take()
        except InputError:
            self._remove_made_folders()
            raise
        threading.Thread(target=self._give_signs_of_life, name="run lock", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        with self._changing:
            with suppress(OSError):
                if self._is_held():
                    self.path.unlink()
            self._close()
        self._remove_made_folders()

    def check(self) -> None:
        """Make sure, before something is written, that the folder is still this process's.

        A folder that somebody deleted is made again, with a warning.

        Raises:
            InputError: another process took it over, or nothing can be written there.
        """
        if self._is_held():
            return
        if self.path.exists():
            raise InputError(f"{self.folder} was taken over by {describe_owner(_read(self.path))}: this run ends here")
        with self._changing:
            self._close()
            self._take()
        LOGGER.info("warning: %s was deleted while this run went on; only what comes from now on is in it", self.folder)

    def move_folder(self, target: Path) -> None:
        """Rename the folder to `target`, and hold a new one under its name."""
        self.folder.rename(target)
        with self._changing:
            before = self._handle
            try:
                self._take()
            finally:
                with suppress(OSError):
                    (target / NAME).unlink()
                    os.close(before)

    def _take(self) -> None:
        try:
            for _ in range(ATTEMPTS):
                if self._try_to_take():
                    return
        except OSError as error:
            raise InputError(
                f"nothing can be written to work_dir {self.folder}: {error.strerror or error}; choose another "
                "--work-dir, or free some disk space"
            ) from error
        raise InputError(f"{self.path} is made and deleted again and again by other processes; start again later")

    def _try_to_take(self) -> bool:
        """Make the file, if none is there; delete one that stands for nobody, so that the next attempt makes it."""
        self._make_folder()
        try:
            handle, made = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666), True
        except FileExistsError:
            made = False
            try:
                handle = os.open(self.path, os.O_RDWR)
            except FileNotFoundError:  # it has just been given up
                return False
        kept = False
        try:
            free = _try_flock(handle)
            if not _is_same(handle, self.path):
                return False
            if made and free is not False:
                os.write(handle, identify_this_process().to_json().encode())
                self._handle, kept = handle, True
                return True
            owner = _read(self.path)
            age = self._measure_age(handle)
            if not is_given_up(owner, free, age) and not self.take_over:
                raise InputError(explain_lock(self.folder, owner, age))
            if _is_same(handle, self.path):
                self.path.unlink()
                self.note = f"{self.folder} was left by {describe_owner(owner)}"
            return False
        finally:
            if not kept:
                os.close(handle)

    def _make_folder(self) -> None:
        missing = [folder for folder in (self.folder, *self.folder.parents) if not folder.exists()]
        self.folder.mkdir(parents=True, exist_ok=True)
        self._made += [folder for folder in missing if folder not in self._made]

    def _measure_age(self, handle: int) -> float:
        """The seconds since the file was touched; other machines' clocks, and this one's, may be wrong."""
        with tempfile.NamedTemporaryFile(prefix=f"{NAME}.", dir=self.folder) as now:
            return Path(now.name).stat().st_mtime - os.fstat(handle).st_mtime

    def _remove_made_folders(self) -> None:
        """Leave nothing behind, where a run found something wrong before it wrote anything."""
        with suppress(OSError):  # they hold something now
            for folder in self._made:
                folder.rmdir()

    def _close(self) -> None:
        with suppress(OSError):
            os.close(self._handle)
        self._handle = -1

    def _is_held(self) -> bool:
        return self._handle >= 0 and _is_same(self._handle, self.path)

    def _give_signs_of_life(self) -> None:
        while not self._ended.wait(HEARTBEAT):
            # Neither a full disk nor a lost connection ends a training here: writing a checkpoint says what is wrong.
            with self._changing, suppress(OSError):
                if self._is_held():
                    os.utime(self.path)  # without a time: then the file system's own clock counts


def _read(path: Path) -> RunOwner | None:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return parse_owner(file.read(10_000))
    except OSError:
        return None


def _try_flock(handle: int) -> bool | None:
    """Lock a file; False if another process has, None where that cannot be done."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some file systems of clusters have no flock
        return None
    return True


def _is_same(handle: int, path: Path) -> bool:
    """Whether an open file is the one at `path`, which others may have deleted and made again."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False
