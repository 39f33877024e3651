"""Options that the commands with the family benchmark's corpus and trainings have in common."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from pathlib import Path

from benchmarks.family_runs import Settings
from utils.arguments import MOST_SEED, MOST_WORKERS, named_path, whole_number
from utils.workers import available_cores


def add_common_options(parser: argparse.ArgumentParser, seeds: Sequence[int], out: str) -> None:
    """Add the options of corpus, trainings and measurements.

    Args:
        parser: the command line.
        seeds: the usual random seeds.
        out: the usual folder of everything.
    """
    parser.add_argument("--seeds", type=whole_number(0, MOST_SEED), nargs="+", default=list(seeds), metavar="N",
                        help=f"random seeds (default: {' '.join(map(str, seeds))})")  # fmt: skip
    parser.add_argument("--sentences", type=whole_number(1, 10**5), nargs=3, default=[600, 150, 300],
                        metavar=("TRAIN", "DEV", "TEST"), help="of the corpus (default: 600 150 300)")  # fmt: skip
    for name, least, most, default, what in (
        ("epochs", 1, 1000, 12, "epochs of each training"),
        ("glosses", 5, 30, 30, "glosses of the corpus"),
        ("jobs", 1, MOST_WORKERS, available_cores(), "programs side by side"),
        ("threads", 1, MOST_WORKERS, 1, "threads of each program; costs are measured with those of all together"),
        ("repeats", 1, 1000, 5, "measurements of each time, whose median counts"),
    ):  # fmt: skip
        kind = whole_number(least, most)
        parser.add_argument(f"--{name}", type=kind, default=default, metavar="N", help=f"{what} (default %(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu, or a GPU as main.py knows it (default %(default)s)")
    parser.add_argument("--out", type=named_path, default=Path(out), metavar="DIR",
                        help="folder of everything (default %(default)s)")  # fmt: skip


def check_choices(parser: argparse.ArgumentParser, args: argparse.Namespace, sections: Collection[str]) -> None:
    """Exit with a message if sections are unknown, or a list of options names something twice."""
    if unknown := set(args.sections) - set(sections):
        parser.error(f"no sections {sorted(unknown)}; choose from {', '.join(sections)}")
    for name, values in vars(args).items():
        if name in {"seeds", "systems", "levers"} and len(set(values)) < len(values):
            parser.error(f"--{name} names one twice")


def read_settings(args: argparse.Namespace) -> Settings:
    """The settings that these options make."""
    return Settings(args.glosses, tuple(args.sentences), args.epochs)
