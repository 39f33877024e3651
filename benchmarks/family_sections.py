"""Doing the sections of the commands with the family benchmark's corpus and trainings, and writing their pages."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.family_runs import Settings, open_folder
from engine.run_lock import RunLock
from utils.files import write_json, write_text
from utils.interruption import Interrupted


def do_sections(args: argparse.Namespace, settings: Settings, sections: Mapping[str, Callable[[], None]]) -> int:
    """Do the sections that a command line asks for, alone in their folder.

    Args:
        args: the command line, with `sections` and `out`, the folder of everything.
        settings: what all trainings have in common.
        sections: what there is to do by name, in its order.

    Returns:
        the exit status.

    Raises:
        InputError: the folder holds a comparison with other settings, or a section failed.
    """
    try:
        with RunLock(args.out):
            open_folder(args.out, settings)
            for name, do in sections.items():
                if name in args.sections:
                    do()
    except Interrupted as stop:
        print(f"{stop}; the same command goes on where it stopped", file=sys.stderr)
        return stop.status
    return 0


def write_page(page: str, path: Path, values: Mapping[str, Any], numbers: Path) -> None:
    """Write a page and the numbers on it, each to its file, and print the page."""
    write_json(numbers, values)
    write_text(path, page)
    print(page)
    print(f"{path}, {numbers}")
