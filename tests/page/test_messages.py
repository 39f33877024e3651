"""What the page says names no options of the command line, which its users do not have, and no path of the server."""

import ast
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from page.messages import leave_out_options
from page.sessions import describe_error
from tests.helpers.paths import REPOSITORY
from tests.helpers.site import serve
from utils.errors import InputError

READING = chain(
    REPOSITORY.glob("evaluation/inference/*.py"),
    REPOSITORY.glob("dataset/video*.py"),
    [REPOSITORY / "evaluation/heat/heat_map.py", REPOSITORY / "utils/device.py"],
)
"""The files whose errors, notes and notices come to the page, with some that only commands use."""
OF_COMMANDS = {"live_options.py", "options.py", "overlay.py"}
OPTION = re.compile(r"--[a-z]")


def find_texts(path: Path) -> Iterator[str]:
    """The texts of a file, but for its documentation; X stands for what is filled in."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    parts |= {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "96x64 pixels, squashed (--crop none); if the signer looks thin, --crop centre helps",
            "96x64 pixels, squashed",
        ),
        ("windows of 48 frames (--max-frames-num), one every 8 (--hop)", "windows of 48 frames, one every 8"),
        ("or on a CPU 8-bit integers (engine.export --format onnx --int8)", "or on a CPU 8-bit integers"),
        ("the file is cut short; 3 frames (of 5) are missing", "the file is cut short; 3 frames (of 5) are missing"),
        ("memory ran out: lower --max_frames_num, now 360 frames at once", "memory ran out"),
        ("it is cut short: copy it again, or read it with --allow-truncated", "it is cut short: copy it again"),
        ("it may be used: choose another --device, or the cpu", "it may be used"),
        ("warning: 9 are read (--max_frames_num), so fast; without --sample all are", "warning: 9 are read, so fast"),
        ("clip--2.mp4 -- a video: it has no end", "clip--2.mp4 -- a video: it has no end"),
    ],
)  # fmt: skip
def test_options_are_left_out_with_what_is_said_of_them(text, shown):
    assert leave_out_options(text) == shown


def test_no_text_of_reading_keeps_an_option():
    found = [(path.name, text) for path in READING if path.name not in OF_COMMANDS for text in find_texts(path)]
    found = [(name, text) for name, text in found if OPTION.search(text) and " " in text]  # not its bare name
    assert len(found) > 10
    kept = [(name, text) for name, text in found if OPTION.search(leave_out_options(text))]
    assert not kept
    # Nothing is left of what begins with ";": it is the end of another text.
    assert not [text for _, text in found if not leave_out_options(text) and not text.startswith(";")]


def test_the_page_itself_names_none():
    texts = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "page/static").glob("*.js")]
    ours = [text for path in (REPOSITORY / "page").glob("*.py") for text in find_texts(path)
            if path.name not in {"__main__.py", "serve.py", "messages.py"}]  # fmt: skip
    assert not [match for text in texts for match in re.findall(r"[^\"\w]--[a-z]\w*", text)]
    assert not [text for text in ours if OPTION.search(text)]


def test_errors_and_notices_come_to_the_page_without_options(tmp_path):
    assert describe_error(InputError("the card is full: choose another --device")) == "the card is full"
    with serve(tmp_path) as server, server.page() as page:
        (session,) = server.site.sessions._open.values()
        session.notice("some frames were left out (--fps)")
        assert page.wait_for("notice")[-1]["message"] == "some frames were left out"


def test_memory_that_runs_out_is_no_mistake_of_the_program():
    assert describe_error(RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")) == "memory ran out"
    assert "made a mistake" in describe_error(RuntimeError("something else"))


def test_a_heat_map_that_fails_names_no_path_of_the_server(server, film, tmp_path, monkeypatch):
    with server.page() as page:
        page.read(film, "my%20clip.mp4")
        (source,) = (path for path in (tmp_path / "files").rglob("*") if path.is_file())
        source.write_bytes(b"no video any more")
        answer = page.get("heat/0.jpg")
        assert (answer.status_code, answer.json()["error"].partition(" is no video")[0]) == (409, "my clip.mp4")
        assert str(tmp_path) not in answer.text
