"""Choose the options of the beam search for a run on dev, and score test with them once.

python -m evaluation.tune --run work_dir/X [--lm FILE] [--device D] [--no-test] [key=value ...]

Dev is recognised once, and its posteriors stay in the run's folder; then lm_weight, insertion_bonus, blank_penalty and
beam_width are searched on them. work_dir/X/decoding.yaml is the result, for the key `decoding`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from utils.arguments import named_path
from utils.errors import InputError, take_message
from utils.output import run_command
from utils.patience import LOADING, say_if_long


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line; `overrides` are the values by dotted key."""
    parser = argparse.ArgumentParser(
        prog="python -m evaluation.tune", description=__doc__.splitlines()[0], allow_abbrev=False,
        epilog="Keys of the configuration are as in the run unless key=value says otherwise: prepared=DIR.",
    )  # fmt: skip
    parser.add_argument("--run", type=named_path, required=True, metavar="DIR", help="the run's folder, with best.pt")
    parser.add_argument("--lm", type=named_path, metavar="FILE", help="language model (ARPA), whose weight is searched")
    parser.add_argument("--device", default="auto", help="auto, cpu, mps, 0, cuda:0, ... (default: %(default)s)")
    parser.add_argument("--no-test", action="store_true", help="leave test alone")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="a key of the configuration")
    args = parser.parse_intermixed_args(arguments)
    for text in args.overrides:
        if "=" not in text:
            parser.error(f"{text!r} is not of the form key=value")
    pairs = [text.partition("=") for text in args.overrides]
    args.overrides = {key.replace("-", "_"): value for key, _, value in pairs}
    return args


def main(args: argparse.Namespace) -> None:
    """Tune a run. Exits with a message where that is impossible."""
    try:
        with say_if_long(LOADING):
            from evaluation.tuning.tune_run import tune_run  # noqa: PLC0415  it brings PyTorch
            from utils.log import start_log  # noqa: PLC0415
        start_log(None)
        tune_run(args.run, args.lm, not args.no_test, {"device": args.device} | args.overrides)
    except (InputError, OSError) as error:
        sys.exit(f"evaluation.tune: {take_message(error)}")


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
