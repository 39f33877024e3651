"""The loop of CTC prefix beam search, compiled: log-probabilities of one sequence to a beam of prefixes.

numba compiles it when it is first called and keeps the machine code on disk. In plain Python it takes more than ten
times as long (`python -m benchmarks.decode`), and C++ would need a compiler on every user's machine. `nogil` lets
several threads search the sequences of a batch at once.

Where `fusion` is None, numba leaves out what follows `if fusion is not None`: the machine code of the search without a
language model has no such branch.
"""

from __future__ import annotations

import numpy as np

from evaluation.ctc.search_arrays import Beam, Found, Fusion, NgramTable, Trie
from utils.compiled import compiled

ROUNDING = 1e-6  # more than what rounding changes in a score


@compiled
def search_prefixes(logs: np.ndarray, width: int, blank: int, top: int, fusion: Fusion | None) -> Found:
    """Search the most probable prefixes of one sequence, or with `fusion` those of the highest fused score.

    Args:
        logs: (T', V) log-probabilities.
        width: the number of prefixes kept after each step.
        blank: the class number of the blank.
        top: the number of classes that extend a prefix at each step, the most probable ones whatever is fused.
        fusion: what is added to the log-probabilities of prefixes; None if nothing is.

    Returns:
        the beam after all steps, and what belongs to it; the order does not go by the end of the sentence yet.
    """
    T = len(logs)
    # Compiled code cannot grow arrays cheaply, so there is room for the worst case: each step adds a whole beam.
    nodes = 1 + T * width
    parent, token, step, place = _fill_unset(nodes), _fill_unset(nodes), _fill_unset(nodes), _fill_unset(nodes)
    trie = Trie(parent, token, np.full(nodes, -np.inf), step, place, np.zeros(nodes), np.zeros(nodes, np.int64))
    trie.place[0] = 0
    if fusion is not None:
        trie.state[0] = fusion.table.begin
    used = 1
    alive = np.zeros(1, np.int64)  # nodes that are in the beam or begin a prefix that is
    beam = _make_beam(1)
    beam.node[0], beam.blank[0] = 0, 0.0  # the empty prefix, p = 1
    for t in range(T):
        row, classes = logs[t], _find_top_classes(logs[t], top)
        if fusion is not None:
            row = row.copy()
            row[blank] -= fusion.blank_penalty
        candidates = _extend_prefixes(beam, trie, alive, row, classes, blank, t)
        trie.place[beam.node] = -1  # all leave the beam; those that stay get their new places below
        beam = _pick_places(candidates, _rank_candidates(candidates, width, trie, fusion))
        born = used
        for i in range(len(beam.node)):
            if beam.node[i] < 0:
                beam.node[i] = used
                trie.parent[used], trie.token[used] = beam.parent[i], beam.token[i]
                trie.peak[used], trie.step[used] = logs[t, beam.token[i]], t
                if fusion is not None:
                    trie.added[used], trie.state[used] = _add_token(beam.parent[i], beam.token[i], trie, fusion)
                used += 1
            trie.place[beam.node[i]] = i
        alive = _keep_reachable(beam, trie, np.concatenate((alive, np.arange(born, used))))
    return Found(beam, trie, _add_ends(beam, trie, fusion))


@compiled
def score_token(table: NgramTable, state: int, token: int) -> tuple[float, int]:
    """Natural log p of the word of a class in a state, and the state after it; token -1 ends the sentence.

    The longest n-gram counts, after the backoff weights of longer contexts. No word has log p 0 and changes no state.
    """
    word = table.words[token]
    log_p = 0.0
    while word >= 0:
        low, high = table.first[state], table.first[state + 1]
        if state == 0:  # all words are there, in order
            low, high = low + word, low + word + 1
        while high - low > 1:
            middle = (low + high) // 2
            if table.word[middle] <= word:
                low = middle
            else:
                high = middle
        if low < high and table.word[low] == word:
            return log_p + table.log_p[low], table.state[low]
        log_p += table.backoff[state]
        state = table.shorter[state]
    return log_p, state


@compiled
def _add_token(parent: int, token: int, trie: Trie, fusion: Fusion) -> tuple[float, int]:
    """What fusion adds to a prefix that has one more token than the node `parent`, and the state after it."""
    if fusion.table.words[token] < 0 or (fusion.merges_repeats and token == trie.token[parent]):
        return trie.added[parent], trie.state[parent]
    log_p, state = score_token(fusion.table, trie.state[parent], token)
    return trie.added[parent] + (fusion.lm_weight * log_p + fusion.insertion_bonus), state


@compiled
def _add_ends(beam: Beam, trie: Trie, fusion: Fusion | None) -> np.ndarray:
    """What fusion adds to each prefix of the beam, (size,), with the end of the sentence."""
    added = np.zeros(len(beam.node))
    if fusion is not None:
        for i in range(len(added)):
            log_p, _ = score_token(fusion.table, trie.state[beam.node[i]], -1)
            added[i] = trie.added[beam.node[i]] + fusion.lm_weight * log_p
    return added


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
def _rank_candidates(candidates: Beam, width: int, trie: Trie, fusion: Fusion | None) -> np.ndarray:
    """The places of the `width` best candidates, the best first, equal ones by last token."""
    order = np.empty(min(width, len(candidates.node)), np.int64)
    score = np.empty(len(candidates.node))
    found = 0
    for j in range(len(score)):
        score[j] = _add_logs(candidates.blank[j], candidates.other[j])
        if fusion is not None and candidates.node[j] >= 0:
            score[j] += trie.added[candidates.node[j]]
        elif fusion is not None:
            # Most candidates are too improbable for any language model to help, and looking n-grams up is what takes
            # long. This stands here and in no function, since numba counts references of each array that one is given.
            parent, token = candidates.parent[j], candidates.token[j]
            most = fusion.lm_weight * fusion.table.ceiling[token] + fusion.insertion_bonus
            most += score[j] + trie.added[parent]
            is_repeat = token == trie.token[parent]  # it may be no word and cost nothing
            if found == len(order) and not is_repeat and most < score[order[found - 1]] - ROUNDING:
                continue
            score[j] += _add_token(parent, token, trie, fusion)[0]
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
