"""Programs that a benchmark runs side by side: each is done once, and all are stopped together."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.reporting.read_report import FILE_NAME as REPORT
from utils.errors import InputError
from utils.interruption import Interrupted, Interruption
from utils.plain_json import read_json
from utils.text import quote_path

CONSOLE = "console.txt"
"""The file in a program's folder that gets its output."""


@dataclass(frozen=True)
class Program:
    """A command that is to be run to its end.

    Attributes:
        name: what messages call it.
        command: what is run.
        folder: the folder that it writes to.
        is_done: tells whether it has come to its end, now or before.
        tell: tells, when it is done, what it has found.
        log: the file in the folder that tells how far it is.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    is_done: Callable[[], bool]
    tell: Callable[[], str] = lambda: "done"
    log: str = CONSOLE


def run_programs(programs: Sequence[Program], jobs: int, kind: str) -> None:
    """Run the programs that are not done yet, `jobs` of them side by side.

    Args:
        programs: the programs, in the order in which they begin.
        jobs: the number of programs that run at the same time.
        kind: what messages call them, in the plural.

    Raises:
        InputError: a program failed; the others were run nevertheless. Names what each one said last.
        Interrupted: this program was asked to stop; the others have saved what they save when they are asked to stop.
    """
    waiting = [program for program in programs if not program.is_done()]
    print(f"{len(programs) - len(waiting)} of {len(programs)} {kind} are done", flush=True)
    running: list[tuple[Program, subprocess.Popen[bytes]]] = []
    failed: list[str] = []
    with Interruption() as interruption:
        while (waiting and not interruption.requested) or running:
            while waiting and len(running) < jobs and not interruption.requested:
                program = waiting.pop(0)
                running.append((program, _start(program)))
            time.sleep(0.2)
            if interruption.requested:
                for _, process in running:
                    process.terminate()
                for _, process in running:
                    process.wait()
            ended = [(program, process) for program, process in running if process.poll() is not None]
            running = [pair for pair in running if pair not in ended]
            for program, process in ended:
                failed += _describe_end(program, process.returncode)
    if interruption.requested:
        raise Interrupted(interruption.requested, saved=True)
    if failed:
        raise InputError("\n".join(failed))


def _start(program: Program) -> subprocess.Popen[bytes]:
    program.folder.mkdir(parents=True, exist_ok=True)
    print(f"{time.strftime('%H:%M:%S')}  {program.name}: begins; its log is {program.folder / program.log}", flush=True)
    with (program.folder / CONSOLE).open("ab") as console:
        return subprocess.Popen(program.command, stdout=console, stderr=subprocess.STDOUT)


def _describe_end(program: Program, status: int) -> list[str]:
    """Say that a program has ended; a line for the error message if it has failed."""
    if status == 0 and program.is_done():
        print(f"{time.strftime('%H:%M:%S')}  {program.name}: {program.tell()}", flush=True)
        return []
    print(f"{time.strftime('%H:%M:%S')}  {program.name}: ended with exit status {status}", flush=True)
    said = (program.folder / CONSOLE).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = said[-1].rpartition("\r")[2] if said else "nothing"
    place = quote_path(program.folder / CONSOLE)
    return [f"{program.name}: exit status {status}; it said last: {last} (all of it: {place})"]


def is_tested(folder: Path) -> bool:
    """Whether the report in a run folder is about test too; while main.py trains, it is about dev alone."""
    path = folder / REPORT
    return path.is_file() and "test" in read_json(path)["splits"]


def tell_rates(folder: Path) -> str:
    """The word error rates in the report of a run folder."""
    rates = {split: content["wer"] for split, content in read_json(folder / REPORT)["splits"].items()}
    return ", ".join(f"{split} WER {rate:.2f} %" for split, rate in rates.items())
