import os
import re
import subprocess
import sys
import threading

from utils.c_messages import hear_c_library

LIBRARY = re.compile("library: ")


def say(*lines: str) -> int:
    os.write(2, "".join(f"{line}\n" for line in lines).encode())
    return 7


def test_returns_what_was_said_and_shows_nothing(capfd):
    assert hear_c_library(lambda: say("library: one", "library: two"), LIBRARY) == (7, ["library: one", "library: two"])
    assert hear_c_library(lambda: 8, LIBRARY) == (8, [])
    assert capfd.readouterr().err == ""
    say("after")
    assert capfd.readouterr().err == "after\n"


def test_lines_of_others_are_shown_afterwards(capfd):
    assert hear_c_library(lambda: say("another thread", "library: one"), LIBRARY) == (7, ["library: one"])
    assert capfd.readouterr().err == "another thread\n"


def test_the_stream_is_restored_after_an_error(capfd):
    try:
        hear_c_library(lambda: say("library: one") // 0, LIBRARY)
    except ZeroDivisionError:
        say("after")
    assert capfd.readouterr().err == "after\n"


def test_a_library_that_does_not_stop_is_not_waited_for():
    _, lines = hear_c_library(_say_until_full, LIBRARY)
    assert len(lines) > 100


def _say_until_full() -> None:
    try:
        for _ in range(100_000):
            say("library: and on it goes")
    except BlockingIOError:
        pass


def test_a_process_that_holds_the_stream_open_is_not_waited_for():
    children = []
    hear_c_library(lambda: children.append(subprocess.Popen([sys.executable, "-c", "input()"], stdin=-1)), LIBRARY)
    children[0].communicate(b"\n")


def test_threads_do_not_hear_each_other():
    heard: dict[int, list[list[str]]] = {number: [] for number in range(4)}

    def listen(number: int) -> None:
        for _ in range(50):
            heard[number].append(hear_c_library(lambda: say(f"library: {number}"), LIBRARY)[1])

    threads = [threading.Thread(target=listen, args=(number,)) for number in heard]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == {number: [[f"library: {number}"]] * 50 for number in heard}


def test_a_stream_that_was_closed():
    program = (
        "import os, re, sys\nfrom utils.c_messages import hear_c_library\nos.close(2)\n"
        "print(hear_c_library(lambda: 7, re.compile('x')))\n"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert process.stdout == "(7, [])\n"
