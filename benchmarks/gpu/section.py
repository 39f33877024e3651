"""What a section of the check is, and what it finds.

A section is a module of this package that is named in `SECTIONS` and has a function

    def run(task: Task) -> Iterator[Finding]

It runs in a process of its own (`benchmarks.gpu.isolation`). Each finding is printed when it is yielded. A section
computes as it can on the CPU, and says `skipped` of what needs CUDA.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from utils.environment import SPARED

if TYPE_CHECKING:
    import torch

SECTIONS = {
    "machine": 2,
    "parity": 8,
    "waits": 3,
    "training": 8,
    "repeatable": 6,
    "compiled": 18,
    "processes": 6,
    "tools": 6,
    "kernels": 8,
    "table": 20,
    "summary": 1,
}
"""Each section -> its share of the time, in the order in which they run. What one leaves over is for those after it."""

Outcome = Literal["pass", "fail", "number", "skipped"]
Value = float | int | str | None


@dataclass(frozen=True)
class Finding:
    """One line of the check.

    Attributes:
        name: what was looked at; unique in its section.
        outcome: "pass" or "fail" of what must hold, "number" of what is measured, "skipped" with the reason in `note`.
        value: what was found; None where there is nothing to say.
        unit: the unit of the value, such as "ms", or "".
        note: what it is compared with, or why; a text of several lines is printed below the line.
        details: more, for the JSON file alone: plain values.
    """

    name: str
    outcome: Outcome
    value: Value = None
    unit: str = ""
    note: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """What a section is to do.

    Attributes:
        device: the device to look at.
        small: whether networks are narrow, pictures small and clips short, so that a CPU is done in seconds.
        earlier: the findings of the sections before this one, by section.
        seconds: the time that it has.
    """

    device: torch.device
    small: bool
    earlier: Mapping[str, Sequence[Finding]] = field(default_factory=dict)
    seconds: float = math.inf


def check_below(name: str, value: float, limit: float, unit: str = "", note: str = "") -> Finding:
    """A finding that passes if a value is below a limit; NaN fails."""
    outcome: Outcome = "pass" if value < limit else "fail"
    return Finding(name, outcome, value, unit, f"< {limit:g}{', ' if note else ''}{note}")


def check(name: str, holds: bool, value: Value = None, unit: str = "", note: str = "") -> Finding:
    """A finding that passes if something holds."""
    return Finding(name, "pass" if holds else "fail", value, unit, note)


def number(name: str, value: Value, unit: str = "", note: str = "", **details: Any) -> Finding:
    """A finding that is measured, and can neither pass nor fail."""
    return Finding(name, "number", value, unit, note, details)


def skip(name: str, reason: str = "no CUDA device") -> Finding:
    """A finding that could not be made."""
    return Finding(name, "skipped", note=reason)


def attempt(name: str, work: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Give what some work finds; an error in it is one more finding, after which others can go on.

    Args:
        name: the name of that finding.
        work: the work. A package that it lacks and may lack makes it skipped, not failed.
    """
    try:
        yield from work()
    except ModuleNotFoundError as error:
        spared = error.name in SPARED
        yield skip(name, f"{error.name} is not installed") if spared else describe_error(name, error)
    except Exception as error:
        yield describe_error(name, error)


def describe_error(name: str, error: Exception) -> Finding:
    """The failure that an error is."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    note = f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})"
    text = "".join(traceback.format_exception(error))
    return Finding(name, "fail", note=" ".join(note.split()), details={"traceback": text})


def format_finding(section: str, finding: Finding) -> str:
    """The line of a finding, such as "PASS parity float32 mstfnet 3.1e-06 (< 0.0001)"."""
    labels = {"pass": "PASS", "fail": "FAIL", "number": "    ", "skipped": "    "}
    words = [labels[finding.outcome], section, finding.name, format_value(finding.value), finding.unit]
    line = " ".join(word for word in words if word)
    if finding.outcome == "skipped":
        return f"{line} skipped: {finding.note}"
    if "\n" in finding.note:
        return f"{line}\n{finding.note}"
    return f"{line} ({finding.note})" if finding.note else line


def format_value(value: Value) -> str:
    """A value with as many digits as matter."""
    if value is None:
        return ""
    if not isinstance(value, float) or not math.isfinite(value):
        return str(value)
    return f"{value:.0f}" if 1000 <= abs(value) < 1e7 else f"{value:.3g}"
