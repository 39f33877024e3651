"""Interrupt a training anywhere, resume it, and compare what comes out with a training that was left alone.

python -m benchmarks.survival [--times 10]

A small network is trained for two epochs on a small rendered corpus, with workers. Then the same training is sent
SIGTERM once a randomly drawn number of its steps is done, or SIGKILL at a randomly drawn moment of its whole time, and
resumed with `--resume` until it is done. Weights, optimiser, random states, learning curve, hypotheses and WER must be
those of the undisturbed run, bit by bit.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dataset.synthetic.generate import generate
from preprocess.prepare import prepare
from utils.checkpoint import load_checkpoint
from utils.checkpoint_file import BEST, LAST
from utils.output import run_command
from utils.plain_json import parse_json
from utils.table import format_table

REPOSITORY = Path(__file__).parents[1]
SETTINGS = [
    "dataset=phoenix2014", "device=cpu", "num_worker=1", "num_epoch=2", "save_every_steps=1",
    "optimizer_args.base_lr=1e-3", "feeder_args.input_size=64", "feeder_args.min_frames=16",
    "model_args.c2d_type=resnet18", "model_args.pretrained=none", "model_args.width=16", "model_args.hidden_size=16",
]  # fmt: skip
CLIPS = 16
STEPS = CLIPS  # two epochs of batches of two


def build_command(folder: Path, run: str) -> list[str]:
    """The command line that begins the training, or goes on with it."""
    return [
        sys.executable,
        "main.py",
        *SETTINGS,
        f"prepared={folder / 'prepared'}",
        f"work_dir={folder / run}",
        "--resume",
    ]


def collect_outcome(run: Path) -> dict[str, Any]:
    """Everything that a training leaves behind, without its times."""
    found: dict[str, Any] = {}
    for name in (LAST, BEST):
        content = load_checkpoint(run / name)
        found |= flatten(
            {key: content[key] for key in ("model_state_dict", "optimizer_state_dict", "random_states")}, name
        )
    lines = (run / "epochs.jsonl").read_text(encoding="utf-8").splitlines()
    records = [parse_json(line, "epochs.jsonl") for line in lines]
    found["epochs"] = [{key: value for key, value in record.items() if key != "seconds"} for record in records]
    for file in ("dev.txt", "output-hypothesis-dev.ctm", "output-hypothesis-test.ctm"):
        found[file] = (run / file).read_text(encoding="utf-8")
    return found


def flatten(value: Any, path: str) -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"path.a.b": 1}."""
    if isinstance(value, dict):
        return {key: leaf for name, below in value.items() for key, leaf in flatten(below, f"{path}.{name}").items()}
    return {path: value}


def list_differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The names of what is not the same in both, bit by bit."""

    def same(a: Any, b: Any) -> bool:
        return torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b

    return [
        key for key in one.keys() | other.keys() if key not in one or key not in other or not same(one[key], other[key])
    ]


def count_steps(run: Path) -> int:
    """The number of steps in the last checkpoint; 0 if there is none."""
    path = run / LAST
    return load_checkpoint(path)["train_state"]["step"] if path.is_file() else 0


def interrupt(folder: Path, run: str, how: signal.Signals, moment: float) -> tuple[int, int | None]:
    """Begin a training and interrupt it.

    Args:
        folder: the folder of the corpus and of the runs.
        run: the name of this run.
        how: the signal.
        moment: the moment to send it: for SIGTERM a number of steps done, for SIGKILL seconds after the start.

    Returns:
        the number of steps that were saved by then, and the exit status.
    """
    program = subprocess.Popen(
        build_command(folder, run), cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    started, last = time.monotonic(), folder / run / LAST
    while program.poll() is None:
        if how is signal.SIGKILL:
            due = time.monotonic() - started >= moment
        else:
            due = last.is_file() and load_checkpoint(last)["train_state"]["step"] >= moment
        if due:
            program.send_signal(how)
            break
        time.sleep(0.1 if how is signal.SIGTERM else 0.01)
    status = program.wait()
    return count_steps(folder / run), status


def run_trial(folder: Path, number: int, how: signal.Signals, moment: float, expected: dict[str, Any]) -> list[str]:
    """Interrupt a training, resume it and compare what it leaves with `expected`; gives a row of the table."""
    run = f"{how.name}-{number}"
    saved, status = interrupt(folder, run, how, moment)
    subprocess.run(build_command(folder, run), cwd=REPOSITORY, check=True, capture_output=True)
    wrong = list_differences(collect_outcome(folder / run), expected)
    when = f"step {moment:.0f}" if how is signal.SIGTERM else f"{moment:.1f} s"
    return [how.name, when, str(status), f"{saved} of {STEPS}", "identical" if not wrong else f"{len(wrong)} differ"]


def main(args: argparse.Namespace) -> None:
    """Print a row for each interruption, and how many left no trace."""
    os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))
    rng = np.random.default_rng(args.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generate("phoenix2014", folder / "corpus", glosses=6, train=CLIPS, dev=3, test=3, seed=5, workers=1)
        prepare("phoenix2014", folder / "corpus", folder / "prepared", True, workers=1, frame_size=72)
        started = time.monotonic()
        subprocess.run(build_command(folder, "whole"), cwd=REPOSITORY, check=True, capture_output=True)
        seconds = time.monotonic() - started
        expected = collect_outcome(folder / "whole")
        rows = []
        for number in range(args.times):
            step, moment = int(rng.integers(1, STEPS)), float(rng.uniform(0, seconds))
            rows.append(run_trial(folder, number, signal.SIGTERM, step, expected))
            rows.append(run_trial(folder, number, signal.SIGKILL, moment, expected))
            print(format_table(["signal", "sent at", "status", "steps saved", "after resuming"], rows[-2:]), flush=True)
    good = sum(row[-1] == "identical" for row in rows)
    print(f"\n{good} of {len(rows)} interrupted trainings ended as the undisturbed one did, which took {seconds:.0f} s")
    if good < len(rows):
        sys.exit(1)


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=10, metavar="N", help="trials with each signal (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="random seed of the moments (%(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
