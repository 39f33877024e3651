import numpy as np
import pytest
import torch

from utils.errors import InputError, describe_out_of_memory, explain_out_of_memory, is_out_of_memory

SURE, PROBABLY, NO = "memory ran out", "memory probably ran out", ""


@pytest.mark.parametrize("ask", [lambda: torch.empty(10**15), lambda: np.empty(10**15)])
def test_what_the_libraries_raise(ask):
    with pytest.raises((RuntimeError, MemoryError)) as error:
        ask()
    assert is_out_of_memory(error.value)


# As they came to people who reported them; the number is that of PyTorch's issue, where it is one.
MESSAGES = [
    ("CUDA out of memory. Tried to allocate 2.00 GiB", SURE),
    ("CUDA error: out of memory\nSearch for `cudaErrorMemoryAllocation' in https://docs.nvidia.com/cuda/", SURE),
    ("MPS backend out of memory (MPS allocated: 9 GB)", SURE),
    ("Invalid buffer size: 19.45 GB", SURE),  # of MPS: 141909
    ("Failed to allocate memory for requested buffer of size 42", SURE),
    ("std::bad_alloc", SURE),
    ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", SURE),
    ("cuDNN error: CUDNN_STATUS_ALLOC_FAILED", SURE),  # 20123
    ("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED", SURE),
    ("NCCL error ...\nLast error:\nFailed to CUDA calloc async 1920 bytes", SURE),
    ("DefaultCPUAllocator: can't allocate memory: you tried to allocate 400 bytes. Error code 12", SURE),
    ("not enough memory: you tried to allocate 400 bytes", SURE),
    ("OpenCV(4.10) error: (-4:Insufficient memory) Failed to allocate 42 bytes", SURE),
    ("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED", PROBABLY),
    ("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`", PROBABLY),
    ("GET was unable to find an engine to execute this computation", PROBABLY),  # 108645
    ("FIND was unable to find an engine to execute this computation", PROBABLY),
    ("Unable to find a valid cuDNN algorithm to run convolution", PROBABLY),
    ("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR", PROBABLY),  # 81620
    ("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", NO),  # 7129
    ("cuDNN error: CUDNN_STATUS_BAD_PARAM", NO),
    ("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm( handle, opa, opb, m, n, k)`", NO),
    ("CUDA error: an illegal memory access was encountered", NO),
    ("CUDA error: device-side assert triggered", NO),
    ("CUDA error: no kernel image is available for execution on the device", NO),
    ("view size is not compatible with input tensor's size and stride", NO),
    ("mat1 and mat2 shapes cannot be multiplied", NO),
    ("", NO),
]


@pytest.mark.parametrize(("message", "expected"), MESSAGES)
def test_what_they_say(message, expected):
    said = describe_out_of_memory(RuntimeError(message))
    assert said.partition(" (")[0] == expected
    assert is_out_of_memory(RuntimeError(message)) == bool(expected)


@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, MemoryError])
def test_the_libraries_own_types_are_sure_whatever_they_say(kind):
    assert describe_out_of_memory(kind("CUDNN_STATUS_NOT_INITIALIZED")) == SURE


def test_a_doubt_is_given_with_its_reason():
    words = 'probably ran out \\(PyTorch says "cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"; .*driver\\) on clip a'
    with pytest.raises(InputError, match=words), explain_out_of_memory(lambda: "on clip a"):
        raise RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED\nException raised from getCudnnHandle")
    with pytest.raises(RuntimeError, match="illegal"), explain_out_of_memory(lambda: "on clip a"):
        raise RuntimeError("an illegal memory access was encountered")


def test_a_message_can_be_printed_whatever_name_is_in_it():
    assert str(InputError("no file caf\udce9.mp4 in Ä")) == r"no file caf\xE9.mp4 in Ä"
