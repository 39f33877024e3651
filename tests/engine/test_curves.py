"""TensorBoard's files."""

import contextlib
import shutil
import threading
import time

import torch

from engine import curves as curves_module
from engine.curves import Curves
from engine.training_step import StepResult


def test_the_folder_may_have_any_name(tmp_path):
    folder = tmp_path / "run\udce9"
    folder.mkdir()
    with Curves(folder, 0, 1, torch.device("cpu")) as curves:
        curves.writer.add_scalar("a", 1.0, 1)
        curves.writer.flush()
        curves.writer.add_scalar("a", 2.0, 2)
    (file,) = folder.iterdir()
    assert file.stat().st_size > 100


def test_a_folder_that_is_gone_ends_the_curves_and_not_the_training(tmp_path, monkeypatch, capfd):
    said: list[str] = []
    monkeypatch.setattr(curves_module.LOGGER, "info", lambda text, *values: said.append(text % values))
    folder, hook = tmp_path / "run", threading.excepthook
    result = StepResult(1.0, {"total": 1.0}, 1.0, 1e-3, skipped=False)
    with Curves(folder, 0, 1, torch.device("cpu")) as curves:
        curves.writer.flush()  # its thread would make the file again while the folder is removed
        shutil.rmtree(folder)
        for step in range(1, 4):
            curves.add_step(step, result, 2, 1.0, 0.5)
            if curves.writer:
                with contextlib.suppress(OSError):
                    curves.writer.flush()
        assert curves.writer is None
    assert said == [f"warning: no more curves are written to {folder}: No such file or directory"]
    assert "Traceback" not in capfd.readouterr().err
    assert threading.excepthook is hook


def test_the_thread_that_writes_has_ended_before_its_errors_are_shown_again(tmp_path, monkeypatch):
    dropped: list[type[BaseException]] = []

    def drop_slowly(curves: Curves, args: threading.ExceptHookArgs) -> None:
        time.sleep(0.3)
        dropped.append(args.exc_type)

    monkeypatch.setattr(Curves, "_drop_disk_errors", drop_slowly)
    with Curves(tmp_path / "run", 0, 1, torch.device("cpu")) as curves:
        curves.writer.flush()
        shutil.rmtree(tmp_path / "run")
        with contextlib.suppress(OSError):
            curves.writer.add_scalar("a", 1.0, 1)
    assert dropped == [FileNotFoundError]
