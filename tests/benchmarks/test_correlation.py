"""`python -m benchmarks.correlation`, on small maps."""

import pytest

from benchmarks import correlation
from benchmarks.correlation import parse_args

SMALL = ["--size=64", "--width=16", "--hidden_size=32", "--threads=1", "--repeats=1", "--training_frames=5"]


def test_every_section_is_printed(capsys, monkeypatch):
    monkeypatch.setattr(correlation, "measure_peak_mib", lambda *_: 12.0)
    correlation.main(parse_args([*SMALL, "--frames", "8", "--lengths", "5", "9"]))
    out = capsys.readouterr().out
    for row in ("after stage 2, block", "after stage 4, einsum", "bare ResNet18", "CorrNet", "9"):
        assert f"\n{row} " in out, row


def test_a_block_that_is_another_is_not_measured(monkeypatch):
    compute_plainly = correlation.compute_plainly
    monkeypatch.setattr(correlation, "compute_plainly", lambda block, x: 1.01 * compute_plainly(block, x))
    with pytest.raises(RuntimeError, match="after stage 2 the block differs from its formula"):
        correlation.main(parse_args([*SMALL, "training"]))
