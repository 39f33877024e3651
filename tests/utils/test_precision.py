"""Names of precisions on each device, and PyTorch's switches, which can be turned where there is no GPU too."""

from __future__ import annotations

import logging
import warnings

import pytest
import torch

from utils import precision
from utils.log import LOGGER
from utils.precision import (
    describe_choice,
    resolve_precision,
    select_dtype,
    use_precision,
    with_tf32,
    without_tf32,
)

CPU, CUDA, MPS = torch.device("cpu"), torch.device("cuda", 1), torch.device("mps")
OPERATIONS = ("conv", "rnn", "matmul")


@pytest.fixture(autouse=True)
def switches():
    """As PyTorch has them at the start, and afterwards as they were."""
    before = read_switches()
    turn_switches(True, False)
    yield
    turn_switches(*before)


def read_switches() -> tuple[bool, bool]:
    return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32


def turn_switches(in_cudnn: bool, in_matrix_products: bool) -> None:
    torch.backends.cudnn.allow_tf32 = in_cudnn
    torch.backends.cuda.matmul.allow_tf32 = in_matrix_products


def rounds(operation: str) -> bool:
    """Whether this operation of CUDA computes in TF32, by PyTorch's newer interface, which its kernels ask."""
    return torch._C._get_fp32_precision_getter("cuda", operation) == "tf32"


@pytest.mark.parametrize(
    ("name", "on_cpu", "on_cuda"),
    [
        ("default", "fp32", "tf32"),
        ("tf32", "fp32", "tf32"),
        ("fp32", "fp32", "fp32"),
        ("bf16", "bf16", "bf16"),
        ("fp16", "fp16", "fp16"),
    ],
)
def test_what_a_name_stands_for(monkeypatch, name, on_cpu, on_cuda):
    monkeypatch.delattr(precision, "computes_bfloat16")  # no device is asked what it can: none may be there
    assert resolve_precision(name, CPU) == resolve_precision(name, MPS) == on_cpu
    assert resolve_precision(name, CUDA) == on_cuda


@pytest.mark.parametrize(("able", "on_cpu", "on_cuda"), [(True, "bf16", "bf16"), (False, "fp32", "tf32")])
def test_auto_is_bf16_where_the_device_computes_it_and_the_default_elsewhere(monkeypatch, able, on_cpu, on_cuda):
    monkeypatch.setattr(precision, "computes_bfloat16", lambda _: able)
    assert (resolve_precision("auto", CPU), resolve_precision("auto", CUDA)) == (on_cpu, on_cuda)


def test_every_name_has_a_number_format(monkeypatch):
    monkeypatch.setattr(precision, "computes_bfloat16", lambda _: True)
    float32 = {name for name in ("default", "tf32", "fp32") if select_dtype(name, CPU) == torch.float32}
    assert float32 == {"default", "tf32", "fp32"}
    # What is said for the maps of frames does not depend on whether it was resolved before.
    for name in ("default", "tf32", "fp32", "bf16", "fp16", "auto"):
        resolved = resolve_precision(name, CPU) if name != "auto" else "bf16"
        assert select_dtype(name, CPU) == select_dtype(resolved, CPU)


@pytest.mark.parametrize(("able", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_auto_takes_bfloat16_where_the_device_computes_it(monkeypatch, able, dtype):
    monkeypatch.setattr(precision, "computes_bfloat16", lambda _: able)
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
    monkeypatch.setattr(precision, "computes_bfloat16", lambda _: able)
    monkeypatch.setattr(LOGGER, "propagate", True)
    precision._warn_emulated.cache_clear()
    with caplog.at_level(logging.INFO):
        assert select_dtype(name, CPU) == dtype
    assert (f"cpu has no arithmetic for {name}" in caplog.text) == warns


@pytest.mark.parametrize(
    ("avx512_bf16", "amx", "chosen"),
    [(True, True, "bf16"), (False, True, "bf16"), (True, False, "bf16"), (False, False, "fp32")],
)
def test_auto_is_bf16_on_a_processor_with_amx_or_with_avx512_bf16_alone(monkeypatch, avx512_bf16, amx, chosen):
    """What PyTorch says of the processor is what counts: Intel's with AMX have both, AMD's the second alone."""
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert resolve_precision("auto", CPU) == chosen
    assert select_dtype("auto", CPU) == precision.DTYPES[chosen]
    assert resolve_precision("default", CPU) == "fp32"


def test_this_processor_is_known():
    assert isinstance(precision.computes_bfloat16(CPU), bool)
    assert not precision.computes_bfloat16(torch.device("mps"))


@pytest.mark.parametrize("name", ["default", "tf32", "bf16", "fp16"])
@pytest.mark.parametrize("before", [(True, True), (False, False)])
def test_tf32_is_what_pytorch_does_by_itself(name, before):
    turn_switches(*before)
    assert use_precision(name, CUDA) == resolve_precision(name, CUDA)
    assert read_switches() == (True, False)
    assert list(map(rounds, OPERATIONS)) == [True, True, False]


def test_fp32_switches_tf32_off_for_every_operation():
    turn_switches(True, True)
    assert use_precision("fp32", CUDA) == "fp32"
    assert read_switches() == (False, False)
    assert not any(map(rounds, OPERATIONS))


@pytest.mark.parametrize("name", ["default", "tf32", "fp32", "bf16"])
@pytest.mark.parametrize("place", [CPU, MPS])
def test_elsewhere_nothing_is_switched(name, place):
    for state in ((True, False), (False, True)):
        turn_switches(*state)
        use_precision(name, place)
        with without_tf32(place):
            assert read_switches() == state
        assert read_switches() == state


@pytest.mark.parametrize("name", ["tf32", "fp32"])
def test_what_pytorch_reads_itself_is_in_step(name):
    """After a mixture of its two ways to switch TF32 these raise errors."""
    use_precision(name, CUDA)
    with torch.backends.cudnn.flags(enabled=False):
        pass
    assert read_switches() == (name == "tf32", False)
    assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.parametrize("before", [(True, False), (True, True), (False, False)])
def test_comparisons_are_without_tf32_and_leave_no_trace(before):
    turn_switches(*before)
    with pytest.raises(ZeroDivisionError), without_tf32("cuda"):
        assert not any(map(rounds, OPERATIONS))
        raise ZeroDivisionError
    assert read_switches() == before


def test_what_a_gpu_does_at_most_is_measured_in_tf32_throughout():
    with with_tf32(CPU):
        assert read_switches() == (True, False)
    with with_tf32(CUDA):
        assert all(map(rounds, OPERATIONS))
    assert read_switches() == (True, False)


def test_switching_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        use_precision("tf32", CUDA)
        with without_tf32(CUDA):
            pass


def test_the_log_says_where_a_name_means_something_else():
    assert describe_choice("tf32", CPU) == ["precision: tf32 is fp32 on cpu: only CUDA has TF32"]
    (line,) = describe_choice("fp32", CUDA)
    assert "fp32 switches TF32 off" in line
    said = [describe_choice(name, place) for name in ("default", "auto", "bf16", "fp16") for place in (CPU, CUDA)]
    assert [*said, describe_choice("fp32", CPU), describe_choice("tf32", CUDA)] == [[]] * 10
