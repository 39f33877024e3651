"""`python -m preprocess.prepare --dataset CSL-Daily` by the name its users know, with the same flags."""

# ruff: noqa: N999

import sys
from pathlib import Path

# It is run inside preprocess/, where Python finds no other package of the repository.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from preprocess.prepare import main, parse_args
from utils.output import run_command

if __name__ == "__main__":
    run_command(lambda: main(parse_args(["--dataset", "CSL-Daily", *sys.argv[1:]])))
