import contextlib
import threading

import pytest

from tests.helpers.commands import wait_until
from utils import patience
from utils.patience import say, say_if_long


def waiting(show) -> bool:
    """Whether something still waits to show a line with this function."""
    return any(getattr(thread, "function", None) is show for thread in threading.enumerate())


def test_a_line_where_it_takes_long(monkeypatch, capsys):
    shown = threading.Event()

    def show(line: str) -> None:
        say(line)
        shown.set()

    monkeypatch.setattr(patience, "SECONDS", 0.1)
    with say_if_long("loading ...", show):
        assert shown.wait(60)
    assert capsys.readouterr().err == "loading ...\n"


@pytest.mark.parametrize("error", [None, ZeroDivisionError])
def test_no_line_once_it_is_done_or_has_failed(monkeypatch, error):
    def show(line: str) -> None:
        pytest.fail(line)

    monkeypatch.setattr(patience, "SECONDS", 600)
    with contextlib.suppress(ZeroDivisionError), say_if_long("quick", show):
        assert waiting(show)
        if error:
            raise error
    wait_until(lambda: not waiting(show))
