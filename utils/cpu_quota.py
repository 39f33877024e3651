"""How much of the processors a container, or a scheduler, gives this process: Linux's control groups.

Such a limit counts time and not cores: a container with two of 64 cores may run on each of the 64, one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path, PurePosixPath


@lru_cache(maxsize=1)  # asked for often, as before each batch that is decoded
def read_cpu_quota(system: Path = Path("/")) -> float | None:
    """The processor time that this process and its own may use, in cores; None if there is no limit.

    Args:
        system: the root of the file system.
    """
    return min(_list_quotas(system), default=None)


def _list_quotas(system: Path) -> Iterator[float]:
    """The limits of this process's groups and of all groups around them, in both versions of control groups."""
    lines: list[str] = []
    with suppress(OSError, UnicodeError):  # not on Linux
        lines = (system / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number != "0" and "cpu" not in controllers.split(","):
            continue
        group = PurePosixPath(path)
        # A container may see its own group at the top, whatever the path of it says.
        for place in (group, *group.parents):
            parent = system / "sys/fs/cgroup" / ("" if number == "0" else "cpu") / str(place).lstrip("/")
            with suppress(OSError, ValueError):  # no such group here, or no limit in it
                quota, period = _read_second_version(parent) if number == "0" else _read_first_version(parent)
                if quota > 0 and period > 0:
                    yield quota / period


def _read_first_version(group: Path) -> tuple[int, int]:
    """Microseconds of processor time, and in how many they may be used; -1 is no limit."""
    quota, period = (group / f"cpu.cfs_{name}_us" for name in ("quota", "period"))
    return int(quota.read_text(encoding="ascii")), int(period.read_text(encoding="ascii"))


def _read_second_version(group: Path) -> tuple[int, int]:
    """The same; ValueError where the limit is `max`."""
    quota, period = (group / "cpu.max").read_text(encoding="ascii").split()
    return int(quota), int(period)
