"""Train the same with several seeds, and say how far the results lie apart.

python -m engine.seeds --config config/quickstart.yaml --seeds 0 1 2 --work-dir work_dir/seeds [--key value ...]

A difference between two systems that is smaller than the spread between seeds is noise.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from types import FrameType

from engine.run_lock import RunLock
from utils.arguments import MOST_SEED, named_path, whole_number
from utils.errors import InputError
from utils.files import write_json
from utils.interruption import SIGNALS, Interrupted
from utils.output import run_command
from utils.plain_json import read_json
from utils.table import format_table

MAIN = Path(__file__).parents[1] / "main.py"


def train_seeds(
    seeds: Sequence[int], folder: Path, arguments: Sequence[str], take_over: bool = False
) -> dict[int, dict[str, float]]:  # fmt: skip
    """Run main.py once for each seed, in `folder`/seed_<seed>; runs that are there already go on or are kept.

    Args:
        seeds: the random seeds.
        folder: the folder of all runs.
        arguments: the command line for main.py.
        take_over: whether the runs' folders are taken whoever holds them.

    Returns:
        the WER in percent, by seed and split.

    Raises:
        CalledProcessError: a run failed, and said why.
        Interrupted: this program was asked to stop, and the run under way has ended.
        InputError: a run has left no report.
    """
    found = {}
    for seed in seeds:
        run = folder / f"seed_{seed}"
        # The last of two values for one key counts: these override whatever the user gave for main.py.
        own = [f"--work-dir={run}", f"--random-seed={seed}", "--resume=true", "--overwrite=false"]
        own += ["--take-over"] if take_over else []
        run_to_its_end([sys.executable, str(MAIN), *arguments, *own])
        found[seed] = _read_rates(run / "report.json")
    return found


def _read_rates(report: Path) -> dict[str, float]:
    """The WER of each split in the report of a run."""
    try:
        return {split: float(content["wer"]) for split, content in read_json(report)["splits"].items()}
    except FileNotFoundError:
        raise InputError(f"the run has ended without {report}: does its --phase evaluate?") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{report} is not the report of a run: {error}") from None


def run_to_its_end(command: Sequence[str]) -> None:
    """Run a command that saves what it has when it is asked to stop, and wait for it however long that takes.

    SIGTERM is handed on. SIGINT is not: a terminal sends it to both, and a second one would end the command at once.

    Raises:
        CalledProcessError: it failed.
        Interrupted: this program was asked to stop; the command has ended.
    """
    came: list[int] = []
    running: list[subprocess.Popen[bytes]] = []

    def receive(number: int, _: FrameType | None) -> None:
        came.append(number)
        if number == signal.SIGTERM:
            for program in running:
                program.terminate()

    before = {number: signal.signal(number, receive) for number in SIGNALS}
    try:
        program = subprocess.Popen(command)
        running.append(program)
        if signal.SIGTERM in came:  # before there was anything to hand it to
            program.terminate()
        status = program.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        raise Interrupted(came[-1])
    if status:
        raise subprocess.CalledProcessError(status, command)


def format_seed_summary(found: Mapping[int, Mapping[str, float]]) -> str:
    """A table of the WER by seed and split, with mean and standard deviation (of a sample).

    Args:
        found: the WER in percent, by seed and split.
    """
    splits = list(next(iter(found.values())))
    rows = [[str(seed), *(f"{of_seed[split]:.2f}" for split in splits)] for seed, of_seed in found.items()]
    columns = [[of_seed[split] for of_seed in found.values()] for split in splits]
    rows.append(["mean", *(f"{mean(values):.2f}" for values in columns)])
    if len(found) > 1:
        rows.append(["standard deviation", *(f"{stdev(values):.2f}" for values in columns)])
    return format_table(["seed", *(f"WER {split}" for split in splits)], rows)


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line; `rest` is for main.py."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False, epilog="Everything else is for main.py."
    )
    parser.add_argument(
        "--seeds", type=whole_number(0, MOST_SEED), nargs="+", required=True, metavar="N", help="random seeds"
    )
    parser.add_argument("--work-dir", "--work_dir", type=named_path, default=Path("work_dir/seeds"), metavar="DIR",
                        help="folder of all runs (%(default)s)")  # fmt: skip
    parser.add_argument("--take-over", "--take_over", action="store_true",
                        help="take the folders although another program seems to write to them")  # fmt: skip
    args, rest = parser.parse_known_args(arguments)
    args.rest = rest
    if len(set(args.seeds)) < len(args.seeds):
        parser.error(f"--seeds names one twice: {args.seeds}")
    return args


def main(args: argparse.Namespace) -> None:
    """Train, print the table and write it to seeds.json."""
    try:
        with RunLock(args.work_dir, args.take_over):
            found = train_seeds(args.seeds, args.work_dir, args.rest, args.take_over)
            write_json(args.work_dir / "seeds.json", found)
    except (InputError, OSError) as error:
        sys.exit(f"error: {error}")
    except subprocess.CalledProcessError as error:
        # A negative status is the number of the signal that ended the run; shells say 128 and the number.
        sys.exit(error.returncode if error.returncode > 0 else 128 - error.returncode)
    except Interrupted as stop:
        print(
            f"{stop}; the same command goes on with the seed under way and keeps those that are done", file=sys.stderr
        )
        sys.exit(stop.status)
    print(format_seed_summary(found))
    print(f"\n{args.work_dir / 'seeds.json'}")


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
