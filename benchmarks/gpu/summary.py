"""What the other sections found, as tables for the README, and what limits a training now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.gpu.section import Finding, Task, format_value, number, skip
from benchmarks.gpu.ways import MAIN

LAUNCHES_LIMIT = 0.5
"""A step on hardly any frames that takes this share of a whole one shows that the launches limit."""


@dataclass(frozen=True)
class Step:
    """What is known of a training step.

    Attributes:
        rate: the real frames a second that it trains on.
        loader: those that the loader reads; None if that was not measured.
        launches: the seconds of a step on hardly any frames, as a share of those of a whole step; None likewise.
        memory: the least seconds for reading and writing memory, for a padded frame; None where they are not known.
        arithmetic: the least seconds for arithmetic.
    """

    rate: float
    loader: float | None = None
    launches: float | None = None
    memory: float | None = None
    arithmetic: float | None = None


def run(task: Task) -> Iterator[Finding]:
    """Make the tables, and say what limits."""
    table = {finding.name: finding for finding in task.earlier.get("table", ())}
    measured = [finding.details for finding in table.values() if "way" in finding.details]
    if not measured:
        yield skip("tables", "the section table found nothing")
        return
    for kind in dict.fromkeys(row["kind"] for row in measured):
        rows = [row for row in measured if row["kind"] == kind]
        yield number(f"{kind} in Markdown", f"{len(rows)} rows", note=format_costs(rows))
    others = [finding for finding in table.values() if finding.outcome == "number" and "way" not in finding.details]
    yield number("other figures in Markdown", f"{len(others)} rows", note=format_others(others))
    for suffix in ("PNG", "JPG"):
        step = describe_step(table, suffix)
        name = f"what limits training on {suffix} frames"
        if task.small:  # hardly any frames, whose step is what the launches are told from
            yield skip(name, "small form")
        else:
            yield skip(name, "no training step was measured") if step is None else explain_limit(name, step)


def format_costs(rows: Sequence[Mapping[str, Any]]) -> str:
    """Format the costs of one kind of work as a table in Markdown."""
    lines = [
        "| | precision | time relative to the published form | ms a frame | frames/s | peak MiB | of the roofline |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        each = row["seconds"] / row["frames"]
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        peak = "" if row["peak_mib"] is None else f"{row['peak_mib']:.0f}"
        share = "" if row["share"] is None else f"{100 * row['share']:.0f} %"
        cells = (row["way"], row["precision"], ratio, f"{1e3 * each:.3g}", f"{1 / each:.0f}", peak, share)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def format_others(findings: Sequence[Finding]) -> str:
    """Format single figures as a table in Markdown."""
    rows = [f"| {f.name} | {format_value(f.value)} {f.unit} | {f.note} |" for f in findings]
    return "\n".join(["| | | |", "|---|---|---|", *rows])


def describe_step(table: Mapping[str, Finding], suffix: str) -> Step | None:
    """Gather what is known of our training step in the first number format of the table; None if there is none.

    Args:
        table: the findings of the section by name.
        suffix: the kind of images that the loader reads.
    """
    ours = (f.details for f in table.values() if f.details.get("way") == MAIN.name and f.details["kind"] == "training")
    row = next(ours, None)
    if row is None:
        return None
    loader, few = table.get(f"loader, {suffix}"), table.get("a step on few frames")
    return Step(
        rate=row["frames"] / row["seconds"],
        loader=None if loader is None else float(loader.value or 0),
        launches=None if few is None else float(few.value or 0) / 1e3 / row["seconds"],
        memory=row["memory_seconds"],
        arithmetic=row["arithmetic_seconds"],
    )


def explain_limit(name: str, step: Step) -> Finding:
    """Say what limits, and by which figures that is known."""
    notes = [f"the step trains on {step.rate:.0f} frames/s"]
    if step.loader is not None:
        notes.append(f"the loader reads {step.loader:.0f}")
    if step.launches is not None:
        notes.append(f"a step on hardly any frames takes {100 * step.launches:.0f} % of the time")
    if step.memory is not None and step.arithmetic is not None:
        notes.append(
            f"a padded frame needs {1e6 * step.memory:.0f} us for memory and {1e6 * step.arithmetic:.0f} us for "
            "arithmetic at least"
        )
    return number(name, find_limit(step), note="; ".join(notes))


def find_limit(step: Step) -> str:
    """Find what limits: what all wait for first, else what takes most of a step.

    Returns:
        "loader", "launches", "memory", "arithmetic", or "unknown".
    """
    if step.loader is not None and step.loader < step.rate:
        return "loader"
    if step.launches is not None and step.launches >= LAUNCHES_LIMIT:
        return "launches"
    if step.memory is None or step.arithmetic is None:
        return "unknown"
    return "memory" if step.memory >= step.arithmetic else "arithmetic"
