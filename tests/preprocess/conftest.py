"""The doctor at work, and a corpus for it before and after preparation."""

from __future__ import annotations

from pathlib import Path

import pytest

from preprocess import doctor
from preprocess.prepare import prepare
from tests.helpers.diagnosis import SIZE, Diagnosis, parse, sound


@pytest.fixture
def diagnose(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")  # sentences are wrapped alike, whatever terminal the tests run in

    def run(dataset: str, root: Path, folder: Path | None = None, *options: str) -> Diagnosis:
        fixed = ["--dataset", dataset, "--dataset-root", str(root), "--prepared", str(folder or tmp_path / "out")]
        capsys.readouterr()
        status = doctor.main(doctor.parse_args([*fixed, "--workers", "1", *options]))
        captured = capsys.readouterr()
        assert "Traceback" not in captured.out + captured.err
        return parse(status, captured.out)

    return run


@pytest.fixture
def phoenix(tmp_path) -> Path:
    return sound("phoenix2014", tmp_path / "corpus")


@pytest.fixture
def ready(tmp_path, phoenix) -> Path:
    """The same, prepared at 64x64."""
    prepare("phoenix2014", phoenix, tmp_path / "out", process_image=True, frame_size=SIZE)
    return tmp_path / "out"
