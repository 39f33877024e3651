"""What lowers word errors without new data: python -m benchmarks.word_errors

Takes the corpus and the trainings of `benchmarks.family`, makes what is missing of them, trains MSTFNet with a moving
average of its weights, reads dev and test with each lever alone and with all together, and writes one page,
word_errors.md, and its numbers, word_errors.json. Each section goes on where it stopped.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch

from benchmarks.family_options import add_common_options, check_choices, read_settings
from benchmarks.family_sections import do_sections, write_page
from benchmarks.word_errors_costs import measure_costs
from benchmarks.word_errors_levers import LEVERS, PLAIN, list_readings
from benchmarks.word_errors_page import format_page, score_all
from benchmarks.word_errors_readings import find_read, read_all, read_counts, read_options
from benchmarks.word_errors_weights import Networks, train_networks
from utils.arguments import named_path
from utils.files import write_json
from utils.output import run_command
from utils.plain_json import read_json

COSTS, NUMBERS, PAGE = "costs.json", "word_errors.json", "word_errors.md"


def main(args: argparse.Namespace) -> int:
    """Do the sections asked for, in their order; returns the exit status."""
    networks = Networks(args.family, args.out, args.ema, tuple(args.seeds), read_settings(args))
    os.environ |= {"OMP_NUM_THREADS": str(args.threads)}  # what the programs begin with
    sections = {name: partial(section, args, networks) for name, section in SECTIONS.items()}
    return do_sections(args, networks.settings, sections)


def train(args: argparse.Namespace, networks: Networks) -> None:
    """Train what is not trained yet."""
    train_networks(networks, args.device, args.jobs, args.threads)


def read(args: argparse.Namespace, networks: Networks) -> None:
    """Read dev and test with each lever."""
    readings = list_readings(args.levers, networks)
    read_all([reading for of_lever in readings.values() for reading in of_lever], networks, args.device, args.jobs)


def measure(args: argparse.Namespace, networks: Networks) -> None:
    """Measure what the levers with which was read cost in time."""
    torch.set_num_threads(args.jobs * args.threads)
    readings = [of_lever[0] for of_lever in find_read(list_readings(args.levers, networks)).values()]
    write_json(args.out / COSTS, measure_costs(readings, networks, args.repeats))


def write(args: argparse.Namespace, networks: Networks) -> None:
    """Write the page and its numbers, and print the page."""
    asked = list_readings(args.levers, networks)
    readings = find_read(asked)
    scores = score_all({name: [read_counts(of.folder) for of in of_lever] for name, of_lever in readings.items()})
    tuned = [reading for of_lever in readings.values() for reading in of_lever if reading.lever.tuned]
    options = {reading.name: read_options(reading) for reading in tuned}
    costs = read_json(args.out / COSTS) if (args.out / COSTS).is_file() else {}
    page = format_page(scores, options, costs, networks.describe(), list(asked.keys() - readings))
    values = {"scores": scores, "options": options, "costs": costs}
    write_page(page, args.out / PAGE, values, args.out / NUMBERS)


SECTIONS = {"trainings": train, "readings": read, "costs": measure, "page": write}


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", default=list(SECTIONS), help=f"of {', '.join(SECTIONS)} (default: all)")
    parser.add_argument("--family", type=named_path, default=Path("work_dir/family"), metavar="DIR",
                        help="folder of benchmarks.family; it gets what it lacks (default %(default)s)")  # fmt: skip
    parser.add_argument("--ema", type=read_decay, default=0.999, metavar="D",
                        help="decay of the trainings' moving average (default %(default)s)")  # fmt: skip
    parser.add_argument("--levers", nargs="+", choices=LEVERS, default=list(LEVERS), metavar="NAME",
                        help=f"of {', '.join(LEVERS)}; {PLAIN} is always one (default: all)")  # fmt: skip
    add_common_options(parser, [0, 1, 2], "work_dir/word_errors")
    args = parser.parse_args(arguments)
    check_choices(parser, args, SECTIONS)
    args.levers = [name for name in LEVERS if name in {PLAIN, *args.levers}]
    if args.out.resolve() == args.family.resolve():
        parser.error("--out and --family are the same folder: name another --out")
    return args


def read_decay(text: str) -> float:
    """A moving average's decay, above 0 and below 1."""
    try:
        decay = float(text)
    except ValueError:
        decay = 0.0
    if not 0 < decay < 1:
        raise argparse.ArgumentTypeError(f"must be a number above 0 and below 1, not {text!r}")
    return decay


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
