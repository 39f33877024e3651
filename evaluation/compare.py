"""Two evaluated runs side by side, or two groups of runs that differ in their seeds, with significance tests.

python -m evaluation.compare A B [--split NAME] [--html FILE]      A and B: run folders, or their report.json
python -m evaluation.compare --group old a0 a1 a2 --group new b0 b1 b2
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from evaluation.reporting.certainty import format_difference, format_p
from evaluation.reporting.differences import (
    GlossChange,
    SentencePair,
    SplitComparison,
    compare_groups,
    compare_reports,
)
from evaluation.reporting.group_text import format_group_comparison, render_group_comparison
from evaluation.reporting.page import collect_search_text, render_page, stack_alignments
from evaluation.reporting.read_report import FILE_NAME, Report, read_report
from evaluation.wer_result import RESULT_COLUMNS, WerResult, format_result_cells, result_to_dict
from utils.errors import InputError
from utils.files import real_path, write_text
from utils.output import run_command
from utils.table import format_table

TOP_TEXT, TOP_PAGE = 10, 20
"""Rows of a list of glosses or sentences, in the terminal and on the page."""
SEEDS = (
    "The test knows these sentences, not the seeds: a difference smaller than the spread between runs that differ in "
    "the seed alone is noise, however small p is."
)


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m evaluation.compare", description="Two evaluated runs, or two groups."
    )
    parser.add_argument("a", metavar="A", nargs="?", help="run folder or report.json")
    parser.add_argument("b", metavar="B", nargs="?", help="the run to compare with it")
    parser.add_argument(
        "--group",
        action="append",
        nargs="+",
        metavar=("NAME", "RUN"),
        help="twice, instead of A and B: a name, and runs that differ in their seeds, or the folder of engine.seeds",
    )
    parser.add_argument("--split", help="compare on this split alone (default: all splits that both have)")
    parser.add_argument("--html", metavar="FILE", help="write a page with every sentence of both")
    args = parser.parse_args(arguments)
    if args.group is None and args.b is None:
        parser.error("give two runs, or --group twice")
    if args.group is not None and (args.a is not None or len(args.group) != 2):
        parser.error("give two runs, or --group exactly twice")
    return args


def main(args: argparse.Namespace) -> None:
    """Print the comparison, and write its page. Exits with a message if the runs cannot be compared."""
    try:
        if args.group:
            _compare_groups(args)
            return
        runs = ((args.a, read_report(args.a)), (args.b, read_report(args.b)))
        splits = compare_reports(runs[0][1], runs[1][1], args.split)
        if args.html:
            write_text(args.html, render_comparison(runs, splits))
    except (InputError, OSError) as error:
        sys.exit(f"evaluation.compare: {error}")
    print(format_comparison(runs, splits))
    if args.html:
        print(f"\npage: {args.html}")


def _compare_groups(args: argparse.Namespace) -> None:
    groups = {name: list_runs(name, words) for name, *words in args.group}
    if len(groups) < 2:
        raise InputError(f"both groups are called {args.group[0][0]}: give them two names")
    seen: set[Path] = set()
    for place in chain.from_iterable(groups.values()):
        if real_path(place) in seen:
            raise InputError(f"{place} is named twice: a run belongs to one group, once")
        seen.add(real_path(place))
    a, b = ({place: read_report(place) for place in places} for places in groups.values())
    differences = compare_groups(a, b, args.split)
    if args.html:
        write_text(args.html, render_group_comparison(groups, differences))
    print(format_group_comparison(groups, differences))
    if args.html:
        print(f"\npage: {args.html}")


def list_runs(group: str, words: Sequence[str]) -> list[str]:
    """The runs that the words for a group name: runs, or folders of runs as `engine.seeds` writes them.

    Raises:
        InputError: there are fewer than two.
    """
    places: list[str] = []
    for word in words:
        inside = sorted(str(path.parent) for path in Path(word).glob(f"*/{FILE_NAME}"))
        places += inside if inside and not (Path(word) / FILE_NAME).is_file() else [word]
    if len(places) < 2:
        raise InputError(
            f"the group {group} has {len(places)} of at least two runs; give --group NAME RUN RUN ..., and compare two "
            "single runs without --group"
        )
    return places


def format_comparison(runs: Sequence[tuple[str, Report]], splits: Sequence[SplitComparison]) -> str:
    """The comparison as text for the terminal.

    Args:
        runs: (place, report) of run A and of run B.
        splits: the comparison of each split.
    """
    lines = []
    for letter, (place, report) in zip("AB", runs, strict=True):
        dataset = report.config.get("dataset", "dataset not recorded")
        lines.append(f"{letter}  {place}  ({dataset}, weights {report.weights or 'not recorded'})")
    for split in splits:
        lines += ["", *_format_split(split)]
    return "\n".join([*lines, "", SEEDS])


def _format_split(split: SplitComparison) -> list[str]:
    """The lines about a split."""
    lines = [
        format_table([split.name, *RESULT_COLUMNS, "sentences"], [_build_row("A", split.a), _build_row("B", split.b)])
    ]
    lines += [
        f"NOT SCORED IN THE SAME WAY, {line}: the rates cannot be compared as they are" for line in split.settings
    ]
    lines += [format_difference(split.difference), ""]
    signers = [
        [name, _format_rate(a), _format_rate(b), _format_points(a, b), str(a.reference_length)]
        for name, a, b in split.split_by_signer()
    ]
    lines += [format_table(["signer", "A", "B", "B - A", "glosses"], signers), ""]
    for title, changes in (("B reads better", list_gained(split)), ("B reads worse", list_lost(split))):
        glosses = [[c.gloss, str(c.errors_a), str(c.errors_b), str(c.signed)] for c in changes[:TOP_TEXT]]
        lines += [
            format_table([title, "errors A", "errors B", "signed"], glosses) if glosses else f"{title}: no gloss",
            "",
        ]
    differing = [pair for pair in split.sentences if pair.difference][:TOP_TEXT]
    if not differing:
        return [*lines, "sentences that differ most: none differs"]
    sentences = [[p.a.id, str(p.a.errors), str(p.b.errors), str(len(p.a.reference))] for p in differing]
    return [*lines, format_table(["sentences that differ most", "errors A", "errors B", "glosses"], sentences)]


def list_gained(split: SplitComparison) -> list[GlossChange]:
    """Glosses on which B makes fewer errors, the most gained first."""
    return [change for change in split.glosses if change.gain > 0]


def list_lost(split: SplitComparison) -> list[GlossChange]:
    """Glosses on which B makes more errors, the most lost first."""
    return [change for change in reversed(split.glosses) if change.gain < 0]


def _build_row(name: str, result: WerResult) -> list[str]:
    return [name, *format_result_cells(result), str(len(result.sentences))]


def _format_rate(result: WerResult) -> str:
    return format_result_cells(result, undefined="-")[0]


def _format_points(a: WerResult, b: WerResult) -> str:
    """The WER of B minus that of A; both have the same reference glosses, or none."""
    return f"{b.wer - a.wer:+.2f}" if a.reference_length else "-"


def render_comparison(runs: Sequence[tuple[str, Report]], splits: Sequence[SplitComparison]) -> str:
    """The comparison as a page, with every sentence of both runs.

    Args:
        runs: (place, report) of run A and of run B.
        splits: the comparison of each split.
    """
    return render_page(
        "compare.html.j2",
        runs=list(zip("AB", runs, strict=True)),
        splits=[_build_split_view(split) for split in splits],
        seeds=SEEDS,
        top=TOP_PAGE,
    )


def _build_split_view(split: SplitComparison) -> dict[str, Any]:
    """A split, with the other values that its part of the page needs."""
    signers = [
        (name, result_to_dict(a), result_to_dict(b), _format_points(a, b)) for name, a, b in split.split_by_signer()
    ]
    return {
        "split": split,
        "p": format_p(split.difference.p),
        "signers": signers,
        "largest_rate": max(row["wer"] or 0.0 for _, a, b, _ in signers for row in (a, b)) or 1.0,
        "changes": (("B reads better", list_gained(split)), ("B reads worse", list_lost(split))),
        "sentences": [_build_pair_view(pair) for pair in split.sentences],
    }


def _build_pair_view(pair: SentencePair) -> dict[str, Any]:
    """A sentence in both runs, with the other values that its part of the page needs."""
    alignments = [pair.a.alignment, pair.b.alignment]
    return {
        "pair": pair,
        "columns": [(column, ()) for column in stack_alignments(alignments)],  # () for no notes: no times here
        "search": collect_search_text(pair.a.id, pair.a.signer, alignments),
    }


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
