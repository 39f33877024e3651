"""Telling want of memory from other errors."""

from __future__ import annotations

import re

SAID = re.compile(
    r"out of memory|alloc\w* (\w+ )?memory|bad[ _]alloc|alloc_failed|(insufficient|not enough) memory", re.IGNORECASE
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: of numpy, PyTorch (any device), OpenCV or onnxruntime.

    Only numpy has a type of its own for it everywhere; the others are told by what they say.
    """
    return isinstance(error, MemoryError) or bool(SAID.search(str(error)))
