"""Charts as SVG text to stand inside a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evaluation.reporting.page import DASH

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be searched, and takes the font of the page
    "svg.hashsalt": "mstfnet",  # else ids inside the picture are random, and equal runs give unequal pages
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8a8f98",
    "axes.labelcolor": "#4a4f57",
    "xtick.color": "#4a4f57",
    "ytick.color": "#4a4f57",
    "axes.axisbelow": True,
    "grid.color": "#e4e6ea",
}
MAIN, SIDE, TEXT = "#1f5fa8", "#9aa3ae", "#22262b"
"""The colours of what counts most, of what stands beside it, and of text; as in the templates."""


def draw_learning_curve(history: Sequence[Mapping[str, Any]]) -> str:
    """Draw the training loss, and below it the WER of both heads on dev, by epoch.

    Args:
        history: the epochs of the report, at least one.

    Returns:
        the picture as an `<svg>` element.
    """
    evaluated = [record for record in history if record["wer"] is not None]
    # A figure of its own and not pyplot, which keeps figures and looks for a display.
    with rc_context(STYLE):
        figure = Figure(figsize=(7.6, 4.4 if evaluated else 2.4), layout="constrained")
        panels = figure.subplots(2 if evaluated else 1, sharex=True, squeeze=False)[:, 0]
        _draw_line(panels[0], history, "loss", MAIN, "")
        panels[0].set_ylabel("training loss")
        if evaluated:
            _draw_line(panels[1], history, "conv_wer", SIDE, "conv head")
            _draw_line(panels[1], history, "wer", MAIN, "sequence head")
            _mark_lowest(panels[1], evaluated)
            panels[1].set_ylabel("WER on dev, %")
            rates = [record[key] for record in evaluated for key in ("wer", "conv_wer") if record[key] is not None]
            panels[1].set_ylim(0, 1.08 * max(*rates, 1.0))  # from 0: else a small gain looks like a large one
            panels[1].legend(frameon=False, loc="best")
        panels[-1].set_xlabel("epoch")
        panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        return _to_svg(figure)


def _draw_line(axes: Axes, records: Sequence[Mapping[str, Any]], key: str, colour: str, label: str) -> None:
    points = [(record["epoch"], record[key]) for record in records if record[key] is not None]
    axes.plot(*zip(*points, strict=True), color=colour, label=label, linewidth=1.6, marker="o", markersize=3)
    axes.grid(axis="y")


def _mark_lowest(axes: Axes, evaluated: Sequence[Mapping[str, Any]]) -> None:
    lowest = min(evaluated, key=lambda record: record["wer"])
    label = f"lowest: {lowest['wer']:.2f} % in epoch {lowest['epoch']}"
    axes.plot(
        lowest["epoch"],
        lowest["wer"],
        color=MAIN,
        marker="o",
        markersize=8,
        fillstyle="none",
        linestyle="none",
        label=label,
    )


def draw_length_chart(lengths: Sequence[Mapping[str, Any]]) -> str:
    """Draw the WER by sentence length, a bar for each bin.

    Args:
        lengths: the bins of a split of the report.

    Returns:
        the picture as an `<svg>` element.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(5.4, 2.9), layout="constrained")
        axes = figure.subplots()
        names = [format_range(row) for row in lengths]
        bars = axes.bar(names, [row["wer"] or 0.0 for row in lengths], color=MAIN, width=0.62)
        axes.bar_label(
            bars, [DASH if row["wer"] is None else f"{row['wer']:.1f}" for row in lengths], padding=2, color=TEXT
        )
        axes.set_xlabel("glosses in the sentence")
        axes.set_ylabel("WER, %")
        axes.grid(axis="y")
        axes.margins(y=0.12)
        return _to_svg(figure)


def format_range(row: Mapping[str, Any]) -> str:
    """The lengths of a bin as text."""
    return str(row["from"]) if row["from"] == row["to"] else f"{row['from']}{DASH}{row['to']}"


def _to_svg(figure: Figure) -> str:
    """The figure as an `<svg>` element that a page can hold."""
    buffer = StringIO()
    # Without matplotlib's metadata: a date would make equal runs unequal, and its links lead out of the page.
    metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=metadata, transparent=True)
    text = buffer.getvalue()
    return text[text.index("<svg") :]  # without the XML prologue, which is no HTML
