"""The result of a check, and the table of all results."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from utils.errors import InputError
from utils.table import format_table
from utils.text import list_first

MOST_EXAMPLES = 3
BULLET = "- "
NARROWEST, WIDEST = 40, 110
"""Columns of text that a result is wrapped at; in between, the width of the terminal decides."""


class Verdict(Enum):
    """What a check says about a corpus; an error is what training, or preparing for it, would fail at."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    NOT_EXAMINED = "not examined"


@dataclass(frozen=True)
class CheckResult:
    """The result of one check.

    Attributes:
        check: the name of the check, such as `corpus: images`.
        verdict: whether the corpus is as it should be.
        what: the sentence that says what was found, with examples; several lines are several problems.
        remedy: the sentence that says what to do about it; empty where there is nothing to do.
    """

    check: str
    verdict: Verdict
    what: str
    remedy: str = ""


def run_check(check: str, examine: Callable[[], list[CheckResult]], remedy: str) -> list[CheckResult]:
    """Run `examine` and return its results; if it fails, return an error with this `remedy` instead of a traceback."""
    try:
        return examine()
    except Exception as error:  # The doctor is asked about broken files: any error is about them, whatever its type.
        return [CheckResult(check, Verdict.ERROR, format_error(error), remedy)]


def format_error(error: Exception) -> str:
    """Format the message of an error in words for users, also where it was not written for them."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename} can't be read: {error.strerror}"
    return f"{type(error).__name__}: {error}"


def combine_problems(check: str, fine: str, problems: Sequence[tuple[Verdict, str, str]]) -> CheckResult:
    """Make one result out of any number of problems.

    Args:
        check: the name of the check.
        fine: the text of the result if there is no problem.
        problems: verdict, text and remedy of each problem; the result is as bad as the worst.
    """
    if not problems:
        return CheckResult(check, Verdict.OK, fine)
    verdicts = [verdict for verdict, _, _ in problems]
    worst = Verdict.ERROR if Verdict.ERROR in verdicts else Verdict.WARNING
    remedies = dict.fromkeys(remedy for _, _, remedy in problems)
    return CheckResult(check, worst, "\n".join(what for _, what, _ in problems), "\n".join(remedies))


def join_examples(items: Sequence[str]) -> str:
    """Join the first few of `items` in one line, and say how many more there are."""
    return ", ".join(list_first(items, MOST_EXAMPLES))


def list_examples(items: Sequence[str]) -> str:
    """List the first few of `items`, each on a new line, and say how many more there are."""
    return "".join(f"\n{BULLET}{item}" for item in list_first(items, MOST_EXAMPLES))


def format_results(results: Sequence[CheckResult]) -> str:
    """Format the table of all results, wrapped to the terminal; an arrow leads to the remedy."""
    names = max(len(result.check) for result in results) + max(len(result.verdict.value) for result in results)
    width = min(max(shutil.get_terminal_size((WIDEST + 40, 24)).columns - names - 4, NARROWEST), WIDEST)
    rows = []
    for result in results:
        lines = _wrap(result.what, "", width)
        if result.remedy:
            lines += _wrap(result.remedy, "-> ", width)
        rows.append((result.check, result.verdict.value, lines[0]))
        rows += [("", "", line) for line in lines[1:]]
    return format_table(("check", "verdict", "what was found, and what to do"), rows, left=3)


def _wrap(paragraphs: str, mark: str, width: int) -> list[str]:
    """Wrap text to lines of at most `width` characters.

    Paths are never broken, nor indented lines, which are commands: both are there to be copied.
    """
    lines = []
    for line in paragraphs.splitlines():
        if line.startswith("    "):
            lines.append(line)
        else:
            start = BULLET if line.startswith(BULLET) else mark
            lines += textwrap.wrap(
                line.removeprefix(BULLET),
                width,
                initial_indent=start,
                subsequent_indent=" " * len(start),
                break_long_words=False,
                break_on_hyphens=False,
            )
    return lines or [mark]
