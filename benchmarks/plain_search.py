"""The beam search of `evaluation.ctc.prefix_search` in plain Python: slow, short, and the same in its results."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from heapq import nlargest

import numpy as np

Addition = Callable[[tuple[int, ...], bool], float]


def add_nothing(prefix: tuple[int, ...], ends: bool) -> float:  # noqa: ARG001
    """What the search without a language model adds to log p of a prefix."""
    return 0.0


def search_in_plain_python(
    rows: np.ndarray, width: int, top: int, add: Addition = add_nothing, penalty: float = 0.0
) -> list[tuple[int, ...]]:  # fmt: skip
    """The prefixes that CTC beam search keeps, best first, in plain Python.

    Args:
        rows: (T', V) probabilities; the blank is class 0.
        width: the number of prefixes kept after each step.
        top: the number of classes that extend a prefix at each step.
        add: what is added to log p of a prefix, without or with the end of the sentence.
        penalty: what is taken from the blank's log p.
    """

    def score(prefix: tuple[int, ...], p: Sequence[float], ends: bool) -> float:
        return (math.log(sum(p)) if sum(p) else -math.inf) + add(prefix, ends)

    # By prefix, p of the paths that end in a blank and of those that end in its last token.
    beam: dict[tuple[int, ...], tuple[float, float]] = {(): (1.0, 0.0)}
    for row in rows.astype(np.float64):
        after: dict[tuple[int, ...], list[float]] = defaultdict(lambda: [0.0, 0.0])
        classes = [(c, row[c].item()) for c in np.argsort(-row, kind="stable")[:top].tolist()]
        for prefix, (in_blank, in_token) in beam.items():
            last, total = prefix[-1:], in_blank + in_token
            for c, p in classes:
                if c == 0:
                    after[prefix][0] += p * total * math.exp(-penalty)
                elif last == (c,):
                    after[prefix][1] += p * in_token
                    after[(*prefix, c)][1] += p * in_blank
                else:
                    after[(*prefix, c)][1] += p * total
        best = nlargest(width, after, key=lambda prefix: score(prefix, after[prefix], ends=False))
        scale = sum(after[best[0]])  # plain probabilities of long sequences would underflow
        beam = {prefix: (after[prefix][0] / scale, after[prefix][1] / scale) for prefix in best}
    return sorted(beam, key=lambda prefix: -score(prefix, beam[prefix], ends=True))
