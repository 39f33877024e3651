import argparse
from pathlib import Path

import pytest

from utils.arguments import named_path, whole_number


@pytest.mark.parametrize(("text", "value"), [("1", 1), ("007", 7), ("50", 50)])
def test_whole_numbers(text, value):
    assert whole_number(1, 50)(text) == value


def test_negative_whole_numbers_where_they_are_allowed():
    assert whole_number(-5, 5)("-5") == -5


@pytest.mark.parametrize(
    "text",
    ["0", "51", "-1", "--1", "1.0", "1e1", "1_0", "", "x", "nan", "inf", "٣", "²", "9" * 5000, "1\n", "\0"],
)
def test_what_is_no_whole_number_in_the_range(text):
    with pytest.raises(argparse.ArgumentTypeError, match=r"must be a whole number from 1 to 50, not") as error:
        whole_number(1, 50)(text)
    assert len(str(error.value)) < 200


def test_a_path_is_taken_as_it_is_and_must_not_be_empty():
    assert named_path("a b/c.mp4") == Path("a b/c.mp4")
    with pytest.raises(argparse.ArgumentTypeError, match="is empty"):
        named_path("")
