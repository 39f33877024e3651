import threading

import numpy as np
import pytest

from evaluation.compile_decoder import compile_decoder
from evaluation.ctc import confidence, forced_alignment, prefix_search
from evaluation.ctc.forced_alignment import force_align
from evaluation.decode import BeamDecoder
from utils import patience


@pytest.mark.parametrize(("seconds", "lines"), [(0.1, 1), (600, 0)])
def test_says_one_line_where_it_takes_long(monkeypatch, seconds, lines):
    said, shown = [], threading.Event()

    def decode(posteriors, lengths):
        assert shown.wait(60)
        return []

    def show(line: str) -> None:
        said.append(line)
        shown.set()

    if not lines:
        shown.set()
    monkeypatch.setattr(patience, "SECONDS", seconds)
    compile_decoder(decode, show)
    assert len(said) == lines
    assert all("compiling the decoder" in line for line in said)


def test_nothing_is_compiled_afterwards():
    """Neither for one clip, nor for one step, nor for a batch whose steps lie first in memory."""
    functions = [
        function
        for part in (prefix_search, confidence, forced_alignment)
        for function in vars(part).values()
        if hasattr(function, "signatures")
    ]
    compile_decoder(BeamDecoder(10), print)
    before = [set(function.signatures) for function in functions]
    rng = np.random.default_rng(0)
    for clips, steps in ((2, 9), (1, 7), (3, 1), (1, 1)):
        posteriors = rng.dirichlet(np.full(20, 0.1), (steps, clips)).astype(np.float32).transpose(1, 0, 2)
        posteriors /= posteriors.sum(-1, keepdims=True)
        for best, own in zip(BeamDecoder(10)(posteriors, np.full(clips, steps)), posteriors, strict=True):
            force_align(own, best[0].tokens)
    assert [set(function.signatures) for function in functions] == before
