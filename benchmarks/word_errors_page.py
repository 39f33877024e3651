"""The page of `benchmarks.word_errors`: what each lever does to the word errors, as values and as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.scores import format_interval, format_markdown, format_p, score_sentences
from benchmarks.word_errors_levers import LEVERS, PLAIN
from evaluation.reporting.statistics import compare_paired_errors
from evaluation.wer_result import SentenceCounts
from utils.errors import InputError

Counts = Sequence[SentenceCounts]
"""The counts of every sentence of a split, as one reading has them."""
PARTNER_ROW, SYSTEMS_ROW, AGAINST_PARTNER = "partner", "systems", "systems against partner"
LEVEL = 0.05
"""The p, after Holm's correction, below which a difference is called one."""


def compare_readings(before: Sequence[Counts], after: Sequence[Counts]) -> dict[str, Any]:
    """Readings with a lever against the readings without it, of the same weights in the same order.

    Where one side has one reading, by all networks together, it is compared with the mean of the other side. The
    interval and p are over the choice of sentences, whose errors are summed over the seeds: they take the trained
    networks as they are.

    Args:
        before: the readings without the lever, one for each seed, or one for all.
        after: those with it, likewise.

    Returns:
        `points` of WER (below zero the lever helps), their 95 % `interval`, `p`, and `of_seeds`, the points of each
        seed.

    Raises:
        InputError: they are not of the same sentences.
    """
    number = max(len(before), len(after))
    before, after = (list(group) * (number if len(group) == 1 else 1) for group in (before, after))
    signed = [[(counts.id, counts.reference_length) for counts in reading] for reading in (*before, *after)]
    if len(before) != len(after) or any(of_reading != signed[0] for of_reading in signed):
        raise InputError("the readings to be compared are not of the same sentences: read them again, into a new --out")
    errors = [np.array([[counts.errors for counts in reading] for reading in group]) for group in (before, after)]
    lengths = np.array([length for _, length in signed[0]])  # (S,), and errors are (N, S)
    found = compare_paired_errors(errors[0].sum(0).tolist(), errors[1].sum(0).tolist(), (lengths * number).tolist())
    of_seeds = 100 * (errors[1] - errors[0]).sum(1) / lengths.sum()
    return {"points": found.points, "interval": found.interval, "p": found.p, "of_seeds": of_seeds.tolist()}


def correct_for_number(ps: Sequence[float]) -> list[float]:
    """The p of several tests, corrected for their number: Holm, A simple sequentially rejective multiple test procedure
    (Scandinavian Journal of Statistics, 1979)."""
    corrected, largest = [0.0] * len(ps), 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[index]))
        corrected[index] = largest
    return corrected


def score_split(readings: Mapping[str, Sequence[Counts]], against: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Score every row of a split's table.

    Args:
        readings: by row, the readings, one for each seed.
        against: by row, the row that it is compared with; a row that is not in it is compared with none.

    Returns:
        by row, what `score_sentences` gives and, under `against`, what `compare_readings` gives, with `holm`, the p
        after the correction for the number of comparisons in this table.
    """
    scores = {name: score_sentences(of_row) for name, of_row in readings.items()}
    compared = {
        name: compare_readings(readings[other], readings[name])
        for name, other in against.items()
        if name in readings and other in readings
    }
    corrected = correct_for_number([comparison["p"] for comparison in compared.values()])
    for (name, comparison), holm in zip(compared.items(), corrected, strict=True):
        scores[name]["against"] = comparison | {"holm": holm}
    return scores


def choose_rows(counts: Mapping[str, Sequence[Mapping[str, Counts]]]) -> tuple[list[str], dict[str, str]]:
    """The rows of a table, and by row the one that it is compared with.

    Two systems at once are compared with each of the two, so that a better partner alone is no gain.

    Args:
        counts: by lever, what its readings have counted.
    """
    rows = list(counts)
    against = {name: PLAIN for name in rows if name not in {PLAIN, PARTNER_ROW}}
    if {SYSTEMS_ROW, PARTNER_ROW} <= set(rows):
        rows.insert(rows.index(SYSTEMS_ROW) + 1, AGAINST_PARTNER)
        against[AGAINST_PARTNER] = PARTNER_ROW
    return rows, against


def score_all(counts: Mapping[str, Sequence[Mapping[str, Counts]]]) -> dict[str, dict[str, dict[str, Any]]]:
    """What `score_split` gives, by split.

    Args:
        counts: by lever, what each of its readings has counted, by split.
    """
    rows, against = choose_rows(counts)
    return {
        split: score_split(
            {row: [of[split] for of in counts[SYSTEMS_ROW if row == AGAINST_PARTNER else row]] for row in rows}, against
        )
        for split in ("test", "dev")
    }


def format_page(
    scores: Mapping[str, Mapping[str, Any]],
    options: Mapping[str, Any],
    costs: Mapping[str, Any],
    about: str,
    unread: Sequence[str] = (),
) -> str:
    """The page in Markdown.

    Args:
        scores: by split, what `score_split` gives.
        options: by reading, the options of the beam search that were chosen on dev.
        costs: what `word_errors_costs` gives; empty if it was not measured.
        about: a sentence about corpus and trainings.
        unread: the levers that are asked for and have not been read to the end.
    """
    lines = [about, *(f"Not read to the end: {name}." for name in sorted(unread))]
    for split, of_split in scores.items():
        lines += ["", format_scores(split, of_split)]
        if split == "test":
            number = sum("against" in found for found in of_split.values())
            lines += ["", f"Of {number} comparisons on test, with Holm's p below {LEVEL:g}:", ""]
            lines += list_verdicts(of_split)
    if options:
        names = list(dict.fromkeys(name for of_reading in options.values() for name in of_reading))
        rows = [
            [reading, *(str(of_reading.get(name, "")) for name in names)] for reading, of_reading in options.items()
        ]
        lines += ["", "Chosen on dev:", "", format_markdown(["", *names], rows)]
    if costs:
        lines += ["", costs["about"], "", format_costs(costs)]
    return "\n".join(lines) + "\n"


def find_title(row: str) -> str:
    """What the page calls a row."""
    return "the same, against that system" if row == AGAINST_PARTNER else LEVERS[row].title


def format_scores(split: str, scores: Mapping[str, Mapping[str, Any]]) -> str:
    """The table of a split's word errors."""
    header = [split, "WER", "95 % interval", "S", "D", "I", "difference", "95 % interval", "p", "p, Holm", "each seed"]
    rows = []
    for name, found in scores.items():
        against = found.get("against")
        row = [find_title(name), f"{found['wer']:.2f} %", format_interval(found["interval"], "{:.1f}")]
        row += [f"{found[kind]:.2f} %" for kind in ("substitutions", "deletions", "insertions")]
        row += [""] * 5 if against is None else [
            f"{against['points']:+.2f}", format_interval(against["interval"], "{:+.2f}"), format_p(against["p"]),
            format_p(against["holm"]), " ".join(f"{points:+.1f}" for points in against["of_seeds"]),
        ]  # fmt: skip
        rows.append(row)
    return format_markdown(header, rows)


def list_verdicts(scores: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Say of each compared row whether it helps, a line for each kind of verdict."""
    fewer: list[str] = []
    same: list[str] = []
    more: list[str] = []
    for name, found in scores.items():
        if against := found.get("against"):
            chosen = same if against["holm"] >= LEVEL else fewer if against["points"] < 0 else more
            chosen.append(f"{find_title(name)} ({against['points']:+.2f})")
    return [
        f"* {kind}: {'; '.join(rows) or 'none'}."
        for kind, rows in (
            ("Fewer word errors", fewer), ("More word errors", more), ("No difference that this test can show", same)
        )
    ]  # fmt: skip


def format_costs(costs: Mapping[str, Any]) -> str:
    """The table of what levers cost in time, as multiples of reading and training without any."""
    reading, training = costs["reading"], costs["training"]
    rows = []
    for name, seconds in reading.items():
        step = training["ema" if LEVERS[name].weights == "moving" else PLAIN] / training[PLAIN]
        trainings = {"one": 1, "seeds": costs["seeds"]}.get(LEVERS[name].read_by)
        trained = f"{step * trainings:.2f}" if trainings else ""  # the other system's steps were not measured
        row = [find_title(name), LEVERS[name].turned_on, f"{1e3 * seconds:.2f}", f"{seconds / reading[PLAIN]:.2f}"]
        rows.append([*row, trained])
    return format_markdown(["", "turned on by", "ms a frame", "times as long to read", "times as long to train"], rows)
