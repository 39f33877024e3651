"""Which process a run belongs to, as its lock names it, and whether that process is still there."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from utils.plain_json import parse_json

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
STALE = 600.0  # seconds without a sign of life after which a run elsewhere is given up


@dataclass(frozen=True)
class RunOwner:
    """A process on some machine.

    Attributes:
        host: the machine's name.
        boot: what tells one start of the machine from the next: Linux's boot id; elsewhere empty, and the machine's
            name has to do.
        pids: the space of process numbers that `pid` is one of: containers on one machine have their own.
        pid: the process's number.
        began: when the process began, as the system counts it, since numbers are given again; empty if unknown.
        since: the time at which it took the folder, for people.
    """

    host: str
    boot: str
    pids: str
    pid: int
    began: str
    since: str

    @property
    def is_on_this_boot(self) -> bool:
        """Whether it is, or was, on this machine since that was started."""
        return (self.boot or self.host) == (_read_boot_id() or socket.gethostname())

    def is_dead(self) -> bool:
        """Whether the process surely is no more; of processes elsewhere, or in another container, nothing is sure."""
        if not self.is_on_this_boot or self.pids != _read_pid_space() or os.name != "posix":
            return False
        began = _read_begin(self.pid)
        if began:
            return began != self.began
        try:
            os.kill(self.pid, 0)  # sends nothing
        except ProcessLookupError:
            return True
        except OSError:  # it is there, and another user's
            return False
        return False

    def to_json(self) -> str:
        """The record as the lock holds it."""
        return json.dumps(asdict(self)) + "\n"

    def __str__(self) -> str:
        """The process as messages name it."""
        return f"process {self.pid} on {self.host}, since {self.since}"


def identify_this_process() -> RunOwner:
    """The record of this process, now."""
    pid = os.getpid()
    since = datetime.now().astimezone().isoformat(" ", "seconds")
    return RunOwner(socket.gethostname(), _read_boot_id(), _read_pid_space(), pid, _read_begin(pid), since)


def parse_owner(text: str) -> RunOwner | None:
    """The owner that a lock's content names; None if it is empty, half written or something else."""
    try:
        owner = RunOwner(**parse_json(text, "the lock"))
    except (ValueError, TypeError):
        return None
    texts = (owner.host, owner.boot, owner.pids, owner.began, owner.since)
    is_sound = all(isinstance(part, str) for part in texts) and type(owner.pid) is int and 0 < owner.pid < 2**31
    return owner if is_sound else None


def is_given_up(owner: RunOwner | None, free: bool | None, age: float) -> bool:
    """Whether a lock that is there stands for a run that is no more.

    Args:
        owner: the process that it names; None if it names none.
        free: whether no process that this system knows of holds it; None where the file system cannot tell.
        age: the seconds since its last sign of life.
    """
    if owner and owner.is_on_this_boot:
        if free is not None:
            return free  # the system knows
        if owner.is_dead():
            return True
    elif owner is None and free:
        return True
    return age > STALE


def explain_lock(folder: Path, owner: RunOwner | None, age: float) -> str:
    """Say who holds a folder, and what to do.

    Args:
        folder: the run's folder.
        owner: the process that holds it, if that is known.
        age: the seconds since its last sign of life.
    """
    rest = f"its last sign of life was {max(0, age):.0f} s ago"
    if owner is None or not owner.is_on_this_boot:
        rest += f"; {STALE / 60:.0f} minutes after it the folder is free, and with --take-over at once"
    else:
        rest += "; --take-over takes the folder nevertheless, and ends that run when it saves next"
    return (
        f"work_dir {folder} is in use by {describe_owner(owner)}: two runs in one folder would mix their results. Wait "
        f"until that run ends, stop it, or choose another --work-dir ({rest})"
    )


def describe_owner(owner: RunOwner | None) -> str:
    """The process, as far as it is known."""
    return str(owner) if owner else "another process"


def _read_boot_id() -> str:
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _read_pid_space() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _read_begin(pid: int) -> str:
    """The time after the machine's start at which a process began; empty if there is no such process or no /proc."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    state, *fields = status.rpartition(")")[2].split()  # the name before may hold spaces and brackets
    return "" if state in "ZX" or len(fields) < 19 else fields[18]
