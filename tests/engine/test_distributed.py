"""Several processes on the CPU, which learn what one process learns from all their clips."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

import main
from config.load import load_config
from engine.distributed import (
    join_process_group,
    judge_statuses,
    run_in_processes,
    select_local_device,
    split_device_names,
)
from engine.run import run
from evaluation.ctc.posteriors import RecognitionError
from evaluation.ctm import CtmEntry, Reference
from evaluation.evaluate import gather_entries
from tests.helpers.commands import run_python
from tests.helpers.config import tiny_config, tiny_words
from tests.helpers.processes import in_two, two_threads
from utils import ranks
from utils.checkpoint import load_checkpoint
from utils.errors import InputError

SETTINGS = {
    "num_epoch": 5,
    "eval_interval": 5,
    "log_interval": 1,
    "optimizer_args.base_lr": 1e-4,
    "optimizer_args.step": [40, 60],
    "feeder_args.min_frames": 32,
    "feeder_args.max_frames": 32,  # all clips equally long: processes pad their own clips only
    "model_args.dropout": 0,  # each process draws its own
}


def train(prepared, folder, *arguments: str) -> Path:
    """Run main.py, which becomes torchrun for several devices; for one it is called here, which starts sooner."""
    words = [*tiny_words(prepared, folder, **SETTINGS), *arguments]
    if "device=cpu,cpu" in arguments:
        assert "Warning" not in run_python("main.py", *words).stderr  # of PyTorch, about what users cannot change
    else:
        main.main(main.parse_args(words))
    return folder


def train_accumulating(prepared: Path, folder: Path, rank: int) -> None:
    run(tiny_config(prepared, folder, **SETTINGS | {"batch_size": 1, "accumulate": 2, "num_epoch": 1}))


@pytest.fixture(scope="module")
def runs(prepared, once) -> tuple[Path, Path, Path]:
    """Run folders of four clips a step: one process, two processes, and two that accumulate."""

    def train_all(folder: Path) -> None:
        # BatchNorm of one thread sums four clips one by one in float32 and rounds more than two processes that have two
        # each. In float64 threads do not matter: test_shared_steps.py compares one step in it, and closely.
        with two_threads():
            train(prepared, folder / "one", "device=cpu", "batch_size=4")
        train(prepared, folder / "two", "device=cpu,cpu", "batch_size=2")
        in_two(partial(train_accumulating, prepared, folder / "accumulated"), folder)

    folder = once("distributed", train_all)
    return folder / "one", folder / "two", folder / "accumulated"


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "epochs.jsonl").read_text().splitlines()]


def test_two_processes_learn_what_one_does(runs):
    one, two, _ = runs
    assert len(losses(one)) == 5  # epochs of two steps
    assert losses(two)[0] == pytest.approx(losses(one)[0], rel=1e-4)
    assert sum(losses(two)) == pytest.approx(sum(losses(one)), rel=1e-3)
    assert losses(two) == pytest.approx(losses(one), rel=1e-2)  # rounding grows with every step
    assert losses(one)[-1] < 0.9 * losses(one)[0]
    first, other = (load_checkpoint(folder / "last.pt") for folder in (one, two))
    assert (first["train_state"]["step"], other["train_state"]["step"]) == (10, 10)
    assert (first["processes"], other["processes"]) == (1, 2)


def test_the_evaluation_of_two_processes_covers_every_reference_once(runs, prepared, tmp_path):
    one, _, _ = runs
    testing = ["--phase", "test", "--load-weights", str(one / "last.pt")]
    alone = train(prepared, tmp_path / "alone", "device=cpu", *testing)
    shared = train(prepared, tmp_path / "shared", "device=cpu,cpu", *testing)
    for name in ("output-hypothesis-dev.ctm", "output-hypothesis-test.ctm", "output-hypothesis-dev-conv.ctm"):
        assert (alone / name).read_text() == (shared / name).read_text()
    splits = [json.loads((folder / "report.json").read_text())["splits"] for folder in (alone, shared)]
    assert splits[0] == splits[1]
    assert len(splits[0]["dev"]["sentences"]) == 3


def test_accumulating_in_two_processes_takes_as_many_steps_and_says_what_a_step_is(runs):
    one, _, accumulated = runs
    assert (
        "4 clips a step of the optimiser (batch_size 1, accumulate 2, processes 2), 2 steps an epoch"
        in (accumulated / "log.txt").read_text()
    )
    assert load_checkpoint(accumulated / "last.pt")["train_state"]["step"] == 2
    assert losses(accumulated)[0] == pytest.approx(losses(one)[0], rel=0.2)


def test_one_process_writes_and_the_others_are_silent(runs):
    for folder in runs:
        log = (folder / "log.txt").read_text().splitlines()
        assert sum("training clips" in line for line in log) == 1
        assert len((folder / "dev.txt").read_text().splitlines()) == 1


def test_the_device_of_each_process(monkeypatch):
    assert split_device_names("0,1") == ["0", "1"]
    assert split_device_names("cpu") == ["cpu"]
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert select_local_device("cpu,cpu").type == "cpu"
    assert select_local_device("cpu").type == "cpu"
    assert ranks.local_rank() == 1


@pytest.mark.parametrize(
    ("names", "rank", "count", "torchrun", "expected"),
    [
        ("auto", "1", 4, True, "cuda:1"),
        ("cuda", "3", 4, False, "cuda:3"),
        ("auto", "1", 1, False, "cuda:0"),  # the scheduler shows this process the second of the machine's GPUs alone
        ("auto", "1", 1, True, "1 CUDA device here"),  # two processes, one GPU
        ("0,1", "1", 2, True, "cuda:1"),
    ],
)
def test_the_gpu_of_each_process(monkeypatch, names, rank, count, torchrun, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setenv("LOCAL_RANK", rank)
    if torchrun:
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    if expected.startswith("cuda"):
        assert select_local_device(names) == torch.device(expected)
    else:
        with pytest.raises(InputError, match=expected):
            select_local_device(names)


def test_tasks_of_srun_that_know_nothing_of_each_other_are_refused(monkeypatch):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    for start in (lambda: select_local_device("cpu"), lambda: run_in_processes(["cpu", "cpu"], [])):
        with pytest.raises(InputError, match=r"srun started this command 4 times, .*torchrun.*SLURM_STEP_NUM_TASKS"):
            start()
    monkeypatch.setenv("LOCAL_RANK", "0")  # torchrun, or a script, has told it its place
    assert select_local_device("cpu").type == "cpu"
    monkeypatch.delenv("LOCAL_RANK")
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")
    assert select_local_device("cpu").type == "cpu"


def test_one_gpu_by_two_names_is_named_twice(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr("torch.distributed.run.run", lambda *_: pytest.fail("processes were started"))
    for names in (["0", "cuda:0"], ["cuda", "1", "0"]):
        with pytest.raises(InputError, match=f"device {','.join(names)} names cuda:0 twice"):
            run_in_processes(names, [])


def test_a_run_means_its_own_gpu_wherever_none_is_named(monkeypatch, tmp_path):
    chosen: list[torch.device] = []
    settings = {"device": "1", "prepared": str(tmp_path / "nowhere"), "work_dir": str(tmp_path / "run")}
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    with pytest.raises(InputError, match="nowhere"):
        run(load_config(None, settings)[0])
    assert chosen == [torch.device("cuda", 1)]


def test_devices_that_cannot_be_used_together(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.distributed.run.run", lambda *_: pytest.fail("processes were started"))
    for devices, said in (("0,0", "device 0 was asked for"), ("cpu,gpu", "'gpu' means nothing")):
        # Devices are refused before the corpus, which is not there, is looked for.
        words = tiny_words(tmp_path / "nowhere", tmp_path / "run", **SETTINGS | {"device": devices})
        with pytest.raises(SystemExit, match=said):
            main.main(main.parse_args(words))


def test_hypotheses_of_several_processes_come_in_the_order_of_the_references():
    references = [Reference(name, "s", ("A",)) for name in "abc"]
    parts = [{head: [CtmEntry(name, ()) for name in names] for head in ("sequence", "conv")} for names in ("ca", "b")]
    assert [entry.id for entry in gather_entries(parts, references)["sequence"]] == ["a", "b", "c"]
    for wrong in (parts[:1], [*parts, parts[1]]):
        with pytest.raises(RecognitionError, match="hypotheses of"):
            gather_entries(wrong, references)


@pytest.mark.parametrize(
    ("end", "status", "said"),
    [
        ("sys.exit('error: of the second')", 1, "error: of the second"),
        ("os.kill(os.getpid(), 9)", 1, "was killed (SIGKILL)"),
    ],
)
def test_a_process_that_ends_is_told_of_in_a_line_and_ends_the_others(tmp_path, end, status, said):
    script = tmp_path / "script.py"
    script.write_text(f"import os, sys, time\n{end} if os.environ['RANK'] == '1' else time.sleep(1000)")
    code = (
        "import sys; from engine.distributed import run_in_processes; from utils.output import run_command\n"
        f"run_command(lambda: run_in_processes(['cpu', 'cpu'], [{str(script)!r}]))"
    )
    program = run_python("-c", code, check=False, timeout=300)
    assert program.returncode == status
    assert said in program.stderr
    assert "Traceback" not in program.stderr


def test_the_status_of_several_processes_is_that_of_the_one_that_spoke():
    assert judge_statuses([-15, 3]) == 3
    assert judge_statuses([-15, 143]) == 143
    assert judge_statuses([-15]) == 143
    with pytest.raises(InputError, match=r"killed \(SIGKILL\)\. .*--resume"):
        judge_statuses([-15, 1, -9])


@pytest.mark.parametrize("reason", ["[gloo/transport/tcp/pair.cc:545] Read error: Connection reset by peer", "mistake"])
def test_a_connection_that_is_lost_is_no_error_of_the_program(monkeypatch, reason):
    group = {"MASTER_ADDR": "localhost", "MASTER_PORT": "0", "RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}
    for key, value in group.items():
        monkeypatch.setenv(key, value)
    expected, said = (
        (RuntimeError, "mistake") if reason == "mistake" else (InputError, "another of the processes .*--resume")
    )
    with pytest.raises(expected, match=said), join_process_group(torch.device("cpu")):
        assert dist.is_initialized()
        raise RuntimeError(reason)
    assert not dist.is_initialized()
