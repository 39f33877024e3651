"""What to compute in, for each setting and device."""

from __future__ import annotations

import logging
import re

import pytest
import torch

from tests.helpers.paths import REPOSITORY
from utils import device
from utils.device import select_dtype, set_device
from utils.errors import InputError
from utils.log import LOGGER

CPU = torch.device("cpu")


@pytest.mark.parametrize(("able", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_takes_bfloat16_where_the_device_computes_it(monkeypatch, able, dtype):
    monkeypatch.setattr(device, "computes_bfloat16", lambda _: able)
    assert select_dtype("auto", CPU) == dtype


@pytest.mark.parametrize(
    ("name", "able", "dtype", "warns"),
    [
        ("fp32", False, torch.float32, False),
        ("bf16", True, torch.bfloat16, False),
        ("bf16", False, torch.bfloat16, True),
        ("fp16", True, torch.float16, True),
    ],
)
def test_what_is_asked_for_is_taken_and_emulation_is_said(monkeypatch, caplog, name, able, dtype, warns):
    monkeypatch.setattr(device, "computes_bfloat16", lambda _: able)
    monkeypatch.setattr(LOGGER, "propagate", True)
    device._warn_emulated.cache_clear()
    with caplog.at_level(logging.INFO):
        assert select_dtype(name, CPU) == dtype
    assert (f"cpu has no arithmetic for {name}" in caplog.text) == warns


def test_this_processor_is_known():
    assert isinstance(device.computes_bfloat16(CPU), bool)
    assert not device.computes_bfloat16(torch.device("mps"))


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
