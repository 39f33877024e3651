"""What all tests of the benchmarks need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def same_threads() -> Iterator[None]:
    """A benchmark sets PyTorch's threads for its whole process: the tests after it need theirs back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)
