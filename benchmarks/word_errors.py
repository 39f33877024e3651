"""What lowers word errors without new data: python -m benchmarks.word_errors

Takes the corpus and the trainings of `benchmarks.family`, makes what is missing of them, and trains MSTFNet with a
moving average of its weights. A training that is done is not repeated, and half a training goes on.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.family_options import add_common_options, check_choices, read_settings
from benchmarks.word_errors_weights import Networks, train_networks
from engine.interruption import Interrupted
from engine.run_lock import RunLock
from utils.arguments import named_path
from utils.output import run_command

SECTIONS = ("trainings",)


def main(args: argparse.Namespace) -> int:
    """Do the sections asked for, in their order; returns the exit status."""
    networks = Networks(args.family, args.out, args.ema, tuple(args.seeds), read_settings(args))
    os.environ |= {"OMP_NUM_THREADS": str(args.threads)}  # what the programs begin with
    try:
        with RunLock(args.out):
            for section in SECTIONS:
                if section in args.sections:
                    STEPS[section](args, networks)
    except Interrupted as stop:
        print(f"{stop}; the same command goes on where it stopped", file=sys.stderr)
        return stop.status
    return 0


def train(args: argparse.Namespace, networks: Networks) -> None:
    """Train what is not trained yet."""
    train_networks(networks, args.device, args.jobs, args.threads)


STEPS = {"trainings": train}


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", default=SECTIONS, help=f"of {', '.join(SECTIONS)} (default: all)")
    parser.add_argument("--family", type=named_path, default=Path("work_dir/family"), metavar="DIR",
                        help="folder of benchmarks.family; it gets what it lacks (default %(default)s)")  # fmt: skip
    parser.add_argument("--ema", type=read_decay, default=0.999, metavar="D",
                        help="decay of the trainings' moving average (default %(default)s)")  # fmt: skip
    add_common_options(parser, [0, 1, 2], "work_dir/word_errors")
    args = parser.parse_args(arguments)
    check_choices(parser, args, SECTIONS)
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
