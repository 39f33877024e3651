"""Two groups of runs side by side, as text and as a page; `evaluation.compare --group` calls it."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation.reporting.groups import FEW_RUNS, Group, GroupDifference, describe_spread
from evaluation.reporting.page import format_interval, render_page
from utils.table import format_table

METHOD = (
    "The interval draws sentences and runs again (Multi-Bootstrap, Sellam et al. 2022): it covers other sentences of "
    "the same kind and other seeds. p is that of a permutation test over runs, so it is about the seeds alone."
)
FEW = f"With fewer than {FEW_RUNS} runs in a group the interval is too narrow."


def format_group_comparison(a: Group, b: Group, differences: Sequence[GroupDifference]) -> str:
    """The comparison as text for the terminal."""
    lines = [f"{group.name}  {', '.join(group.runs)}" for group in (a, b)]
    for difference in differences:
        rows = [
            [group.name, " ".join(f"{rate:.2f}" for rate in rates), *describe_spread(rates)]
            for group, rates in ((a, difference.rates_a), (b, difference.rates_b))
        ]
        lines += ["", format_table([difference.split, "WER of each run", "mean", "standard deviation"], rows)]
        lines += [f"NOT SCORED IN THE SAME WAY, {line}" for line in difference.settings]
        lines.append(describe_difference(a, b, difference))
    few = [FEW] if any(difference.few_runs for difference in differences) else []
    return "\n".join([*lines, "", METHOD, *few])


def describe_difference(a: Group, b: Group, difference: GroupDifference) -> str:
    """Group B against group A in a line."""
    ends = "not known (all draws give the same, or too few sentences have glosses)"
    if difference.interval:
        ends = format_interval(difference.interval, "{:+.2f}", "")
    counts = f"{len(difference.rates_a)} against {len(difference.rates_b)} runs"
    return (
        f"{b.name} - {a.name}: {difference.points:+.2f} points of WER, 95 % interval {ends}, p = {difference.p:.2g} "
        f"({counts} cannot give less than {difference.smallest_p:.1g})"
    )


def render_group_comparison(a: Group, b: Group, differences: Sequence[GroupDifference]) -> str:
    """The comparison as a page."""
    return render_page(
        "compare_groups.html.j2",
        groups=[a, b],
        splits=[
            {
                "difference": difference,
                "text": describe_difference(a, b, difference),
                "rows": [
                    (group.name, rates, *describe_spread(rates))
                    for group, rates in ((a, difference.rates_a), (b, difference.rates_b))
                ],
            }
            for difference in differences
        ],
        method=METHOD,
        few=FEW if any(difference.few_runs for difference in differences) else "",
    )
