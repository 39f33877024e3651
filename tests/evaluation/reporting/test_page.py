"""Alignments of two runs under one reference."""

import pytest

from evaluation.reporting.page import Column, stack_alignments


def test_columns_of_two_alignments_by_hand():
    a = [("C", "A", "A"), ("I", None, "X"), ("D", "B", None)]
    b = [("I", None, "Y"), ("S", "A", "Z"), ("I", None, "V"), ("I", None, "W"), ("C", "B", "B")]
    assert stack_alignments([a, b]) == [
        Column(None, (None, ("I", "Y"))),
        Column("A", (("C", "A"), ("S", "Z"))),
        Column(None, (("I", "X"), ("I", "V"))),
        Column(None, (None, ("I", "W"))),
        Column("B", (("D", None), ("C", "B"))),
    ]
    with pytest.raises(ValueError, match="different references"):
        stack_alignments([a, a[:2]])
