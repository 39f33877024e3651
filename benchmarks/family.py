"""Compare VAC, SMKD, TLP, CorrNet, MSTFNet and its ablations: python -m benchmarks.family

Renders a corpus, trains every system on it with the same clips, epochs, learning rate and seeds at the quickstart's
width, measures what each costs, and writes one page with everything, family.md, and the numbers, family.json. Each
section goes on where it stopped: a training that is done is not repeated, and half a training goes on.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

import torch

from benchmarks.family_costs import describe_machine, list_sizes, measure_costs
from benchmarks.family_options import add_common_options, check_choices, read_settings
from benchmarks.family_page import choose_runs, format_page, read_scores
from benchmarks.family_runs import VARIANTS, Settings, list_runs, make_corpus, train_all
from benchmarks.family_sections import do_sections, write_page
from utils.files import write_json
from utils.output import run_command
from utils.plain_json import read_json

COSTS, NUMBERS, PAGE = "costs.json", "family.json", "family.md"


def main(args: argparse.Namespace) -> int:
    """Do the sections asked for, in their order; returns the exit status."""
    settings = read_settings(args)
    return do_sections(args, settings, {name: partial(section, args, settings) for name, section in SECTIONS.items()})


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
    write_page(format_page(scores, costs, asdict(settings)), args.out / PAGE, values, args.out / NUMBERS)


SECTIONS = {"corpus": make, "train": train, "costs": measure, "page": write}


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", default=list(SECTIONS), help=f"of {', '.join(SECTIONS)} (default: all)")
    parser.add_argument("--systems", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="NAME",
                        help=f"of {', '.join(VARIANTS)} (default: all)")  # fmt: skip
    parser.add_argument("--sizes", nargs="+", choices=list_sizes(0), default=list(list_sizes(0)),
                        help="at which costs are measured (default: both)")  # fmt: skip
    add_common_options(parser, [0], "work_dir/family")
    args = parser.parse_args(arguments)
    check_choices(parser, args, SECTIONS)
    return args


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
