"""What commands print: in any encoding, and to readers that go away."""

import ast
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.commands import run_python
from tests.helpers.paths import REPOSITORY
from utils.output import make_safe

TEXT = "café \u6211 \U0001f600 \udce9"


def run_body(body, **options):
    """Run these lines as the main of a command, each of which sees TEXT."""
    lines = "\n    ".join(["def main():", f"text = {TEXT!a}", *body])
    source = f"import sys, time\nfrom utils.output import run_command\n{lines}\nrun_command(main)"
    return run_python("-c", source, check=False, encoding="utf-8", **options)


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", r"caf\xe9 \u6211 \U0001f600 \xE9"),
        ("cp1252", r"caf%s \u6211 \U0001f600 \xE9"),
        ("utf-8", r"café 我 😀 \xE9"),
        ("ascii:strict", r"caf\xe9 \u6211 \U0001f600 \xE9"),
    ],
)
def test_every_text_can_be_printed_in_any_encoding(encoding, shown):
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    for body in (["print(text)"], ["from tqdm import tqdm", "tqdm.write(text)"], ["sys.exit(text)"]):
        done = run_body(body, env=environment, errors="replace")
        assert done.returncode == (body[-1] == "sys.exit(text)"), done.stderr
        assert (done.stdout + done.stderr).strip() == shown.replace("%s", "\ufffd")


def test_a_progress_bar_keeps_to_what_the_encoding_has():
    bar = ["from tqdm import tqdm", "for _ in tqdm(range(3), desc=text): time.sleep(0.01)"]
    done = run_body(bar, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert r"caf\xe9 \u6211" in done.stderr
    assert "3/3" in done.stderr


def test_a_reader_that_goes_away_ends_no_work(tmp_path):
    source = (
        "import sys, pathlib\nfrom utils.output import run_command\ndef main():\n"
        "    for _ in range(20000): print('x' * 50, flush=True)\n"
        "    pathlib.Path(sys.argv[1]).write_text('done', encoding='utf-8')\nrun_command(main)"
    )
    command = [sys.executable, "-c", source, str(tmp_path / "file")]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
    assert (tmp_path / "file").read_text(encoding="utf-8") == "done"


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="there is no device /dev/full")
def test_output_that_cannot_be_written_is_an_error():
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123
        done = run_python("-c", "from utils.output import run_command\nrun_command(lambda: print(1))", check=False,
                          capture_output=False, stdout=full, stderr=subprocess.PIPE)  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "error: [Errno 28] No space left on device\n"


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (["return 3"], 3, ""),
        (["return None"], 0, ""),
        (["sys.exit('no')"], 1, "no\n"),
        (["open('/no/such/file')"], 1, "error: [Errno 2] No such file or directory: '/no/such/file'\n"),
        (["raise KeyboardInterrupt"], 1, "interrupted\n"),
    ],
)
def test_the_exit_status_of_a_command(body, status, said):
    done = run_body(body)
    assert (done.returncode, done.stderr) == (status, said)


def test_streams_of_other_programs_stay_as_they_are():
    stream = io.StringIO()
    assert make_safe(stream) is stream
    assert make_safe(None) is None


def test_every_command_begins_with_it():
    """Whoever adds one with a main of its own finds out here."""
    folders = ("benchmarks", "config", "dataset", "engine", "evaluation", "modules", "preprocess", "utils")
    files = [*REPOSITORY.glob("*.py"), *(path for folder in folders for path in (REPOSITORY / folder).rglob("*.py"))]
    commands = 0
    for path in files:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.If) and "__main__" in ast.unparse(node.test):
                commands += 1
                assert "run_command(" in ast.unparse(node), path
    assert commands >= 26
