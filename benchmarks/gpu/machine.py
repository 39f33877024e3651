"""Section 1: the card, the software and the switches, and how fast the card copies and multiplies."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, version

import torch

from benchmarks.gpu.measure import free_memory, median_seconds
from benchmarks.gpu.section import Finding, Task, number, skip
from utils.precision import computes_bfloat16
from utils.workers import available_cores

VARIABLES = (
    "PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF", "CUDA_VISIBLE_DEVICES", "CUDA_LAUNCH_BLOCKING",
    "CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE", "OMP_NUM_THREADS",
)  # fmt: skip
"""What of the environment changes results or times."""
PACKAGES = ("torchvision", "triton", "numpy", "numba", "opencv-python-headless", "av", "lmdb", "pydantic", "pympi-ling")

NO_COMPILER = "no C compiler, which Triton needs: install gcc, or set CC"


def run(task: Task) -> Iterator[Finding]:
    """Describe the machine, and measure it."""
    device = task.device
    yield number("system", f"{platform.platform()}, {available_cores()} cores, Python {platform.python_version()}")
    yield number("packages", f"torch {torch.__version__}", note=", ".join(map(name_version, PACKAGES)))
    yield from describe_card(device)
    yield number(
        "environment", ", ".join(f"{name}={os.environ[name]}" for name in VARIABLES if name in os.environ) or "as usual"
    )
    yield from measure_copies(device, task.small)
    free_memory(device)
    yield measure_product(device, task.small)


def name_version(package: str) -> str:
    """Name a package with its version, or say that it is missing."""
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package}: missing"


def describe_card(device: torch.device) -> Iterator[Finding]:
    """Describe the card with its driver, libraries and switches; of a CPU, what PyTorch says of it."""
    if device.type != "cuda":
        capability = torch.backends.cpu.get_cpu_capability()
        yield number("card", f"{platform.processor() or platform.machine()}, {capability}")
        yield skip("driver")
        return
    card = torch.cuda.get_device_properties(device)
    free, total = torch.cuda.mem_get_info(device)
    yield number("card", card.name, note=f"compute capability {card.major}.{card.minor}, {card.multi_processor_count} "
                 f"multiprocessors, {total / 2**20:.0f} MiB, {free / 2**20:.0f} MiB free")  # fmt: skip
    nccl = ".".join(map(str, torch.cuda.nccl.version())) if torch.distributed.is_nccl_available() else "missing"
    yield number("driver", read_driver(), note=f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}, "
                 f"NCCL {nccl}, {torch.cuda.device_count()} devices")  # fmt: skip
    switches = {
        "cudnn.allow_tf32": torch.backends.cudnn.allow_tf32,
        "matmul.allow_tf32": torch.backends.cuda.matmul.allow_tf32,
        "cudnn.benchmark": torch.backends.cudnn.benchmark,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }
    yield number("switches", ", ".join(f"{name} {on}" for name, on in switches.items()), note="as PyTorch has them")


def has_compiler() -> bool:
    """Whether there is a C compiler, which Triton asks for where a network is compiled for a GPU; images lack it."""
    return bool(os.environ.get("CC")) or any(shutil.which(name) for name in ("gcc", "clang"))


def read_driver() -> str:
    """Read the version of NVIDIA's driver, which its own program alone says."""
    if shutil.which("nvidia-smi") is None:
        return "unknown, there is no nvidia-smi"
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout
    except (subprocess.SubprocessError, OSError) as error:
        return f"unknown: {error}"
    return said.split("\n", maxsplit=1)[0].strip()


def measure_copies(device: torch.device, small: bool) -> Iterator[Finding]:
    """Measure how many bytes a second are copied: within the device, and from memory that is pinned and that is not."""
    size = 2**24 if small else 2**30  # bytes: far more than a cache holds
    if device.type == "cuda":
        size = min(size, torch.cuda.mem_get_info(device)[0] // 8)
    source = torch.randint(0, 256, (size,), dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    seconds = median_seconds(lambda: target.copy_(source), device)
    yield number(
        "copy within the device", 2 * size / seconds / 1e9, "GB/s", f"{size / 2**20:.0f} MiB, read and written"
    )
    if device.type != "cuda":
        yield skip("copy to the device")
        return
    plain = torch.randint(0, 256, (size // 4,), dtype=torch.uint8)
    for name, memory in (("pinned", plain.pin_memory()), ("pageable", plain)):
        part = target[: size // 4]
        seconds = median_seconds(partial(part.copy_, memory, non_blocking=True), device)
        yield number(f"copy of {name} memory to the device", size / 4 / seconds / 1e9, "GB/s")


def measure_product(device: torch.device, small: bool, dtype: torch.dtype | None = None) -> Finding:
    """Measure a product of two square matrices.

    Args:
        device: the device.
        small: whether the matrices are.
        dtype: the number format; bf16 by default, or float32 where the device has no arithmetic for that.
    """
    side = 512 if small else 8192
    dtype = dtype or (torch.bfloat16 if computes_bfloat16(device) else torch.float32)
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))  # zeros would be faster than real data
    out = torch.empty_like(a)
    seconds = median_seconds(lambda: torch.mm(a, b, out=out), device)
    name = str(dtype).removeprefix("torch.")
    return number("matrix product", 2 * side**3 / seconds / 1e12, "TFLOP/s", f"{name}, {side} x {side}")
