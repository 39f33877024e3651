"""Pictures that change their size all the time, which are told rarely; what else is told, `test_live.py` shows."""

from itertools import pairwise

from evaluation.inference.live_pictures import PictureWatch

SMALL, LARGE = (64, 96, 3), (120, 160, 3)
LARGER_NOW = "the pictures were 96x64 pixels, and are 160x120 now"


def test_a_size_that_alternates_is_told_once_and_then_ever_more_rarely():
    watch, told = PictureWatch(), []
    for number in range(25 * 3600 * 4):
        message = watch.look_at_size(LARGE if number % 2 else SMALL, number / 25)
        if message:
            told.append((number / 25, message))
    assert told[0] == (0.04, LARGER_NOW)
    # After 10 s; the frame then has the size that was told, the next one the other: 251 frames later.
    assert told[1] == (10.08, "the pictures were 160x120 pixels, and are 96x64 now, after 251 changes")
    gaps = [round(later - earlier) for (earlier, _), (later, _) in pairwise(told)]
    assert gaps == [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]


def test_a_size_that_changes_now_and_then_is_told_at_once():
    watch = PictureWatch()
    sizes = [SMALL, LARGE, SMALL, LARGE]
    told = [watch.look_at_size(sizes[number // 1000], number / 25) for number in range(4000)]
    assert [number for number, message in enumerate(told) if message] == [1000, 2000, 3000]
    assert told[1000] == told[3000] == LARGER_NOW


def test_a_size_that_came_too_soon_after_another_is_told_later_if_it_stays():
    watch = PictureWatch()
    assert watch.look_at_size(SMALL, 0) == ""
    assert watch.look_at_size(LARGE, 1) == LARGER_NOW
    assert watch.look_at_size((8, 8, 3), 2) == watch.look_at_size((8, 8, 3), 10.9) == ""
    assert watch.look_at_size((8, 8, 3), 11) == "the pictures were 160x120 pixels, and are 8x8 now"
    assert watch.look_at_size((8, 8, 3), 99) == ""
