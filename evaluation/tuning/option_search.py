"""The search for the options of the beam search that make the fewest errors.

Errors on a few hundred sentences are a function with steps: equal on wide plains, with edges that a slope leads across.
What libraries have (scipy's `brute`, `direct`, `differential_evolution`) follows one number and samples few bounds, and
here the bound, zero, is where an option is off, and the first choice among equal ones. So the values of a coarse grid
are tried, then the neighbours of the best one, whole steps away, half steps and quarters (a pattern search: Hooke and
Jeeves, "Direct search solution of numerical and statistical problems", 1961).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product
from typing import Any, NamedTuple

from utils.progress import show_progress


class SearchOptions(NamedTuple):
    """The options that are searched, by their keys in the configuration."""

    lm_weight: float = 0.0
    insertion_bonus: float = 0.0
    blank_penalty: float = 0.0
    beam_width: int = 10


class Axis(NamedTuple):
    """The values that an option may have: those of the grid, the distance between them, and the ends of the search."""

    grid: tuple[float, ...]
    step: float
    least: float
    most: float


AXES = {
    "lm_weight": Axis((0.0, 0.25, 0.5, 0.75, 1.0), 0.25, 0.0, 3.0),
    "insertion_bonus": Axis((-1.0, 0.0, 1.0, 2.0, 3.0), 1.0, -6.0, 8.0),
    "blank_penalty": Axis((0.0, 1.0, 2.0, 3.0), 1.0, 0.0, 8.0),
}
"""In natural logarithms: a penalty of 2.3 makes the blank a tenth as probable."""
FRACTIONS = (1.0, 0.5, 0.25)
"""Of a step, by which neighbours are looked for."""
BEAMS = (5, 10, 20, 40)


class Trials:
    """What was tried, and how many errors it made.

    Args:
        count_errors: the errors on dev with some options.
    """

    def __init__(self, count_errors: Callable[[SearchOptions], int]) -> None:
        self.count_errors = count_errors
        self.errors: dict[SearchOptions, int] = {}

    @property
    def best(self) -> SearchOptions:
        """The options with the fewest errors; of equal ones those that do the least."""
        return min(self.errors, key=lambda options: (self.errors[options], *rank_effort(options)))

    def try_all(self, candidates: Iterable[SearchOptions], title: str) -> None:
        """Try the candidates that were not tried before, and show how many are done."""
        new = [options for options in dict.fromkeys(candidates) if options not in self.errors]
        for options in show_progress(new, len(new), title, "try", describe=self._describe):
            self.errors[options] = self.count_errors(options)

    def _describe(self) -> str:
        return f"fewest errors {min(self.errors.values())}"


def rank_effort(options: SearchOptions) -> tuple[float, ...]:
    """How much options do, the least first: the number of those that are on, their size, and the beam."""
    values = {name: getattr(options, name) for name in AXES}
    on = sum(value != 0 for value in values.values())
    size = sum(abs(value) / AXES[name].step for name, value in values.items())
    return on, size, options.beam_width, *values.values()


def search_options(count_errors: Callable[[SearchOptions], int], beam_width: int, has_lm: bool) -> Trials:
    """Search the best options.

    Args:
        count_errors: the errors on dev with some options; called in one thread.
        beam_width: the beam that the search begins with.
        has_lm: whether there is a language model, whose weight is searched too.

    Returns:
        all that was tried, its best among it.
    """
    trials = Trials(count_errors)
    axes = {name: axis for name, axis in AXES.items() if has_lm or name != "lm_weight"}
    off = SearchOptions(beam_width=beam_width)
    grid = product(*(axis.grid for axis in axes.values()))
    trials.try_all((change_values(off, axes, values) for values in grid), "coarse values")
    for fraction in FRACTIONS:
        refine(trials, axes, fraction)
    trials.try_all((trials.best._replace(beam_width=width) for width in BEAMS), "beams")
    if trials.best.beam_width != beam_width:
        refine(trials, axes, FRACTIONS[-1])
    trials.try_all(list_simpler(trials.best), "without each option")
    return trials


def refine(trials: Trials, axes: dict[str, Axis], fraction: float) -> None:
    """Go from the best options to the best of their neighbours until none is better.

    Args:
        trials: what was tried until now.
        axes: the options to be changed.
        fraction: how far the neighbours are, as a part of each option's step.
    """
    before = None
    while before != trials.best:
        before = trials.best
        trials.try_all(list_neighbours(before, axes, fraction), f"values near the best, {fraction:g} of a step")


def list_neighbours(options: SearchOptions, axes: dict[str, Axis], fraction: float) -> Iterable[SearchOptions]:
    """All options that differ by that fraction of a step in one or more of the axes, within their ends."""
    choices = [
        [value for way in (-1, 0, 1) if axis.least <= (value := getattr(options, name) + way * fraction * axis.step)
         <= axis.most]
        for name, axis in axes.items()
    ]  # fmt: skip
    return (change_values(options, axes, values) for values in product(*choices))


def list_simpler(options: SearchOptions) -> Iterable[SearchOptions]:
    """The options with any of those that are on switched off: what gains nothing is to stay off."""
    choices = product(*({getattr(options, name), 0.0} for name in AXES))
    return (change_values(options, AXES, values) for values in choices)


def change_values(options: SearchOptions, names: Iterable[str], values: Iterable[float]) -> SearchOptions:
    """The options with other values of those that are named."""
    changes: dict[str, Any] = dict(zip(names, values, strict=True))
    return options._replace(**changes)
