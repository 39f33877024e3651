"""How this process gets its memory."""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX, M_ARENA_MAX = -1, -2, -4, -8  # of glibc's <malloc.h>
LARGEST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let the allocator reuse large blocks instead of handing them back to the system after every layer.

    On the CPU every tensor of some megabytes is otherwise mapped, cleared page by page and unmapped again, each
    step anew; `python -m benchmarks.allocator` measures what that costs. Memory stays at its peak until the end of
    the process.

    Returns:
        whether this is glibc, which can be told so.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    settings = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, LARGEST), (M_TOP_PAD, 64 * 2**20), (M_ARENA_MAX, 1))
    return all(mallopt(option, value) == 1 for option, value in settings)
