"""The arrays that the compiled prefix search works on; `evaluation.ctc.prefix_search` has the functions.

numba sees a change in the file of a compiled function, but not one in a file that the function calls into. So all the
compiled functions of the search stand in one file, and only what they take and give stands here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Trie(NamedTuple):
    """Prefixes as nodes; node 0 is the empty one. Each array is (nodes,)."""

    parent: np.ndarray
    token: np.ndarray  # the last one of the prefix, -1 for the empty prefix
    peak: np.ndarray  # the highest log-probability of that token so far ...
    step: np.ndarray  # ... and its step
    place: np.ndarray  # in the beam, -1 for a prefix that has left it
    added: np.ndarray  # what fusion adds to the log-probability of the prefix ...
    state: np.ndarray  # ... and the state of its language model after it


class Beam(NamedTuple):
    """Prefixes with log p of the paths that end in a blank and of those that end in the last token. Each (size,)."""

    node: np.ndarray  # -1 for a prefix that is not in the trie
    parent: np.ndarray
    token: np.ndarray
    blank: np.ndarray
    other: np.ndarray


class Found(NamedTuple):
    """What a search has found."""

    beam: Beam  # best first
    trie: Trie  # of the beam's nodes
    added: np.ndarray  # (size,) what fusion adds to each prefix of the beam, with the end of the sentence


class NgramTable(NamedTuple):
    """A language model as a trie of its n-grams, read from their first word on, with natural logarithms.

    Node 0 is the empty n-gram and node 1 + w the word w alone. The children of a node, which have one word more, are
    the nodes first[node] to first[node + 1] - 1, by word. A state is the node of the words of a prefix that still say
    something about its next word. `evaluation.ctc.ngram_table` builds it.
    """

    words: np.ndarray  # (V + 1,) the word of each class, then the one that ends a sentence; -1 for none
    ceiling: np.ndarray  # (V,) no state gives the class more than this, which is infinity for one without a word
    first: np.ndarray  # (nodes + 1,)
    word: np.ndarray  # (nodes,) the last word of each n-gram
    log_p: np.ndarray  # (nodes,) of that word after the others
    backoff: np.ndarray  # (nodes,) is added to log p of a word that is no child
    shorter: np.ndarray  # (nodes,) the n-gram without its first word
    state: np.ndarray  # (nodes,) the state after the n-gram: the node itself, or a shorter one if nothing follows it
    begin: int  # the state at the beginning of a sentence


class Fusion(NamedTuple):
    """What is added to the log-probability of a token sequence: for its words, and at its end.

    A token sequence scores log p (each blank being `blank_penalty` less probable, in logarithms) + lm_weight * log p of
    its words in the language model, with the end of the sentence, + insertion_bonus * the number of its words.
    """

    table: NgramTable
    lm_weight: float
    insertion_bonus: float
    blank_penalty: float
    merges_repeats: bool  # a token that equals the one before it is no word of its own
