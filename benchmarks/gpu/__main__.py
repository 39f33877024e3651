"""Check the project on this machine's GPU: python -m benchmarks.gpu

Whether it computes the same as on the CPU, whether it trains, waits, resumes and compiles as it should, how fast it is
and what limits it. It needs no corpus and no network connection, and is done within --limit. Without a GPU it runs in a
small form on the CPU, and skips what needs CUDA. Send the printed lines, or the JSON file, to whoever asked for them.

The exit status is the number of failures, 125 at most.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

import torch

from benchmarks.gpu.isolation import run_section
from benchmarks.gpu.section import SECTIONS, Finding, Task, format_finding
from utils.arguments import named_path, whole_number
from utils.device import select_device
from utils.files import write_json
from utils.interruption import Interrupted, Interruption
from utils.output import run_command
from utils.text import plural

MOST_FAILURES = 125  # as an exit status: shells give the ones above a meaning of their own


def main(args: argparse.Namespace) -> int:
    """Run the sections one after the other, and return the number of failures; a signal ends the one under way too."""
    try:
        with Interruption() as interruption, interruption.at_once():
            return run_sections(args)
    except Interrupted as stop:
        print(stop, file=sys.stderr)
        return stop.status


def run_sections(args: argparse.Namespace) -> int:
    """Run the sections, print and write what they find, and return the number of failures."""
    device = choose_device(args.device)
    task = Task(device, args.small or device.type != "cuda")
    print(f"{device}, {'small form' if task.small else 'full form'}, at most {args.limit} s", flush=True)
    found: dict[str, list[Finding]] = {}
    taken: dict[str, float] = {}
    start = time.monotonic()
    for number, section in enumerate(args.only):
        left = args.limit - (time.monotonic() - start)
        share = SECTIONS[section] / sum(SECTIONS[name] for name in args.only[number:])
        task = Task(device, task.small, dict(found), max(1.0, left * share))
        found[section], began = [], time.monotonic()
        with closing(run_section(section, task, args.package)) as findings:
            for finding in findings:
                found[section].append(finding)
                print(format_finding(section, finding), flush=True)
        taken[section] = time.monotonic() - began
        write_findings(args.out, task, found, taken)
    outcomes = [finding.outcome for findings in found.values() for finding in findings]
    failures = outcomes.count("fail")
    print(f"{plural(failures, 'failure')}, {outcomes.count('pass')} passed, {outcomes.count('skipped')} skipped, "
          f"{time.monotonic() - start:.0f} s; all of it is in {args.out}")  # fmt: skip
    return min(failures, MOST_FAILURES)


def choose_device(name: str) -> torch.device:
    """Choose the device of this name; of "auto" a GPU of NVIDIA, or the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return select_device(name)


def write_findings(path: Path, task: Task, found: dict[str, list[Finding]], taken: dict[str, float]) -> None:
    """Write what was found until now, and the seconds that each section took."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sections = {
        name: {"seconds": round(taken[name], 1), "findings": [asdict(finding) for finding in findings]}
        for name, findings in found.items()
    }
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    write_json(path, {"device": str(task.device), "small": task.small, "time": now, "sections": sections})


def section_names(text: str) -> list[str]:
    """Read names of sections from the command line, such as "parity,waits"; they run in the order of `SECTIONS`."""
    names = [name.strip() for name in text.split(",")]
    unknown = sorted(set(names) - set(SECTIONS))
    if unknown:
        raise argparse.ArgumentTypeError(f"no section {', '.join(unknown)}; choose from {', '.join(SECTIONS)}")
    return [name for name in SECTIONS if name in names]


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--device", default="auto", help='"auto" (a GPU if there is one), "cpu", "cuda:1", ...')
    parser.add_argument("--only", type=section_names, default=list(SECTIONS), metavar="NAME,NAME",
                        help=f"sections to run, of {', '.join(SECTIONS)} (default: all)")  # fmt: skip
    parser.add_argument("--small", action="store_true", help="narrow networks and short clips, as without a GPU")
    parser.add_argument("--limit", type=whole_number(1, 86_400), default=600, metavar="SECONDS",
                        help="time for all sections together (%(default)s)")  # fmt: skip
    parser.add_argument("--out", type=named_path, default=Path("work_dir/gpu.json"), metavar="FILE",
                        help="what was found, as JSON (%(default)s)")  # fmt: skip
    parser.set_defaults(package="benchmarks.gpu")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
