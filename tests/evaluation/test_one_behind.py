"""Work in a thread, one step behind: its order, its errors, and that no thread stays."""

import threading

import pytest

from evaluation.one_behind import OneBehind
from utils.interruption import Interrupted


def list_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("one-behind")]


def test_the_caller_goes_on_and_never_gets_more_than_one_item_ahead():
    events, may_go_on = [], threading.Event()

    def work(number: int) -> None:
        assert may_go_on.wait(30)
        events.append(f"done {number}")

    with OneBehind(work) as behind:
        behind.give(1)
        events.append("prepared 2")  # while 1 is on its way
        may_go_on.set()
        behind.give(2)
        events.append("prepared 3")
        assert events.index("done 1") < events.index("prepared 3")
        behind.give(3)
    assert [event for event in events if event.startswith("done")] == ["done 1", "done 2", "done 3"]
    assert events.index("prepared 2") < events.index("done 1")
    assert not list_threads()


@pytest.mark.parametrize("items", [1, 2, 5])
def test_an_error_of_the_work_is_raised_and_what_follows_is_not_done(items):
    done = []

    def work(number: int) -> None:
        if number == 0:
            raise ValueError("the first item is wrong")
        done.append(number)

    with pytest.raises(ValueError, match="the first item is wrong"), OneBehind(work) as behind:
        for number in range(items):
            behind.give(number)
    assert not done
    assert not list_threads()


@pytest.mark.parametrize("error", [KeyboardInterrupt, Interrupted(2), MemoryError])
def test_an_error_of_the_caller_is_the_one_that_is_raised(error):
    def work() -> None:
        raise ValueError

    with pytest.raises(error if isinstance(error, type) else type(error)), OneBehind(work) as behind:
        behind.give()
        assert list_threads()
        raise error
    assert not list_threads()


def test_without_an_item_nothing_is_done():
    with OneBehind(pytest.fail):
        pass
