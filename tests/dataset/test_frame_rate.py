import pytest

from dataset.frame_rate import choose_frame_rate, find_common_rate, is_same_rate


def test_the_first_known_rate_counts():
    assert choose_frame_rate(30.0, 25.0) == 30
    assert choose_frame_rate(None, 50.0) == 50
    assert choose_frame_rate(None, None) == 25  # what earlier versions took for every corpus's


@pytest.mark.parametrize(
    ("rate", "other", "same"),
    [
        (29.97, 30, True),
        (23.976, 24, True),
        (29.3, 30, True),  # a telephone in a dark room
        (24, 25, False),
        (25, 24, False),
        (25, 30, False),
        (30, 60, False),
    ],
)
def test_which_rates_count_as_the_same(rate, other, same):
    assert is_same_rate(rate, other) is same


def test_the_common_rate_is_one_that_a_clip_has():
    assert find_common_rate({"a": 30.0, "b": 29.97, "c": 30.1}) == (30, [])
    assert find_common_rate({"a": 30.0, "b": 25.0}) == (25, ["a"])
    assert find_common_rate({"a": 30.0, "b": 30.0, "c": 24.0, "d": 60.0}) == (30, ["c", "d"])
