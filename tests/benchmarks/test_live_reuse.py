"""`python -m benchmarks.live_reuse` on a few frames."""

import argparse

import numpy as np
import pytest
import torch

from benchmarks import live_reuse
from benchmarks.live_reuse import Stream, build_network, check_equal, count_multiply_adds, parse_args

SMALL = ["quickstart", "--window=12", "--readings", "1", "3", "--repeats=1", "--threads=1"]


def test_each_fusion_has_its_lines(capsys):
    live_reuse.main(parse_args(SMALL))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    rows = {
        (line[0], line[1]): [float(number) for number in line[2:]] for line in lines if line[:1] in (["stf"], ["none"])
    }
    assert list(rows) == [("stf", "1"), ("stf", "3"), ("none", "1"), ("none", "3")]
    assert rows["stf", "1"][3] == rows["none", "1"][3] == 1.0  # nothing was kept that a window of its own needs
    assert 1 / 3 < rows["none", "3"][3] < rows["stf", "3"][3] < 1.0
    assert all(row[2] == pytest.approx(row[1] / row[0], rel=0.05) for row in rows.values())


def test_a_stream_reads_its_last_frames():
    network = build_network(live_reuse.SIZES["quickstart"], "none", argparse.Namespace(device="cpu", precision="fp32"))
    stream = Stream(network, 64, 8, 4)
    for first in (4, 8, 12, 16):
        stream.advance()
        assert list(stream.numbers) == list(range(first, first + 8))
        assert len(stream.memory) == 8
        drawn = stream._drawn[[number % 16 for number in stream.numbers]]
        check_equal(stream.read_kept(), network(drawn), 1e-4)


def test_multiply_adds_by_hand():
    """Each of 4 x 6 x 6 values takes 3 x 3 x 2 products; 5 x 7 values of a product take 3 each."""
    x, kernel = torch.ones(1, 2, 8, 8), torch.ones(4, 2, 3, 3)

    def read():
        torch.conv2d(x, kernel)
        return (torch.ones(5, 3) @ torch.ones(3, 7)).numpy()

    count, given = count_multiply_adds(read)
    assert count == 4 * 6 * 6 * 3 * 3 * 2 + 5 * 7 * 3
    assert given.shape == (5, 7)


@pytest.mark.parametrize("other", [1.01, np.nan])
def test_results_that_differ_are_an_error(other):
    check_equal(np.array([1.0, 2.0]), np.array([1.0, 2.0]), 1e-4)
    with pytest.raises(RuntimeError, match="other results"):
        check_equal(np.array([1.0, other]), np.array([1.0, 1.0]), 1e-4)


@pytest.mark.parametrize(
    ("given", "said"), [(["resnet50"], "no networks ['resnet50']"), (["--window", "10", "--readings", "3"], "3 times")]
)
def test_what_cannot_be_measured_is_said(given, said, capsys):
    with pytest.raises(SystemExit):
        parse_args(given)
    assert said in capsys.readouterr().err
