"""What a check found, and the table of all that was found."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from utils.errors import InputError
from utils.table import format_table

MOST_EXAMPLES = 3
BULLET = "- "
NARROWEST, WIDEST = 40, 110
"""Columns of text that a finding is wrapped at; in between, the width of the terminal decides."""


class Verdict(Enum):
    """What a check says about a corpus; an error is what training, or preparing for it, would fail at."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    NOT_EXAMINED = "not examined"


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        check: what was looked at, such as `corpus: images`.
        verdict: whether it is as it should be.
        what: what was found, with examples; several lines are several findings.
        remedy: what to do about it; empty where there is nothing to do.
    """

    check: str
    verdict: Verdict
    what: str
    remedy: str = ""


def attempt(check: str, examine: Callable[[], list[Finding]], remedy: str) -> list[Finding]:
    """What `examine` finds; if it fails, whatever is broken becomes an error with this `remedy` and no traceback."""
    try:
        return examine()
    except Exception as error:
        return [Finding(check, Verdict.ERROR, explain(error), remedy)]


def explain(error: Exception) -> str:
    """The message of an error, in words for users also where it was not written for them."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename} can't be read: {error.strerror}"
    return f"{type(error).__name__}: {error}"


def judge(check: str, fine: str, problems: Sequence[tuple[Verdict, str, str]]) -> Finding:
    """One finding out of any number of problems (verdict, what, remedy), as bad as the worst; without any, `fine`."""
    if not problems:
        return Finding(check, Verdict.OK, fine)
    verdicts = [verdict for verdict, _, _ in problems]
    worst = Verdict.ERROR if Verdict.ERROR in verdicts else Verdict.WARNING
    remedies = dict.fromkeys(remedy for _, _, remedy in problems)
    return Finding(check, worst, "\n".join(what for _, what, _ in problems), "\n".join(remedies))


def examples(items: Sequence[str]) -> str:
    """The first few of `items`, and how many more there are, in one line."""
    return ", ".join(_first(items))


def listed(items: Sequence[str]) -> str:
    """The same, each on a line of its own, which begins with the first."""
    return "".join(f"\n{BULLET}{item}" for item in _first(items))


def _first(items: Sequence[str]) -> list[str]:
    more = [f"and {len(items) - MOST_EXAMPLES} more"] if len(items) > MOST_EXAMPLES else []
    return [*items[:MOST_EXAMPLES], *more]


def counted(number: int, singular: str, plural: str = "") -> str:
    """`1 clip`, `2 clips`."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def format_findings(findings: Sequence[Finding]) -> str:
    """The table of all findings, wrapped to the terminal; an arrow leads to the remedy."""
    names = max(len(finding.check) for finding in findings) + max(len(finding.verdict.value) for finding in findings)
    width = min(max(shutil.get_terminal_size((WIDEST + 40, 24)).columns - names - 4, NARROWEST), WIDEST)
    rows = []
    for finding in findings:
        lines = _wrap(finding.what, "", width) + (_wrap(finding.remedy, "-> ", width) if finding.remedy else [])
        rows.append((finding.check, finding.verdict.value, lines[0]))
        rows += [("", "", line) for line in lines[1:]]
    return format_table(("check", "verdict", "what was found, and what to do"), rows, left=3)


def _wrap(paragraphs: str, mark: str, width: int) -> list[str]:
    """Lines of at most `width` characters; paths are never broken, nor indented lines, which are commands."""
    lines = []
    for line in paragraphs.splitlines():
        if line.startswith("    "):
            lines.append(line)
        else:
            start = BULLET if line.startswith(BULLET) else mark
            indents = {"initial_indent": start, "subsequent_indent": " " * len(start)}
            text = line.removeprefix(BULLET)
            lines += textwrap.wrap(text, width, **indents, break_long_words=False, break_on_hyphens=False)
    return lines or [mark]
