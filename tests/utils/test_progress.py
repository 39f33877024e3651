import io
import sys
from functools import partial

import pytest

from utils import progress
from utils.progress import show_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_no_bar_in_a_log_file_and_a_line_now_and_then(monkeypatch):
    stderr, times = io.StringIO(), iter([0, 30, 61, 61, 90, 122, 122, 130])
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(times))
    assert list(show_progress("abcde", 5, "resizing", "clip")) == list("abcde")
    assert stderr.getvalue() == "resizing: 1 of 5\nresizing: 3 of 5\n"


def test_lines_go_on_from_what_was_done_before_and_say_more(monkeypatch):
    stderr, times, seen = io.StringIO(), iter([0, 61, 61, 122, 122, 130]), []
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(times))
    for letter in show_progress("abc", 7, "epoch 1/9", "step", done=4, describe=lambda: f"loss {seen[-1]}"):
        seen.append(letter)
    assert stderr.getvalue() == "epoch 1/9: 4 of 7\nepoch 1/9: 5 of 7, loss a\n"


def test_what_is_short_says_nothing(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert list(show_progress(range(1000), 1000, "resizing", "clip")) == list(range(1000))
    assert sys.stderr.getvalue() == ""


def test_a_bar_on_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert list(show_progress("abc", 3, "resizing", "clip")) == list("abc")
    assert "resizing" in sys.stderr.getvalue()
    assert "/3" in sys.stderr.getvalue()


def test_a_bar_goes_on_from_what_was_done_before_and_says_more(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(progress, "tqdm", partial(progress.tqdm, mininterval=0))
    assert list(show_progress("abc", 7, "epoch 1/9", "step", done=4, describe=lambda: "loss 2.50")) == list("abc")
    assert "7/7" in sys.stderr.getvalue()
    assert "loss 2.50" in sys.stderr.getvalue()


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_hidden(monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream())
    monkeypatch.setattr(progress, "SECONDS", -1.0)
    assert list(show_progress("abc", 3, "resizing", "clip", hidden=True)) == list("abc")
    assert sys.stderr.getvalue() == ""


def test_without_a_stream(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert list(show_progress("abc", 3, "resizing", "clip")) == list("abc")
