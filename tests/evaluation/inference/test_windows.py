from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.ctm import CtmWord
from evaluation.inference.windows import cut_windows, plan_windows, stitch


def words(*spans: tuple[str, float, float]) -> list[CtmWord]:
    """(gloss, start, end) each."""
    return [CtmWord(gloss, start, end - start, 0.5) for gloss, start, end in spans]


def spans(found) -> list[tuple[str, float, float]]:
    return [(word.gloss, round(word.start, 6), round(word.start + word.duration, 6)) for word in found]


def test_windows_of_a_long_clip_and_of_short_ones():
    assert plan_windows(1000, 360, 4) == [(0, 360), (240, 600), (480, 840), (720, 1000)]
    assert plan_windows(360, 360, 4) == [(0, 360)]
    assert plan_windows(1, 360, 4) == [(0, 1)]
    assert plan_windows(361, 360, 4) == [(0, 360), (240, 361)]


@given(st.integers(1, 4000), st.integers(48, 400), st.sampled_from([1, 2, 4, 8]))
def test_windows_cover_every_frame_and_overlap_their_neighbours_only(frames, length, grid):
    found = plan_windows(frames, length, grid)
    assert (found[0][0], found[-1][1]) == (0, frames)
    assert all(end - start == length for start, end in found[:-1])
    assert all(start % grid == 0 for start, _ in found)
    for (_, end), (start, _) in pairwise(found):
        assert length // 3 <= end - start < length // 3 + grid
    for (_, end), (start, _) in zip(found, found[2:], strict=False):
        assert end <= start
    assert len(found) == 1 or found[-1][1] - found[-1][0] > length // 3


def test_frames_are_dealt_out_to_windows_holding_one_window_at_a_time():
    taken = []

    def source():
        for number in range(20):
            taken.append(number)
            yield np.full((2, 2, 3), number, np.uint8)

    windows = cut_windows(source(), [(0, 9), (6, 15), (12, 20)])
    assert next(windows)[:, 0, 0, 0].tolist() == list(range(9))
    assert len(taken) == 9
    assert [window[:, 0, 0, 0].tolist() for window in windows] == [list(range(6, 15)), list(range(12, 20))]


def test_one_window_is_left_as_it_is():
    assert spans(stitch([(0, 5, words(("A", 0, 1), ("B", 2, 3)))])) == [("A", 0, 1), ("B", 2, 3)]
    assert stitch([(0, 5, [])]) == ()


def test_a_gloss_that_both_windows_read_counts_once_from_where_it_is_farther_from_the_edge():
    early = stitch([(0, 6, words(("A", 1, 2), ("B", 4.2, 4.6))), (4, 10, words(("B", 4.1, 4.4), ("C", 8, 9)))])
    assert spans(early) == [("A", 1, 2), ("B", 4.2, 4.6), ("C", 8, 9)]
    late = stitch([(0, 6, words(("A", 1, 2), ("B", 5.2, 5.6))), (4, 10, words(("B", 5.3, 5.9), ("C", 8, 9)))])
    assert spans(late) == [("A", 1, 2), ("B", 5.3, 5.9), ("C", 8, 9)]


@pytest.mark.parametrize("shift", [-0.3, -0.1, 0.0, 0.1, 0.3])
def test_it_counts_once_however_the_readings_lie_about_the_middle(shift):
    both = stitch([(0, 6, words(("B", 4.8, 5.2))), (4, 10, words(("B", 4.8 + shift, 5.2 + shift)))])
    assert [word.gloss for word in both] == ["B"]
    apart = stitch([(0, 6, words(("B", 4.7, 4.9))), (4, 10, words(("B", 5.1, 5.3)))])  # they do not even touch
    assert [word.gloss for word in apart] == ["B"]


def test_a_gloss_that_is_signed_twice_counts_twice():
    twice = words(("A", 4.2, 4.7), ("A", 5.2, 5.8))
    assert spans(stitch([(0, 6, twice), (4, 10, twice)])) == [("A", 4.2, 4.7), ("A", 5.2, 5.8)]
    nearby = words(("A", 4.6, 4.9), ("A", 4.9, 5.3))
    assert spans(stitch([(0, 6, nearby), (4, 10, nearby)])) == [("A", 4.6, 4.9), ("A", 4.9, 5.3)]


def test_what_an_edge_cut_through_is_taken_from_the_other_window():
    left = words(("A", 1, 2), ("B", 4.2, 4.6), ("misread", 5.7, 6.0))  # of C, which ends at 6.5
    right = words(("misread", 4.0, 4.2), ("B", 4.2, 4.6), ("C", 5.6, 6.5), ("D", 8, 9))
    assert spans(stitch([(0, 6, left), (4, 10, right)])) == [("A", 1, 2), ("B", 4.2, 4.6), ("C", 5.6, 6.5), ("D", 8, 9)]


def test_what_only_the_better_placed_window_did_not_read_is_dropped():
    assert stitch([(0, 6, []), (4, 10, words(("A", 4.1, 4.5)))]) == ()
    assert spans(stitch([(0, 6, []), (4, 10, words(("A", 5.1, 5.5)))])) == [("A", 5.1, 5.5)]


def test_many_windows():
    signed = words(*((f"G{number}", number, number + 0.8) for number in range(100)))
    starts = range(0, 91, 10)
    parts = [(start, start + 15, [word for word in signed if start <= word.start <= start + 14]) for start in starts]
    assert stitch(parts) == tuple(signed)


def test_glosses_of_different_windows_do_not_overlap():
    found = stitch([(0, 6, words(("A", 4.0, 5.4))), (4, 10, words(("B", 5.0, 5.8)))])
    assert spans(found) == [("A", 4.0, 5.2), ("B", 5.2, 5.8)]
    assert [word.confidence for word in found] == [0.5, 0.5]
