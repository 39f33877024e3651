"""A stream that goes on for long: the section `endurance` of `benchmarks.live`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.live_recording import PlayedVideo, Shown, Signed, count_errors, format_delays, pair_right
from evaluation.wer_result import WerResult
from utils.table import format_table

PARTS = 6
"""Rows of the table."""
EDGES = 2
"""Rounds that are played too and not counted, the first and the last: nothing is seen before and after them."""
GOAL_FRAMES = 1.0
"""The clock must not wander so far."""


def format_endurance(
    recording: PlayedVideo, rounds: int, shown: Sequence[Shown], memory: Sequence[tuple[float, float]]
) -> str:  # fmt: skip
    """A table of the parts of a long stream, and what it says about memory and clock.

    Args:
        recording: what was played again and again.
        rounds: how many times, but for the edges.
        shown: the final glosses.
        memory: seconds of the stream and MiB of the process, after each reading.
    """
    rows, late = [], []
    length = rounds // PARTS * recording.round
    for part in range(PARTS):
        begin = EDGES / 2 * recording.round + part * length
        end = begin + length
        signed = [
            Signed(of.gloss, of.start + begin + again * recording.round, of.end + begin + again * recording.round)
            for again in range(rounds // PARTS)
            for of in recording.signed
        ]
        inside = [of for of in shown if begin <= of.word.start + of.word.duration / 2 < end]
        pairs = pair_right(signed, inside)
        offsets = [(of.word.start - truth.start) * recording.rate for truth, of in pairs]
        late.append(float(np.mean(offsets)) if offsets else float("nan"))
        held = [size for moment, size in memory if begin <= moment < end] or [float("nan")]
        errors = count_errors([of.gloss for of in signed], [of.word for of in inside])
        delays = format_delays(pairs)
        rows.append([
            f"{begin / 60:.1f} to {end / 60:.1f}", f"{np.median(held):.1f}", f"{max(held):.1f}",
            f"{WerResult((errors,)).wer:.2f} %", *delays[:3], f"{late[-1]:+.2f}",
        ])  # fmt: skip
    heads = ("minutes", "MiB", "at most", "WER", "right", "delay: median", "95 %", "begin as read - as signed (frames)")
    wandered = late[-1] - late[0]
    grown = float(rows[-1][1]) - float(rows[0][1])
    verdict = (
        f"from the first part to the last: memory of the process {grown:+.1f} MiB, clock {wandered:+.2f} frames (goal "
        f"below {GOAL_FRAMES:g})"
    )
    return "\n".join([format_table(heads, rows), verdict])


def read_memory() -> float:
    """MiB of memory that this process holds now; not a number where the system does not say it as Linux does."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return float("nan")
    line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024
