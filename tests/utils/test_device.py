"""Which device is meant where none is named."""

from __future__ import annotations

import re

import pytest
import torch

from tests.helpers.paths import REPOSITORY
from utils.device import set_device
from utils.errors import InputError

CPU = torch.device("cpu")


def test_a_gpu_becomes_the_one_that_is_meant_where_none_is_named(monkeypatch):
    chosen: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    for name in ("cpu", "mps", "cuda:1"):
        set_device(torch.device(name))
    assert chosen == [torch.device("cuda", 1)]


def test_a_gpu_that_is_full_is_said(monkeypatch):
    def set_full(_):
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(torch.cuda, "set_device", set_full)
    with pytest.raises(InputError, match="memory ran out when cuda:1 was opened; another program may be using it"):
        set_device(torch.device("cuda", 1))


def test_nothing_is_asked_of_a_gpu_that_is_not_named():
    """Without a device PyTorch's questions are about the current one, and open it."""
    asked = re.compile(r"torch\.cuda\.(synchronize|mem_get_info|\w*memory\w*|get_device_\w+|\w*rng_state)\(\)")
    for path in REPOSITORY.rglob("*.py"):
        if not {".venv", "tests", "work_dir"} & set(path.relative_to(REPOSITORY).parts):
            assert not asked.search(path.read_text(encoding="utf-8")), path
