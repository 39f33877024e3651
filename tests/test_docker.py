"""The Dockerfile, which cannot be built here: what it names is there, and fits the rest of the project."""

import re

from dataset.shared_memory import REMEDY
from tests.helpers.paths import REPOSITORY

DOCKERFILE = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
PAGE = (REPOSITORY / "docs" / "install.md").read_text(encoding="utf-8")
PYTHONS = {"ubuntu22.04": (3, 10), "ubuntu24.04": (3, 12)}


def test_what_is_copied_is_there_and_is_sent_to_docker():
    lines = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sent = {line[1:] for line in lines if line.startswith("!")}
    assert "*" in lines
    copied = re.findall(r"^COPY (\S+) \S+$", DOCKERFILE, re.M)
    assert set(copied) == sent == {"requirements.txt"}
    assert all((REPOSITORY / name).is_file() for name in copied)


def test_its_python_is_new_enough():
    (system,) = re.findall(r"^FROM nvidia/cuda:\$\{CUDA\}-base-(\S+)$", DOCKERFILE, re.M)
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    oldest = tuple(int(part) for part in re.search(r'requires-python = ">=(\d+)\.(\d+)"', project).groups())
    assert PYTHONS[system] >= oldest


def test_the_documented_commands_fit_it():
    (folder,) = re.findall(r"^WORKDIR (\S+)$", DOCKERFILE, re.M)
    assert f'--volume "$PWD":{folder}' in PAGE
    assert f"GIT_CONFIG_VALUE_0={folder}" in DOCKERFILE
    (size,) = set(re.findall(r"--shm-size=\w+", PAGE))
    assert size in REMEDY
    for argument, value in re.findall(r"--build-arg (\w+)=(\S+?)`?(?: |$)", PAGE, re.M):
        assert re.search(rf"^ARG {argument}=", DOCKERFILE, re.M), value


def test_it_runs_as_no_administrator():
    assert re.findall(r"^USER (\S+)$", DOCKERFILE, re.M) == ["1000:1000"]
