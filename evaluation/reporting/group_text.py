"""Two groups of runs side by side, as text and as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean, stdev

from evaluation.reporting.group_statistics import FEW_RUNS, GroupDifference
from evaluation.reporting.page import format_interval, render_page
from utils.table import format_table

Groups = Mapping[str, Sequence[str]]
"""The places of the runs of groups A and B, by the names of the groups."""
METHOD = (
    "The interval draws sentences and runs again (Multi-Bootstrap, Sellam et al. 2022): it covers other sentences of "
    "the same kind and other seeds. p is that of a permutation test over runs, so it is about the seeds alone."
)
FEW = f"With fewer than {FEW_RUNS} runs in a group the interval is too narrow."


def format_group_comparison(groups: Groups, differences: Sequence[GroupDifference]) -> str:
    """The comparison as text for the terminal."""
    lines = [f"{name}  {', '.join(places)}" for name, places in groups.items()]
    for difference in differences:
        rows = [
            [name, " ".join(f"{rate:.2f}" for rate in rates), *describe_spread(rates)]
            for name, rates in zip(groups, (difference.rates_a, difference.rates_b), strict=True)
        ]
        lines += ["", format_table([difference.split, "WER of each run", "mean", "standard deviation"], rows)]
        lines += [f"NOT SCORED IN THE SAME WAY, {line}" for line in difference.settings]
        lines.append(describe_difference(groups, difference))
    few = [FEW] if any(difference.few_runs for difference in differences) else []
    return "\n".join([*lines, "", METHOD, *few])


def describe_difference(groups: Groups, difference: GroupDifference) -> str:
    """Group B against group A in a line."""
    ends = "not known (all draws give the same, or too few sentences have glosses)"
    if difference.interval:
        ends = format_interval(difference.interval, "{:+.2f}", "")
    a, b = groups
    counts = f"{len(difference.rates_a)} against {len(difference.rates_b)} runs"
    return (
        f"{b} - {a}: {difference.points:+.2f} points of WER, 95 % interval {ends}, p = {difference.p:.2g} "
        f"({counts} cannot give less than {difference.smallest_p:.1g})"
    )


def render_group_comparison(groups: Groups, differences: Sequence[GroupDifference]) -> str:
    """The comparison as a page."""
    return render_page(
        "compare_groups.html.j2",
        groups=groups,
        splits=[
            {
                "difference": difference,
                "text": describe_difference(groups, difference),
                "rows": [
                    (name, rates, *describe_spread(rates))
                    for name, rates in zip(groups, (difference.rates_a, difference.rates_b), strict=True)
                ],
            }
            for difference in differences
        ],
        method=METHOD,
        few=FEW if any(difference.few_runs for difference in differences) else "",
    )


def describe_spread(rates: Sequence[float]) -> tuple[str, str]:
    """Mean and standard deviation (of a sample) of the runs' WER."""
    return f"{mean(rates):.2f}", f"{stdev(rates):.2f}"
