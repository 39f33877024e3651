"""When fewer frames are taken, and when more again; the seconds are worked out by hand."""

import pytest

from evaluation.inference.live_thinning import Thinning


def play(thinning: Thinning, seconds: int, *losses: float, start: int = 0) -> list[tuple[float, int]]:
    """Each second all was read, but for losses of half a second; returns when `every` changed, and to what."""
    changes, waiting = [], sorted(losses)
    for second in range(start, seconds):
        before = thinning.every
        if waiting and waiting[0] < second + 1:
            said = thinning.lose(waiting[0], waiting.pop(0) + 0.5)
        else:
            said = thinning.keep_up(second)
        assert bool(said) == (thinning.every != before)
        if said:
            changes.append((second, thinning.every))
    return changes


def test_after_a_calm_minute_more_frames_are_tried():
    thinning = Thinning(25, 1, helps=True)
    # Lost at 10 and 20, the second time until 20.5; at 30 again, until 30.5.
    assert play(thinning, 400, 10, 20, 30) == [(20, 2), (30, 3), (91, 2), (151, 1)]


def test_what_the_user_is_told():
    thinning = Thinning(25, 1, helps=True)
    assert thinning.lose(10, 11) == ""
    assert thinning.lose(20, 21) == "this machine reads 12.5 frames a second: every second frame is taken"
    assert thinning.lose(30, 31) == "this machine reads 8.33 frames a second: every third frame is taken"
    assert thinning.keep_up(90.9) == ""
    assert thinning.keep_up(91) == "nothing was lost for 60 s: every second frame is taken again"
    assert thinning.keep_up(152) == "nothing was lost for 61 s: every frame is taken again"
    assert thinning.keep_up(9999) == ""


def test_after_each_try_that_fails_the_next_one_comes_twice_as_late():
    thinning = Thinning(25, 1, helps=True)
    # 80 is the end of the loss + 60; one loss is enough in a try, however long it took to fall behind.
    changes = play(thinning, 1500, 10, 19.5, 180, 580)
    assert changes == [(19, 2), (80, 1), (180, 2), (301, 1), (580, 2), (821, 1)]


def test_a_try_that_lasted_counts_for_nothing_later():
    thinning = Thinning(25, 1, helps=True)
    assert play(thinning, 700, 10, 19.5, 180) == [(19, 2), (80, 1), (180, 2), (301, 1)]
    assert play(thinning, 1000, 700, start=700) == []  # once is no reason
    assert play(thinning, 1400, 1000, 1009.5, start=1000) == [(1009, 2), (1070, 1)]  # a minute, as at first


def test_the_wait_is_bounded():
    thinning, now = Thinning(25, 1, helps=True), 0.0
    thinning.lose(now, now), thinning.lose(now + 1, now + 1)
    for _ in range(12):
        now += 10_000
        assert thinning.keep_up(now)
        assert thinning.lose(now + 10, now + 10)
    assert thinning.keep_up(now + 10 + 3599) == ""
    assert thinning.keep_up(now + 10 + 3600)


def test_no_more_frames_than_were_chosen_at_the_start_and_no_fewer_than_every_fifth():
    thinning = Thinning(25, 2, helps=True)
    assert play(thinning, 1000, 10, 20, 30, 40, 50) == [
        (20, 3), (30, 4), (40, 5), (111, 4), (171, 3), (231, 2),
    ]  # fmt: skip


@pytest.mark.parametrize("losses", [(10, 60, 110), (10,)])
def test_losses_that_are_rare_change_nothing(losses):
    assert play(Thinning(25, 1, helps=True), 300, *losses) == []


def test_nor_does_anything_where_fewer_frames_save_no_time():
    assert play(Thinning(25, 1, helps=False), 300, 10, 20, 30) == []
