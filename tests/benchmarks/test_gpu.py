"""`python -m benchmarks.gpu`: its frame, with sections that fail in every way."""

import json
import os
import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.gpu import __main__ as command
from benchmarks.gpu import isolation
from benchmarks.gpu.isolation import END, run_section
from benchmarks.gpu.section import SECTIONS, Finding, Task, check, check_below, format_finding, number, skip
from tests.helpers.commands import start_python, wait_until
from tests.helpers.paths import REPOSITORY

DEVICE = SimpleNamespace(type="cpu")  # a section that imports no PyTorch begins at once
IMPORTS = "from benchmarks.gpu.section import check_below, number\n"
TRIALS = {
    "good": "def run(task):\n    yield number('speed', 3.5, 'ms')\n    yield check_below('error', 1e-6, 1e-4)\n",
    "inexact": "def run(task):\n    yield check_below('error', 1e-3, 1e-4)\n    yield number('after it', 1)\n",
    "raises": "def run(task):\n    yield number('before it', 1)\n    raise KeyError('weight')\n",
    "crashes": "import os, signal\ndef run(task):\n    yield number('before it', 1)\n"
    "    os.kill(os.getpid(), signal.SIGKILL)\n",
    "hangs": "import subprocess, sys, time\ndef run(task):\n"
    "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "    yield number('child', child.pid)\n    time.sleep(600)\n",
    "lacks": "import lmdb.no_such_part\ndef run(task):\n    yield\n",
}


@pytest.fixture
def trials(tmp_path, monkeypatch):
    """A package of sections; processes that are started find it too."""
    folder = tmp_path / "gpu_trials"
    folder.mkdir()
    for name, source in TRIALS.items():
        (folder / f"{name}.py").write_text(IMPORTS + source)
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def findings(section: str, seconds: float = 60.0) -> list[Finding]:
    return list(run_section(section, Task(DEVICE, True, seconds=seconds), "gpu_trials"))


def test_every_section_is_a_module_of_the_package():
    for name in SECTIONS:
        assert "\ndef run(task: Task) -> Iterator[Finding]:\n" in (REPOSITORY / f"benchmarks/gpu/{name}.py").read_text(
            encoding="utf-8"
        ), name


def test_a_section_gives_what_it_finds(trials):
    assert findings("good") == [number("speed", 3.5, "ms"), check_below("error", 1e-6, 1e-4)]


def test_an_error_is_one_failure_that_names_it_and_its_place(trials):
    before, last = findings("raises")
    assert before == number("before it", 1)
    assert (last.name, last.outcome) == (END, "fail")
    assert last.note == "KeyError: 'weight' (raises.py:4)"
    assert "Traceback" in last.details["traceback"]


def test_a_crash_is_one_failure(trials):
    assert findings("crashes") == [
        number("before it", 1), Finding(END, "fail", note="its process was ended by SIGKILL"),
    ]  # fmt: skip


def test_a_section_that_hangs_is_ended_with_all_that_it_started(trials, monkeypatch):
    now = iter([0, 0, 299])  # all but a second has passed when it has said something
    monkeypatch.setattr(isolation, "time", SimpleNamespace(monotonic=lambda: next(now)))
    child, last = findings("hangs", seconds=300)
    assert last.outcome == "fail"
    assert last.note.startswith("not done after 300 s")
    wait_until(lambda: is_gone(child.value))


def test_a_signal_ends_the_section_with_all_that_it_started(trials, tmp_path, monkeypatch, capsys):
    found: list[Finding] = []

    def stop(_, finding: Finding) -> str:
        found.append(finding)
        os.kill(os.getpid(), signal.SIGTERM)
        return ""

    monkeypatch.setattr(command, "SECTIONS", {"hangs": 1, "good": 1})
    monkeypatch.setattr(command, "choose_device", lambda _: DEVICE)
    monkeypatch.setattr(command, "format_finding", stop)
    args = command.parse_args(["--device=cpu", "--only=hangs,good", f"--out={tmp_path / 'x'}"])
    args.package = "gpu_trials"
    assert command.main(args) == 143
    assert capsys.readouterr().err == "interrupted by SIGTERM\n"
    (child,) = found
    wait_until(lambda: is_gone(child.value))


def test_a_section_ends_with_a_command_that_is_killed(trials, tmp_path):
    code = (
        "from types import SimpleNamespace\nfrom benchmarks.gpu.isolation import run_section\n"
        "from benchmarks.gpu.section import Task\ntask = Task(SimpleNamespace(type='cpu'), True, seconds=300)\n"
        "for finding in run_section('hangs', task, 'gpu_trials'):\n    print(finding.value, flush=True)\n"
    )
    path = {"PYTHONPATH": str(tmp_path)}
    with start_python("-c", code, env=os.environ | path, stdout=subprocess.PIPE) as program:
        child = int(program.stdout.readline())
        program.kill()
    wait_until(lambda: is_gone(child))


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # Whoever adopts it may not have asked for its exit status yet.
    return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")


def test_a_package_that_may_be_missing_skips_the_section_and_another_one_does_not(trials):
    (trials / "spared.py").write_text("raise ModuleNotFoundError('no module', name='pydantic')\n")
    assert findings("spared") == [skip(END, "pydantic is not installed")]
    assert findings("lacks")[0].note.startswith("ModuleNotFoundError: No module named 'lmdb.no_such_part'")


def test_the_command_goes_on_after_failures_and_its_status_counts_them(trials, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "SECTIONS", dict.fromkeys(["raises", "inexact", "good"], 1))
    monkeypatch.setattr(command, "choose_device", lambda _: DEVICE)
    args = command.parse_args(["--device=cpu", "--only=good,raises,inexact", f"--out={tmp_path / 'new/gpu.json'}"])
    args.package = "gpu_trials"
    assert command.main(args) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(", small form, at most 600 s")
    assert lines[1:-1] == [
        "     raises before it 1",
        "FAIL raises the section (KeyError: 'weight' (raises.py:4))",
        "FAIL inexact error 0.001 (< 0.0001)",
        "     inexact after it 1",
        "     good speed 3.5 ms",
        "PASS good error 1e-06 (< 0.0001)",
    ]
    assert lines[-1].startswith("2 failures, 1 passed, 0 skipped, ")
    held = json.loads((tmp_path / "new/gpu.json").read_text())
    assert (held["small"], list(held["sections"])) == (True, ["raises", "inexact", "good"])
    assert held["sections"]["good"]["findings"][0] == {
        "name": "speed", "outcome": "number", "value": 3.5, "unit": "ms", "note": "", "details": {},
    }  # fmt: skip


def test_the_time_is_shared_out_and_what_is_left_over_goes_on(trials, tmp_path, monkeypatch):
    """Of 100 s the first of two equal sections may take 50, and the second all that it has left over."""
    seconds = []
    monkeypatch.setattr(command, "SECTIONS", {"good": 1, "inexact": 1, "raises": 2})
    monkeypatch.setattr(command, "run_section", lambda _, task, __: seconds.append(task.seconds) or iter_nothing())
    command.main(command.parse_args(["--device=cpu", "--only=good,inexact", "--limit=100", f"--out={tmp_path / 'x'}"]))
    assert [round(each) for each in seconds] == [50, 100]


def iter_nothing():
    yield from ()


def test_sections_know_what_earlier_ones_found(trials, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(command, "SECTIONS", {"good": 1, "inexact": 1})

    def run(section, task, _):
        seen.append({name: list(of_it) for name, of_it in task.earlier.items()})
        yield number(section, 1)

    monkeypatch.setattr(command, "run_section", run)
    command.main(command.parse_args(["--device=cpu", "--only=good,inexact", f"--out={tmp_path / 'x'}"]))
    assert seen == [{}, {"good": [number("good", 1)]}]


@pytest.mark.parametrize(
    ("finding", "line"),
    [
        (check_below("float32 mstfnet", 3.14e-6, 1e-4), "PASS parity float32 mstfnet 3.14e-06 (< 0.0001)"),
        (check_below("float32 mstfnet", float("nan"), 1e-4, note="of the largest"),
         "FAIL parity float32 mstfnet nan (< 0.0001, of the largest)"),
        (check_below("error", 1e-4, 1e-4), "FAIL parity error 0.0001 (< 0.0001)"),
        (check("equal", True), "PASS parity equal"),
        (number("copy", 3012.4, "GB/s", "read and written"), "     parity copy 3012 GB/s (read and written)"),
        (number("table", None, note="a  b\n1  2"), "     parity table\na  b\n1  2"),
        (skip("driver"), "     parity driver skipped: no CUDA device"),
    ],
)  # fmt: skip
def test_a_line_says_section_name_value_and_why(finding, line):
    assert format_finding("parity", finding) == line


def test_a_section_that_does_not_exist_is_refused(capsys):
    with pytest.raises(SystemExit):
        command.parse_args(["--only", "machine,kernel"])
    assert "no section kernel; choose from machine" in capsys.readouterr().err
