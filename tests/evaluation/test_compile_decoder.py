import time

import numpy as np
import pytest

from evaluation.compile_decoder import compile_decoder
from evaluation.ctc import confidence, forced_alignment, prefix_search
from evaluation.ctc.forced_alignment import force_align
from evaluation.decode import BeamDecoder
from utils import patience


@pytest.mark.parametrize(("seconds", "lines"), [(0.3, 1), (0.0, 0)])
def test_says_one_line_where_it_takes_long(monkeypatch, seconds, lines):
    def decode(posteriors, lengths):
        time.sleep(seconds)
        return []

    force_align(np.full((4, 3), 1 / 3, np.float32), (1, 2))  # compiled beforehand
    monkeypatch.setattr(patience, "SECONDS", 0.1)
    said = []
    compile_decoder(decode, said.append)
    time.sleep(0.2)
    assert len(said) == lines
    assert all("compiling the decoder" in line for line in said)


def test_says_nothing_once_it_has_failed(monkeypatch):
    monkeypatch.setattr(patience, "SECONDS", 0.1)
    said = []
    with pytest.raises(ZeroDivisionError):
        compile_decoder(lambda posteriors, lengths: [1 // 0], said.append)
    time.sleep(0.2)
    assert said == []


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
