import threading

import numpy as np
import pytest

from dataset.vocabulary import Vocabulary
from evaluation.compile_decoder import compile_decoder
from evaluation.ctc import confidence, forced_alignment, prefix_search
from evaluation.ctc.forced_alignment import force_align
from evaluation.ctc.ngram_table import build_table
from evaluation.ctc.search_arrays import Fusion
from evaluation.decode import BeamDecoder
from evaluation.language_model.ngram_model import NgramModel
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


@pytest.mark.parametrize("fused", [False, True])
def test_nothing_is_compiled_afterwards(fused):
    """Neither for one clip, nor for one step, nor for a batch whose steps lie first in memory."""
    vocabulary = Vocabulary([f"G{number}" for number in range(19)])
    fusion = Fusion(build_table(NgramModel(1, ({},)), vocabulary, "none"), 0.0, 0.5, 0.25, True) if fused else None
    decoder = BeamDecoder(10, fusion=fusion)
    functions = [
        function
        for part in (prefix_search, confidence, forced_alignment)
        for function in vars(part).values()
        if hasattr(function, "signatures")
    ]
    compile_decoder(decoder, print)
    before = [set(function.signatures) for function in functions]
    rng = np.random.default_rng(0)
    for clips, steps in ((2, 9), (1, 7), (3, 1), (1, 1)):
        posteriors = rng.dirichlet(np.full(20, 0.1), (steps, clips)).astype(np.float32).transpose(1, 0, 2)
        posteriors /= posteriors.sum(-1, keepdims=True)
        for best, own in zip(decoder(posteriors, np.full(clips, steps)), posteriors, strict=True):
            force_align(own, best[0].tokens)
    assert [set(function.signatures) for function in functions] == before
