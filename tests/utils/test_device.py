"""What to compute in, for each setting and device."""

from __future__ import annotations

import logging

import pytest
import torch

from utils import device
from utils.device import select_dtype
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
