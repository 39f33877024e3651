import os

import pytest

from utils.errors import InputError
from utils.workers import map_in_workers

KILLED = InputError("a worker was killed: try fewer")


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_items(workers):
    assert list(map_in_workers(abs, [-3, 2, -1], workers, KILLED)) == [3, 2, 1]


def test_a_worker_that_dies_is_the_error_of_the_caller():
    with pytest.raises(InputError, match="try fewer"):
        list(map_in_workers(os._exit, [9], 2, KILLED))


def test_errors_of_the_work_stay_what_they_are():
    with pytest.raises(ValueError, match="invalid literal"):
        list(map_in_workers(int, ["1", "x"], 2, KILLED))
