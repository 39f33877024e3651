"""Compare VAC, SMKD, TLP, CorrNet, MSTFNet and its ablations: python -m benchmarks.family

Renders a corpus, trains every system on it with the same clips, epochs, learning rate and seeds at the quickstart's
width, measures what each costs, and writes one page with everything, family.md, and the numbers, family.json. Each
section goes on where it stopped: a training that is done is not repeated, and half a training goes on.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks.family_costs import describe_machine, list_sizes, measure_costs
from benchmarks.family_page import choose_runs, format_page, read_scores
from benchmarks.family_runs import VARIANTS, Settings, list_runs, make_corpus, open_folder, train_all
from engine.interruption import Interrupted
from engine.run_lock import RunLock
from utils.arguments import MOST_SEED, MOST_WORKERS, named_path, whole_number
from utils.files import write_json, write_text
from utils.output import run_command
from utils.plain_json import read_json
from utils.workers import available_cores

SECTIONS = ("corpus", "train", "costs", "page")
COSTS, NUMBERS, PAGE = "costs.json", "family.json", "family.md"


def main(args: argparse.Namespace) -> int:
    """Do the sections asked for, in their order; returns the exit status."""
    settings = Settings(args.glosses, tuple(args.sentences), args.epochs)
    try:
        with RunLock(args.out):
            open_folder(args.out, settings)
            for section in SECTIONS:
                if section in args.sections:
                    STEPS[section](args, settings)
    except Interrupted as stop:
        print(f"{stop}; the same command goes on where it stopped", file=sys.stderr)
        return stop.status
    return 0


def make(args: argparse.Namespace, settings: Settings) -> None:
    """Render and prepare the corpus."""
    make_corpus(args.out, settings, args.jobs * args.threads)


def train(args: argparse.Namespace, settings: Settings) -> None:
    """Train what is not trained yet."""
    os.environ |= {"OMP_NUM_THREADS": str(args.threads)}  # what main.py's process begins with
    make_corpus(args.out, settings, args.jobs * args.threads)
    train_all(list_runs(args.out, args.systems, args.seeds), args.out, settings, args.device, args.jobs)


def measure(args: argparse.Namespace, settings: Settings) -> None:
    """Measure the costs at the sizes asked for, and keep those of other sizes that were measured before."""
    torch.set_num_threads(args.jobs * args.threads)
    path = args.out / COSTS
    found = read_json(path) if path.is_file() else {"sizes": {}}
    for name, size in list_sizes(settings.glosses).items():
        if name in args.sizes:
            variants = [VARIANTS[system] for system in args.systems]
            costs = measure_costs(variants, size, args.device, args.repeats)
            machine = describe_machine(args.device, args.repeats)
            found["sizes"][name] = {**asdict(size), "machine": machine, "variants": costs}
            write_json(path, found)


def write(args: argparse.Namespace, settings: Settings) -> None:
    """Write the page and its numbers, and print the page."""
    scores = read_scores(choose_runs(list_runs(args.out, args.systems, args.seeds)))
    costs = read_json(args.out / COSTS) if (args.out / COSTS).is_file() else {}
    values = {"settings": asdict(settings), "scores": scores, "costs": costs}
    write_json(args.out / NUMBERS, values)
    page = format_page(scores, costs, asdict(settings))
    write_text(args.out / PAGE, page)
    print(page)
    print(f"{args.out / PAGE}, {args.out / NUMBERS}")


STEPS = {"corpus": make, "train": train, "costs": measure, "page": write}


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", default=SECTIONS, help=f"of {', '.join(SECTIONS)} (default: all)")
    parser.add_argument("--systems", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="NAME",
                        help=f"of {', '.join(VARIANTS)} (default: all)")  # fmt: skip
    parser.add_argument("--seeds", type=whole_number(0, MOST_SEED), nargs="+", default=[0], metavar="N",
                        help="random seeds (default: 0)")  # fmt: skip
    parser.add_argument("--sentences", type=whole_number(1, 10**5), nargs=3, default=[600, 150, 300],
                        metavar=("TRAIN", "DEV", "TEST"), help="of the corpus (default: 600 150 300)")  # fmt: skip
    for name, least, most, default, what in (
        ("epochs", 1, 1000, 12, "epochs of each training"),
        ("glosses", 5, 30, 30, "glosses of the corpus"),
        ("jobs", 1, MOST_WORKERS, available_cores(), "trainings side by side"),
        ("threads", 1, MOST_WORKERS, 1, "threads of each training; costs are measured with those of all together"),
        ("repeats", 1, 1000, 5, "measurements of each time, whose median counts"),
    ):  # fmt: skip
        kind = whole_number(least, most)
        parser.add_argument(f"--{name}", type=kind, default=default, metavar="N", help=f"{what} (default %(default)s)")
    parser.add_argument("--sizes", nargs="+", choices=list_sizes(0), default=list(list_sizes(0)),
                        help="at which costs are measured (default: both)")  # fmt: skip
    parser.add_argument("--device", default="cpu", help="cpu, or a GPU as main.py knows it (default %(default)s)")
    parser.add_argument("--out", type=named_path, default=Path("work_dir/family"), metavar="DIR",
                        help="folder of everything (default %(default)s)")  # fmt: skip
    args = parser.parse_args(arguments)
    if unknown := set(args.sections) - set(SECTIONS):
        parser.error(f"no sections {sorted(unknown)}; choose from {', '.join(SECTIONS)}")
    for name in ("systems", "seeds"):
        if len(set(getattr(args, name))) < len(getattr(args, name)):
            parser.error(f"--{name} names one twice")
    return args


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
