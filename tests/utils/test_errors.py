import numpy as np
import pytest
import torch

from utils.errors import InputError, is_out_of_memory


@pytest.mark.parametrize("ask", [lambda: torch.empty(10**15), lambda: np.empty(10**15)])
def test_what_the_libraries_raise(ask):
    with pytest.raises((RuntimeError, MemoryError)) as error:
        ask()
    assert is_out_of_memory(error.value)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("CUDA out of memory. Tried to allocate 2.00 GiB", True),
        ("MPS backend out of memory (MPS allocated: 9 GB)", True),
        ("Failed to allocate memory for requested buffer of size 42", True),
        ("std::bad_alloc", True),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", True),
        ("not enough memory: you tried to allocate 400 bytes", True),
        ("OpenCV(4.10) error: (-4:Insufficient memory) Failed to allocate 42 bytes", True),
        ("mat1 and mat2 shapes cannot be multiplied", False),
        ("", False),
    ],
)
def test_what_they_say(message, expected):
    assert is_out_of_memory(RuntimeError(message)) == expected


def test_a_message_can_be_printed_whatever_name_is_in_it():
    assert str(InputError("no file caf\udce9.mp4 in Ä")) == r"no file caf\xE9.mp4 in Ä"
