"""The loop of CTC prefix beam search, compiled: log-probabilities of one sequence to a beam of prefixes.

numba compiles it when it is first called and keeps the machine code on disk. In plain Python it takes more than ten
times as long (`python -m benchmarks.decode`), and C++ would need a compiler on every user's machine. `nogil` lets
several threads search the sequences of a batch at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from utils.compiled import compiled


class Trie(NamedTuple):
    """Prefixes as nodes; node 0 is the empty one. Each array is (nodes,)."""

    parent: np.ndarray
    token: np.ndarray  # the last one of the prefix, -1 for the empty prefix
    peak: np.ndarray  # the highest log-probability of that token so far ...
    step: np.ndarray  # ... and its step
    place: np.ndarray  # in the beam, -1 for a prefix that has left it


class Beam(NamedTuple):
    """Prefixes with log p of the paths that end in a blank and of those that end in the last token. Each (size,)."""

    node: np.ndarray  # -1 for a prefix that is not in the trie
    parent: np.ndarray
    token: np.ndarray
    blank: np.ndarray
    other: np.ndarray


@compiled
def search_prefixes(logs: np.ndarray, width: int, blank: int, top: int) -> tuple[Beam, Trie]:
    """Search the most probable prefixes of one sequence.

    Args:
        logs: (T', V) log-probabilities.
        width: the number of prefixes kept after each step.
        blank: the class number of the blank.
        top: the number of classes that extend a prefix at each step.

    Returns:
        the beam after all steps, best first, and the trie that its nodes belong to.
    """
    T = len(logs)
    # Compiled code cannot grow arrays cheaply, so there is room for the worst case: each step adds a whole beam.
    nodes = 1 + T * width
    trie = Trie(_fill_unset(nodes), _fill_unset(nodes), np.full(nodes, -np.inf), _fill_unset(nodes), _fill_unset(nodes))
    trie.place[0] = 0
    used = 1
    alive = np.zeros(1, np.int64)  # nodes that are in the beam or begin a prefix that is
    beam = _make_beam(1)
    beam.node[0], beam.blank[0] = 0, 0.0  # the empty prefix, p = 1
    for t in range(T):
        classes = _find_top_classes(logs[t], top)
        candidates = _extend_prefixes(beam, trie, alive, logs[t], classes, blank, t)
        trie.place[beam.node] = -1  # all leave the beam; those that stay get their new places below
        beam = _pick_places(candidates, _rank_candidates(candidates, width))
        born = used
        for i in range(len(beam.node)):
            if beam.node[i] < 0:
                beam.node[i] = used
                trie.parent[used], trie.token[used] = beam.parent[i], beam.token[i]
                trie.peak[used], trie.step[used] = logs[t, beam.token[i]], t
                used += 1
            trie.place[beam.node[i]] = i
        alive = _keep_reachable(beam, trie, np.concatenate((alive, np.arange(born, used))))
    return beam, trie


@compiled
def _fill_unset(size: int) -> np.ndarray:
    """-1, which stands for no node, no token and no place, in (size,)."""
    return np.full(size, -1)


@compiled
def _make_beam(size: int) -> Beam:
    """A beam of `size` places without a prefix, p = 0 each."""
    return Beam(_fill_unset(size), _fill_unset(size), _fill_unset(size), np.full(size, -np.inf), np.full(size, -np.inf))


@compiled
def _pick_places(beam: Beam, order: np.ndarray) -> Beam:
    """The prefixes in the places `order`, in that order."""
    return Beam(beam.node[order], beam.parent[order], beam.token[order], beam.blank[order], beam.other[order])


@compiled
def _add_logs(a: float, b: float) -> float:
    """log(exp a + exp b), also where either is log 0."""
    # The case apart, because the difference of two -inf is NaN.
    high, low = max(a, b), min(a, b)
    return high if low == -np.inf else high + np.log1p(np.exp(low - high))


@compiled
def _find_top_classes(row: np.ndarray, top: int) -> np.ndarray:
    """The classes with the `top` highest values of (V,), the highest first, equal ones by number."""
    # Insertion into a short sorted list: np.argsort would sort all V classes at each step, and equal ones in any order.
    best = np.empty(min(top, len(row)), np.int64)
    found = 0
    for c in range(len(row)):
        if found == len(best) and row[c] <= row[best[found - 1]]:
            continue
        found = min(found + 1, len(best))
        k = found - 1
        while k > 0 and row[best[k - 1]] < row[c]:
            best[k] = best[k - 1]
            k -= 1
        best[k] = c
    return best


@compiled
def _extend_prefixes(
    beam: Beam, trie: Trie, alive: np.ndarray, row: np.ndarray, classes: np.ndarray, blank: int, t: int
) -> Beam:
    """The prefixes after one more step (V,): those of the beam in their places, then those with one more token."""
    size = len(beam.node)
    known = np.full((size, len(row)), -1)  # node of each prefix of the beam with one more token
    for n in alive[1:]:
        if trie.place[trie.parent[n]] >= 0:
            known[trie.place[trie.parent[n]], trie.token[n]] = n
    after = _make_beam(size * (1 + len(classes)))
    after.node[:size], after.parent[:size], after.token[:size] = beam.node, beam.parent, beam.token
    count = size
    for i in range(size):
        total = _add_logs(beam.blank[i], beam.other[i])
        for c in classes:
            if c == blank:
                after.blank[i] = total + row[c]
                continue
            start = total
            # The same token twice needs a blank between; without one, CTC reads it as one token held for longer.
            if c == beam.token[i]:
                after.other[i] = _add_logs(after.other[i], beam.other[i] + row[c])
                start = beam.blank[i]
            n = known[i, c]
            # `>`, so that of equal steps the first is kept, as ctcdecode does.
            if n >= 0 and row[c] > trie.peak[n]:
                trie.peak[n], trie.step[n] = row[c], t
            if n >= 0 and trie.place[n] >= 0:
                j = trie.place[n]
            else:
                j = count
                count += 1
                after.node[j], after.parent[j], after.token[j] = n, beam.node[i], c
            after.other[j] = _add_logs(after.other[j], start + row[c])
    return _pick_places(after, np.arange(count))


@compiled
def _rank_candidates(candidates: Beam, width: int) -> np.ndarray:
    """The places of the `width` most probable candidates, the best first, equal ones by last token."""
    order = np.empty(min(width, len(candidates.node)), np.int64)
    score = np.empty(len(candidates.node))
    found = 0
    for j in range(len(score)):
        score[j] = _add_logs(candidates.blank[j], candidates.other[j])
        k = found
        while k > 0 and (
            score[order[k - 1]] < score[j]
            or (score[order[k - 1]] == score[j] and candidates.token[order[k - 1]] > candidates.token[j])
        ):
            if k < len(order):
                order[k] = order[k - 1]
            k -= 1
        if k < len(order):
            order[k] = j
            found = min(found + 1, len(order))
    return order


@compiled
def _keep_reachable(beam: Beam, trie: Trie, nodes: np.ndarray) -> np.ndarray:
    """Those of `nodes` (ascending) that are a prefix of the beam or begin one; the others are forgotten.

    ctcdecode deletes the same nodes: a prefix that comes back later starts its record of steps anew.
    """
    kept = np.zeros(nodes[-1] + 1, np.bool_)
    kept[0] = True
    for leaf in beam.node:
        n = leaf
        while not kept[n]:
            kept[n] = True
            n = trie.parent[n]
    return nodes[kept[nodes]]
