"""How well glosses are located in time: python -m benchmarks.boundaries

Compares the times in a run's CTM files with the frames in which the signers of the built-in corpus signed each gloss.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dataset.rendered import BOUNDARIES
from evaluation.ctm import CtmEntry, read_ctm
from evaluation.wer import align_glosses
from utils.errors import InputError
from utils.output import run_command
from utils.plain_json import read_json
from utils.table import format_table

OUTPUT_STEP = 4
"""Frames that an output step of the network stands for: no gloss can be located more finely than that."""
HEADER = ("frames", "glosses", "|start|", "|end|", "|both|", f"within {OUTPUT_STEP}", "start bias", "end bias")

Signed = Mapping[str, Sequence[tuple[str, int, int]]]
"""By clip, its glosses: (gloss, first frame, last frame + 1)."""


def compute_boundary_errors(signed: Signed, recognised: Sequence[CtmEntry], frame_rate: float) -> np.ndarray:
    """How many frames too late each correctly recognised gloss starts and ends, (N, 2).

    Args:
        signed: the glosses of each clip with their frames.
        recognised: the glosses read in the same clips with their times; a clip without an entry has none.
        frame_rate: the number of frames in a second.

    Raises:
        InputError: a recognised clip is none of those signed.
    """
    unknown = [entry.id for entry in recognised if entry.id not in signed]
    if unknown:
        raise InputError(
            f"{len(unknown)} recognised clips are not in the corpus (first: {unknown[0]}): the run is of another "
            "corpus; train and render again with `make quickstart`"
        )
    errors = []
    for entry in recognised:
        truth, words = iter(signed[entry.id]), iter(entry.words)
        for op, was_signed, was_recognised in align_glosses([gloss for gloss, _, _ in signed[entry.id]], entry.glosses):
            if op == "C":
                (_, first, end), word = next(truth), next(words)
                start, stop = word.start * frame_rate, (word.start + word.duration) * frame_rate
                errors.append((start - first, stop - end))
                continue
            if was_signed is not None:
                next(truth)
            if was_recognised is not None:
                next(words)
    return np.round(np.array(errors).reshape(-1, 2), 3)  # CTM files hold milliseconds


def format_row(name: str, errors: np.ndarray) -> list[str]:
    """The row of the table: medians of the errors' size and of the errors, and the share of small ones.

    Args:
        name: the head of the row.
        errors: (N, 2) errors of start and end, in frames.
    """
    if not len(errors):
        return [name, "0", *("-" for _ in HEADER[2:])]
    sizes = np.abs(errors)
    # Medians: a gloss that repeats may be taken for its neighbour, whose boundaries lie far away.
    medians = [np.median(sizes[:, 0]), np.median(sizes[:, 1]), np.median(sizes)]
    within, biases = np.mean(sizes <= OUTPUT_STEP), np.median(errors, axis=0)
    numbers = (*(f"{value:.1f}" for value in medians), f"{100 * within:.1f} %", *(f"{value:+.1f}" for value in biases))
    return [name, str(len(errors)), *numbers]


def measure_boundary_errors(run: Path, corpus: Path, splits: Sequence[str]) -> dict[str, np.ndarray]:
    """Measure the boundary errors of each split.

    Args:
        run: the folder of the run, whose CTM files are read.
        corpus: the folder of the built-in corpus, as rendered.
        splits: the names of the splits.

    Returns:
        by split, the errors that `compute_boundary_errors` gives.

    Raises:
        InputError: a file or split is missing, or they do not belong together.
        FormatError: a CTM file cannot be read.
    """
    truth = corpus / BOUNDARIES
    if not truth.is_file():
        raise InputError(
            f"no file {truth}: the corpus is not there or was rendered by an older version; render it again with "
            "`make quickstart`"
        )
    known = read_json(truth)
    errors = {}
    for split in splits:
        hypotheses = run / f"output-hypothesis-{split}.ctm"
        if split not in known["clips"]:
            raise InputError(f"{truth} has no split {split!r}; choose from {', '.join(known['clips'])}")
        if not hypotheses.is_file():
            raise InputError(f"no file {hypotheses}: train with `make quickstart` or name the run with --run")
        errors[split] = compute_boundary_errors(known["clips"][split], read_ctm(hypotheses), known["frame_rate"])
    return errors


def main(args: argparse.Namespace) -> None:
    """Print a line for each split and one for all."""
    errors = measure_boundary_errors(args.run, args.corpus, args.splits)
    rows = [format_row(split, found) for split, found in errors.items()]
    print(format_table(HEADER, [*rows, format_row("all", np.concatenate(list(errors.values())))]))


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--run", type=Path, default=Path("work_dir/quickstart"), help="folder of the run (default %(default)s)"
    )
    parser.add_argument(
        "--corpus", type=Path, default=Path("dataset/quickstart"), help="folder of the corpus (default %(default)s)"
    )
    parser.add_argument("--splits", nargs="+", default=["dev", "test"], help="default: dev test")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
