"""Two evaluated runs side by side, with a paired significance test.

python -m evaluation.compare A B [--split NAME] [--html FILE]      A and B: run folders, or their report.json
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from evaluation.reporting.comparison import GlossChange, SplitComparison, compare
from evaluation.reporting.content import Report, read_report
from evaluation.reporting.page import columns, render, search_text, span
from evaluation.reporting.statistics import PairedDifference
from evaluation.wer import CELLS, WerResult, cells, counts
from utils.errors import InputError
from utils.files import write_text
from utils.table import format_table

TOP_TEXT, TOP_PAGE = 10, 20
SEEDS = (
    "The test knows these sentences, not the seeds: a difference below the spread between runs that differ in the seed "
    "alone is noise, however small p is."
)


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m evaluation.compare", description="Two evaluated runs.")
    parser.add_argument("a", metavar="A", help="run folder or report.json")
    parser.add_argument("b", metavar="B", help="the run to hold against it")
    parser.add_argument("--split", help="compare on this split alone; otherwise on all that both have")
    parser.add_argument("--html", metavar="FILE", help="write a page with every sentence of both")
    return parser.parse_args(arguments)


def main(args: argparse.Namespace) -> None:
    """Print the comparison, and write its page. Exits with a message if the runs cannot be compared."""
    try:
        runs = ((args.a, read_report(args.a)), (args.b, read_report(args.b)))
        splits = compare(runs[0][1], runs[1][1], args.split)
        if args.html:
            write_text(args.html, as_html(runs, splits))
    except (InputError, OSError) as error:
        sys.exit(f"evaluation.compare: {error}")
    print(as_text(runs, splits))
    if args.html:
        print(f"\npage: {args.html}")


def as_text(runs: Sequence[tuple[str, Report]], splits: Sequence[SplitComparison]) -> str:
    """The comparison for the terminal; a run is (where it lies, its report)."""
    lines = [
        f"{letter}  {place}  ({report.config.get('dataset', 'some dataset')}, weights {report.weights or 'not said'})"
        for letter, (place, report) in zip("AB", runs, strict=True)
    ]
    for split in splits:
        lines += ["", *_split_text(split)]
    return "\n".join([*lines, "", SEEDS])


def _split_text(split: SplitComparison) -> list[str]:
    lines = [format_table([split.name, *CELLS, "sentences"], [_row("A", split.a), _row("B", split.b)])]
    lines += [f"NOT SCORED ALIKE, {line}: the rates cannot be compared as they are" for line in split.settings]
    lines += [difference_text(split.difference), ""]
    rows = [[name, _rate(a), _rate(b), _points(a, b), str(a.reference_length)] for name, a, b in split.signers()]
    lines += [format_table(["signer", "A", "B", "B - A", "glosses"], rows), ""]
    for title, changes in (("B reads better", gained(split)), ("B reads worse", lost(split))):
        rows = [[c.gloss, str(c.errors_a), str(c.errors_b), str(c.signed)] for c in changes[:TOP_TEXT]]
        lines += [format_table([title, "errors A", "errors B", "signed"], rows) if rows else f"{title}: no gloss", ""]
    differing = [pair for pair in split.sentences if pair.difference][:TOP_TEXT]
    rows = [[p.a.id, str(p.a.errors), str(p.b.errors), str(len(p.a.reference))] for p in differing]
    title = "sentences that differ most"
    return [
        *lines,
        format_table([title, "errors A", "errors B", "glosses"], rows) if rows else f"{title}: none differs",
    ]


def difference_text(difference: PairedDifference) -> str:
    """B against A in a line."""
    ends = (
        span(difference.interval, "{:+.2f}", "")
        if difference.interval
        else "not known (all sentences differ alike, or too few have glosses)"
    )
    return (
        f"B - A: {difference.points:+.2f} points of WER, 95 % interval {ends}, {p_text(difference.p)}; fewer errors in "
        f"{difference.better} sentences, more in {difference.worse}, as many in {difference.equal}"
    )


def p_text(p: float) -> str:
    """The p of a test, to two digits."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def gained(split: SplitComparison) -> list[GlossChange]:
    """Glosses on which B makes fewer errors, the most gained first."""
    return [change for change in split.glosses if change.gain > 0]


def lost(split: SplitComparison) -> list[GlossChange]:
    """Glosses on which B makes more errors, the most lost first."""
    return [change for change in reversed(split.glosses) if change.gain < 0]


def _row(name: str, result: WerResult) -> list[str]:
    return [name, *cells(result), str(len(result.sentences))]


def _rate(result: WerResult) -> str:
    return cells(result, "-")[0]


def _points(a: WerResult, b: WerResult) -> str:
    return f"{b.wer - a.wer:+.2f}" if a.reference_length else "-"


def as_html(runs: Sequence[tuple[str, Report]], splits: Sequence[SplitComparison]) -> str:
    """The comparison as a page; a run is (where it lies, its report)."""
    return render(
        "compare.html.j2",
        runs=list(zip("AB", runs, strict=True)),
        splits=[_split_view(split) for split in splits],
        seeds=SEEDS,
        top=TOP_PAGE,
    )


def _split_view(split: SplitComparison) -> dict[str, Any]:
    signers = [(name, counts(a), counts(b), _points(a, b)) for name, a, b in split.signers()]
    return {
        "split": split,
        "p": p_text(split.difference.p),
        "signers": signers,
        "largest_rate": max(row["wer"] or 0.0 for _, a, b, _ in signers for row in (a, b)) or 1.0,
        "changes": (("B reads better", gained(split)), ("B reads worse", lost(split))),
        "sentences": [
            {
                "pair": pair,
                "columns": [(column, ()) for column in columns([pair.a.alignment, pair.b.alignment])],
                "search": search_text(pair.a.id, pair.a.signer, [pair.a.alignment, pair.b.alignment]),
            }
            for pair in split.sentences
        ],
    }


if __name__ == "__main__":
    main(parse_args())
