"""Where NIST's scorer sclite is on this machine; `evaluation.sclite` runs it."""

from __future__ import annotations

import shutil
from pathlib import Path

from utils.errors import InputError

DEBIAN_PATH = "/usr/lib/sctk/bin/sclite"
LOCAL_PATH = "./software/sclite"
REMEDY = "install it (apt-get install sctk) or set evaluate_tool: python, which counts the same"


def find_sclite(path: str | None = None) -> list[str]:
    """The command that starts sclite, to be followed by its arguments.

    Args:
        path: the program, or the folder that holds it; without it, `sclite` on $PATH, ./software/sclite, Debian's place
            for it, and `sctk sclite` are tried in this order.

    Raises:
        InputError: it is not there; says what to do.
    """
    if path is not None:
        path = str(Path(path).expanduser())
        candidates = [str(Path(path) / "sclite"), path] if Path(path).is_dir() else [path]
    else:
        # ./software/sclite is where the instructions of other systems of the family put it. Debian installs it outside
        # $PATH, with the wrapper `sctk` on it.
        candidates = ["sclite", LOCAL_PATH, DEBIAN_PATH, "sctk"]
    for candidate in candidates:
        found = shutil.which(candidate)
        if found:
            program = str(Path(found).absolute())  # sclite runs in another folder
            return [program, "sclite"] if Path(program).name == "sctk" else [program]
    where = "on $PATH, in ./software or in /usr/lib/sctk/bin" if path is None else f"at {path}"
    raise InputError(f"there is no program sclite {where}: {REMEDY}")
