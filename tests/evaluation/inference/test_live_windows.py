"""The rule on made-up readings: words and numbers, no network."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.ctm import CtmWord
from evaluation.inference.live_windows import FinalGlosses, LiveWindow, LiveWindows
from evaluation.inference.reading import ReadingError

settings_of_windows = st.tuples(
    st.integers(1, 30), st.integers(0, 40), st.integers(0, 60), st.sampled_from([1, 2, 4, 8])
).map(lambda drawn: LiveWindows(drawn[0] + drawn[1] + drawn[2] + 2 * drawn[3], *drawn[:2], drawn[3]))


def words(*spans: tuple[str, float, float], confidence: float | None = 0.5) -> list[CtmWord]:
    """(gloss, start, end) each."""
    return [CtmWord(gloss, start, end - start, confidence) for gloss, start, end in spans]


def spans(found) -> list[tuple[str, float, float]]:
    return [(word.gloss, round(word.start, 6), round(word.start + word.duration, 6)) for word in found]


def test_windows_of_a_clip():
    assert LiveWindows(48, 16, 12, 4).plan(90) == [
        LiveWindow(0, 16, 4), LiveWindow(0, 32, 20), LiveWindow(0, 48, 36), LiveWindow(16, 64, 52),
        LiveWindow(32, 80, 68), LiveWindow(44, 90, 90),
    ]  # fmt: skip
    assert LiveWindows(48, 16, 12, 4).plan(16) == [LiveWindow(0, 16, 16)]
    assert LiveWindows(48, 16, 12, 4).plan(1) == [LiveWindow(0, 1, 1)]


def test_hop_and_window_are_rounded_to_the_grid():
    windows = LiveWindows(50, 7, 9, 4)
    assert (windows.window, windows.hop, windows.lookahead) == (48, 8, 9)
    with pytest.raises(ReadingError, match="windows of 8 frames are too short for a hop of 8 and a lookahead"):
        LiveWindows(15, 6, 9, 8)
    with pytest.raises(ReadingError, match="frames would go unread"):
        LiveWindows(48, 40, 9)


@given(settings_of_windows, st.integers(1, 500))
def test_each_frame_is_decided_once_by_a_window_that_sees_it(windows, frames):
    plan = windows.plan(frames)
    assert plan[-1].end == plan[-1].settled == frames
    assert all(window.begin % windows.grid == 0 and window.begin < window.end for window in plan)
    assert all(window.end - window.begin <= windows.window for window in plan)
    assert all(window.end - window.settled == windows.lookahead for window in plan[:-1])
    for before, window in pairwise(plan):
        assert window.end > before.end
        assert window.begin <= max(0, before.settled)
    assert all(
        before.begin + windows.hop >= window.begin or before.begin == 0 for before, window in pairwise(plan[:-1])
    )


@given(settings_of_windows, st.lists(st.integers(0, 90), max_size=30))
def test_a_slow_machine_leaves_windows_out_but_no_frame(windows, comes):
    """However many frames come between two readings."""
    frames, read, decided = 0, 0, 0
    for more in comes:
        frames += more
        window = windows.find_due(read, frames)
        if window is None:
            assert frames < read + windows.hop
            continue
        assert window == windows.window_to(window.end)
        assert window.end % windows.hop == 0 and read < window.end <= frames
        assert window.begin <= max(0, decided)
        later = windows.window_to(window.end + windows.hop)
        margin = min(windows.lookahead, windows.window - windows.hop - windows.lookahead)
        assert (
            later.end > frames or later.begin > decided - margin
        )  # the next one would leave out frames, or is not due
        read, decided = window.end, window.settled


def test_with_one_window_due_after_the_other_none_is_left_out():
    windows = LiveWindows(48, 8, 12, 4)
    plan, read = windows.plan(200), 0
    for frames in range(1, 200):
        if window := windows.find_due(read, frames):
            assert window == plan[frames // 8 - 1]
            read = window.end
    assert read == 192


def test_a_gloss_counts_from_the_first_window_that_decides_it():
    glosses = FinalGlosses()
    assert spans(glosses.take(words(("A", 0.4, 0.8), ("B", 1.2, 1.5)), 0, 1.0)) == [("A", 0.4, 0.8)]
    assert spans(glosses.provisional) == [("B", 1.2, 1.5)]
    assert spans(glosses.take(words(("A", 0.5, 0.9), ("B", 1.1, 1.6), ("C", 2.1, 2.4)), 0, 2)) == [("B", 1.1, 1.6)]
    assert spans(glosses.provisional) == [("C", 2.1, 2.4)]
    assert spans(glosses.take_rest()) == [("C", 2.1, 2.4)]
    assert (glosses.provisional, glosses.take_rest()) == ((), ())


def test_a_gloss_whose_readings_lie_on_both_sides_of_the_border_counts_once():
    before = FinalGlosses()
    assert spans(before.take(words(("A", 0.8, 1.1)), 0, 1.0)) == [("A", 0.8, 1.1)]
    assert before.take(words(("A", 0.9, 1.3)), 0, 2.0) == ()
    assert before.provisional == ()
    after = FinalGlosses()
    assert after.take(words(("A", 0.9, 1.3)), 0, 1.0) == ()
    assert spans(after.take(words(("A", 0.8, 1.1)), 0, 2.0)) == [("A", 0.8, 1.1)]


def test_what_no_earlier_window_read_before_the_border_is_dropped():
    glosses = FinalGlosses()
    assert glosses.take([], 0, 1.0) == ()
    assert glosses.take(words(("A", 0.5, 0.9)), 0, 2.0) == ()
    assert glosses.take(words(("A", 0.5, 0.9), ("B", 2.4, 2.5)), 0, 3.0) == (CtmWord("B", 2.4, 0.1, 0.5),)


def test_a_gloss_that_is_signed_twice_counts_twice():
    glosses = FinalGlosses()
    twice = words(("A", 0.6, 0.9), ("A", 0.9, 1.3))
    assert spans(glosses.take(twice, 0, 1.0)) == [("A", 0.6, 0.9)]
    assert spans(glosses.take(twice, 0, 2.0)) == [("A", 0.9, 1.3)]


@pytest.mark.parametrize("first", [0.0, 1.0, 7.0, 1e3, 1e6])
def test_whenever_a_stream_begins_the_same_readings_are_of_one_gloss(first):
    """Six frames lie between them, which is just too much; computed from large times it is a little more or less."""
    for frame in range(50):
        glosses, begin = FinalGlosses(), first + frame / 25
        early = words(("A", begin + 0.32, begin + 0.48), ("B", begin + 0.72, begin + 0.76))
        assert len(glosses.take(early[:1], begin, begin + 0.6)) == 1
        assert glosses.take(early[1:], begin, begin + 0.6) == ()
        later = words(("A", begin + 0.72, begin + 0.96), ("B", begin + 0.92, begin + 1.0))
        assert len(glosses.take(later, begin, begin + 2)) == 2


def test_a_final_gloss_keeps_its_times_and_the_next_begins_at_its_end():
    glosses = FinalGlosses()
    assert spans(glosses.take(words(("A", 0.4, 1.2)), 0, 1.0)) == [("A", 0.4, 1.2)]
    assert spans(glosses.take(words(("A", 0.4, 1.0), ("B", 1.0, 1.6), ("C", 1.9, 2.3)), 0, 2.0)) == [("B", 1.2, 1.6)]
    assert spans(glosses.take(words(("B", 1.0, 1.8), ("D", 1.4, 2.7)), 0, 3.0)) == [("D", 1.6, 2.7)]


def test_equal_neighbours_are_one_where_the_corpus_merges():
    glosses = FinalGlosses(merging=True)
    signed = words(("A", 0, 0.3), ("A", 0.6, 0.9), ("A", 1.2, 1.5), ("B", 1.8, 2.0), ("A", 2.4, 2.6))
    assert spans(glosses.take(signed, 0, 1.0)) == [("A", 0, 0.3)]
    assert spans(glosses.provisional) == [("B", 1.8, 2.0), ("A", 2.4, 2.6)]
    assert spans(glosses.take(signed, 0, 9.0)) == [("B", 1.8, 2.0), ("A", 2.4, 2.6)]


def test_unsure_glosses_are_left_out_and_count_as_neighbours():
    glosses = FinalGlosses(merging=True, min_confidence=0.4)
    signed = [
        *words(("A", 0, 0.2), confidence=0.3), *words(("A", 0.4, 0.6), confidence=0.5),
        *words(("B", 0.8, 1.0), confidence=0.1), *words(("A", 1.2, 1.4), ("C", 2, 3), confidence=None),
    ]  # fmt: skip
    assert spans(glosses.take(signed, 0, 1.5)) == [("A", 0.4, 0.6), ("A", 1.2, 1.4)]
    assert spans(glosses.provisional) == [("C", 2, 3)]
    assert glosses.left_out == 2


# Readings of signed glosses: each window reads all glosses that it sees whole, each with times that are a little off.
OFF = 0.05
signing = st.lists(st.tuples(st.sampled_from("AB"), st.floats(0.3, 0.6), st.floats(0.0, 0.5)), min_size=1, max_size=12)


def sign(drawn) -> list[CtmWord]:
    """Glosses one after the other; between equal ones lies more than what counts as one gloss, readings' errors too."""
    signed: list[CtmWord] = []
    time = 0.2
    for gloss, duration, pause in drawn:
        again = signed and signed[-1].gloss == gloss
        time += max(pause, 0.24 + 4 * OFF + 0.01) if again else pause
        signed.append(CtmWord(gloss, time, duration, 0.5))
        time += duration
    return signed


@given(signing, st.integers(1, 12), st.integers(0, 10), st.data())
def test_nothing_is_lost_doubled_or_changed_and_finals_are_in_order(drawn, hop, more, data):
    """With a lookahead longer than half a gloss, so that each gloss is seen whole before it is decided."""
    signed = sign(drawn)
    frames = round((signed[-1].start + signed[-1].duration + 0.2) * 25)
    lookahead = 12 + more
    glosses, finals = FinalGlosses(), []
    for window in LiveWindows(2 * lookahead + hop + 30, hop, lookahead).plan(frames):
        begin, end = window.begin / 25, window.end / 25
        shift = data.draw(st.lists(st.floats(-OFF, OFF), min_size=len(signed), max_size=len(signed)))
        read = [
            word._replace(start=word.start + off)
            for word, off in zip(signed, shift, strict=True)
            if begin <= word.start + off and word.start + word.duration + off <= end
        ]
        new = glosses.take(read, begin, window.settled / 25)
        assert all(word.start + word.duration / 2 <= window.settled / 25 + 2 * OFF + 1e-6 for word in new)
        finals += new
        shown = [*finals, *glosses.provisional]
        assert all(a.start + a.duration <= b.start + 1e-6 for a, b in pairwise(shown))
    assert [word.gloss for word in finals] == [word.gloss for word in signed]
    for word, true in zip(finals, signed, strict=True):
        assert abs(word.start - true.start) <= 3 * OFF + 1e-6


readings = st.lists(
    st.lists(st.tuples(st.sampled_from("ABC"), st.floats(0, 0.8), st.floats(0.01, 1.0)), max_size=6), max_size=8
)


@given(readings, st.booleans(), st.sampled_from([0.0, 0.6]), st.floats(0.02, 1.0))
def test_whatever_is_read_finals_do_not_overlap_and_what_is_open_at_the_end_is_final(drawn, merging, least, hop):
    at_once = FinalGlosses(merging, least)
    later = FinalGlosses(merging, least)
    finals, other = [], []
    for number, reading in enumerate(drawn):
        time, read = number * hop, []
        for index, (gloss, pause, duration) in enumerate(reading):
            read.append(CtmWord(gloss, time + pause, duration, 0.5 + index % 2 / 4))
            time += pause + duration
        border = (number + 1) * hop
        finals += later.take(read, number * hop, border)
        if number + 1 < len(drawn):
            other += at_once.take(read, number * hop, border)
        else:  # the last window may as well decide all of it
            open_now = later.provisional
            other += at_once.take(read, number * hop, float("inf"))
            finals += later.take_rest()
            assert finals[len(finals) - len(open_now) :] == list(open_now)
            assert finals == other
    assert all(word.duration > 0 for word in finals)
    assert all(a.start + a.duration <= b.start + 1e-6 for a, b in pairwise(finals))
    if merging and not least:
        assert all(a.gloss != b.gloss for a, b in pairwise(finals))
