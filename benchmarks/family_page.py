"""The page of `benchmarks.family`: word errors with intervals and tests, and costs, as values and as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks.family_runs import REFERENCE, VARIANTS, Run
from benchmarks.scores import format_interval, format_markdown, format_p, score_sentences
from evaluation.reporting.differences import compare_groups, compare_split
from evaluation.reporting.read_report import Report, read_report
from utils.errors import InputError
from utils.plain_json import read_json
from utils.text import plural

Reports = Mapping[str, Sequence[Report]]
"""The reports of each variant by its name, one a seed; all variants have the same seeds."""
COST_COLUMNS = (
    "", "weights, M", "in recognition, M", "ms a step", "of MSTFNet's", "MiB a step", "ms a frame", "of MSTFNet's",
    "MiB in recognition",
)  # fmt: skip


def choose_runs(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """The runs that can be compared: variants whose first seed is done, and seeds that all of these have done.

    Raises:
        InputError: none is done.
    """
    first = runs[0].seed
    names = [run.variant.name for run in runs if run.seed == first and run.is_done]
    if not names:
        raise InputError(f"no training with seed {first} is done, so there is nothing to compare: begin with train")
    missing = {run.seed for run in runs if run.variant.name in names and not run.is_done}
    return {name: [run for run in runs if run.variant.name == name and run.seed not in missing] for name in names}


def read_scores(chosen: Mapping[str, Sequence[Run]]) -> dict[str, dict[str, Any]]:
    """Everything that the page says of word errors, as plain values.

    Returns:
        by variant: `seeds`, `commits`, `best_epochs`, and `splits`, by split the values of `score_sentences` and, under
        `against_reference`, those of `compare_with_reference`.
    """
    reports = {name: [read_report(run.folder) for run in runs] for name, runs in chosen.items()}
    scores: dict[str, dict[str, Any]] = {}
    for name, runs in chosen.items():
        splits = {}
        for split in reports[name][0].splits:
            splits[split] = score_sentences([report.splits[split].counts for report in reports[name]])
            if name != REFERENCE and REFERENCE in reports:
                splits[split]["against_reference"] = compare_with_reference(reports, name, split)
        scores[name] = {
            "seeds": [run.seed for run in runs],
            "commits": sorted({read_commit(run.folder) for run in runs}),
            "best_epochs": [find_best_epoch(run.folder) for run in runs],
            "splits": splits,
        }
    return scores


def read_commit(folder: Path) -> str:
    """The commit of the program that ended a run; "unknown" outside a git clone."""
    return str(read_json(folder / "run.json")["starts"][-1]["commit"] or "unknown")


def find_best_epoch(folder: Path) -> int:
    """The epoch whose network was kept: the first of those with the lowest dev WER."""
    history = [epoch for epoch in read_json(folder / "report.json")["history"] if epoch.get("wer") is not None]
    return int(min(history, key=lambda epoch: epoch["wer"])["epoch"])


def compare_with_reference(reports: Reports, name: str, split: str) -> dict[str, Any]:
    """A variant against MSTFNet on a split: `points` of WER (above zero it is worse), their 95 % `interval`, and `p`.

    Of one seed it is the paired test over sentences, which knows nothing of seeds; of several, the interval covers
    sentences and seeds, and p is that of the seeds.
    """
    before, after = reports[REFERENCE], reports[name]
    if len(before) == 1:
        paired = compare_split(split, before[0].splits[split], after[0].splits[split]).difference
        return {"points": paired.points, "interval": paired.interval, "p": paired.p}
    of_a, of_b = (
        {f"{label} {number}": report for number, report in enumerate(group)}
        for label, group in ((REFERENCE, before), (name, after))
    )
    (groups,) = compare_groups(of_a, of_b, split)
    return {"points": groups.points, "interval": groups.interval, "p": groups.p}


def format_page(
    scores: Mapping[str, Mapping[str, Any]], costs: Mapping[str, Any], settings: Mapping[str, Any]
) -> str:  # fmt: skip
    """The page in Markdown.

    Args:
        scores: what `read_scores` gives.
        costs: the content of the costs' file; empty if they were not measured.
        settings: the comparison's settings.
    """
    first = next(iter(scores.values()))
    train, dev, test = settings["sentences"]
    lines = [
        f"{settings['glosses']} glosses, {train} sentences to train on, {dev} in dev, {test} in test; "
        f"{plural(settings['epochs'], 'epoch')}, seeds {', '.join(map(str, first['seeds']))}; trained at commit "
        f"{', '.join(sorted({commit[:7] for score in scores.values() for commit in score['commits']}))}."
    ]
    for split in reversed(first["splits"]):
        lines += ["", format_split(split, scores)]
    for size in costs.get("sizes", {}).values():
        lines += ["", describe_measurement(size), "", format_costs(size["variants"])]
    return "\n".join(lines) + "\n"


def describe_measurement(size: Mapping[str, Any]) -> str:
    """What costs were measured at and on, as a sentence."""
    machine = size["machine"]
    return (
        f"Costs {size['title']}: a step has {plural(size['batch'], 'clip')} of {size['frames']} frames, recognition "
        f"one; medians of {machine['repeats']}, {machine['device']} ({machine['capability']}), "
        f"{plural(machine['threads'], 'thread')}, PyTorch {machine['torch']}."
    )


def format_split(split: str, scores: Mapping[str, Mapping[str, Any]]) -> str:
    """The table of a split's word errors."""
    has_unseen = any(score["splits"][split]["unseen_signer"] is not None for score in scores.values())
    header = [split, "WER", "95 % interval", "deleted", "inserted", *["unseen signer"] * has_unseen, "- MSTFNet",
              "95 % interval", "p", "best epoch"]  # fmt: skip
    rates = ["wer", "deletions", "insertions", *["unseen_signer"] * has_unseen]
    rows = []
    for name, score in scores.items():
        found = score["splits"][split]
        against = found.get("against_reference")
        spread = f" ± {stdev(found['rates']):.1f}" if len(found["rates"]) > 1 else ""
        compared = ["", "", ""]
        if against:
            interval = format_interval(against["interval"], "{:+.1f}")
            compared = [f"{against['points']:+.1f}", interval, format_p(against["p"])]
        wer, *others = (f"{found[rate]:.1f} %" for rate in rates)
        interval = format_interval(found["interval"], "{:.1f}")
        best = f"{mean(score['best_epochs']):.0f}"
        rows.append([VARIANTS[name].title, wer + spread, interval, *others, *compared, best])
    return format_markdown(header, rows)


def format_costs(costs: Mapping[str, Mapping[str, float]]) -> str:
    """The table of a size's costs."""
    rows = []
    for name, cost in costs.items():
        row = [VARIANTS[name].title, *(f"{cost[key] / 1e6:.2f}" for key in ("weights", "weights_in_recognition"))]
        for kind in ("step", "recognition"):
            seconds = cost[f"{kind}_seconds"]
            ratio = f"{seconds / costs[REFERENCE][f'{kind}_seconds']:.2f}" if REFERENCE in costs else ""
            row += [f"{1e3 * seconds:.{0 if kind == 'step' else 2}f}", ratio, f"{cost[f'{kind}_mib']:.0f}"]
        rows.append(row)
    return format_markdown(COST_COLUMNS, rows)
