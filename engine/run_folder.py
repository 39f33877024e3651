"""The folder of a run: opened without ever deleting or asking."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from config.load import to_yaml
from config.schema import Config
from utils.errors import InputError
from utils.files import write_text


class RunFolderError(InputError, ValueError):
    """A folder that another run lives in."""


def open_run_folder(config: Config) -> Path:
    """Make `work_dir` ready for this run and write its `config.yaml`.

    A folder with a finished or interrupted training is taken again only to test or to resume it; with
    `overwrite: true` it is moved aside first.

    Raises:
        RunFolderError: it holds a training; says how to resume, overwrite or go elsewhere.
    """
    folder = Path(config.work_dir)
    if config.phase == "train":
        held = [name for name in ("last.pt", "best.pt") if (folder / name).exists()]
        resumes = config.load_checkpoints and Path(config.load_checkpoints).resolve().parent == folder.resolve()
        if held and not resumes:
            if not config.overwrite:
                raise RunFolderError(
                    f"work_dir {folder} already holds a run ({', '.join(held)}). Resume it with "
                    f"--load-checkpoints {folder / 'last.pt'}, start afresh with --overwrite true (the old folder is "
                    "moved aside, not deleted), or choose another --work-dir"
                )
            folder.rename(f"{folder}-before-{datetime.now():%Y%m%d-%H%M%S}")
    folder.mkdir(parents=True, exist_ok=True)
    name = "config.yaml" if config.phase == "train" else "config-test.yaml"
    write_text(folder / name, to_yaml(config))
    return folder
