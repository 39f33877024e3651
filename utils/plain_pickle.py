"""What a pickled file that is read here may name: plain values, and what numpy needs to write its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

NUMPY_FUNCTIONS = import_module("numpy._core.multiarray" if hasattr(np, "_core") else "numpy.core.multiarray")
"""The module in which the installed numpy keeps the functions that pickles call."""

PLAIN_NAMES: dict[str, Any] = {
    "collections.Counter": Counter,  # PyTorch's MultiStepLR keeps its milestones in one
    "numpy.ndarray": np.ndarray,
    "numpy.dtype": np.dtype,
    # A file names the module as the numpy that wrote it did: numpy 1 has the first name, numpy 2 the second.
    "numpy.core.multiarray._reconstruct": NUMPY_FUNCTIONS._reconstruct,
    "numpy._core.multiarray._reconstruct": NUMPY_FUNCTIONS._reconstruct,
    "numpy.core.multiarray.scalar": NUMPY_FUNCTIONS.scalar,
    "numpy._core.multiarray.scalar": NUMPY_FUNCTIONS.scalar,
}
"""Each name with what it means. Nothing here can run code of the file's choice.

Checkpoints (`utils.checkpoint`) and the files of earlier systems (`dataset.legacy`) are read with this list. What one
of them admits besides stands there, with the reason.
"""

DEEPEST, MOST_VALUES = 32, 1_000_000
"""Containers inside one another, and values in them all; what a real file holds is a fifth of both."""


def find_excess(content: Any) -> str:
    """Say what about nested containers is endless; nothing if all is well.

    A file of a few bytes can hold a container that stands twice in the next, and that twice in another one, and so on:
    whoever follows all of them never ends.
    """
    stack, values = [(content, 0)], 0
    while stack:
        value, depth = stack.pop()
        values += 1
        if values > MOST_VALUES:
            return f"its containers hold more than {MOST_VALUES:,} values"
        if depth > DEEPEST:
            return f"its containers lie more than {DEEPEST} deep inside one another"
        if isinstance(value, Mapping):
            stack += [(inner, depth + 1) for pair in value.items() for inner in pair]
        elif isinstance(value, (list, tuple, set, frozenset)):
            stack += [(inner, depth + 1) for inner in value]
        elif isinstance(value, np.ndarray) and value.dtype.hasobject:
            stack += [(inner, depth + 1) for inner in value.flat]
    return ""
