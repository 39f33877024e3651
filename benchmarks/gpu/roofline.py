"""What a frame needs at least, and in what time a device could give it."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

from benchmarks.gpu.machine import measure_copies, measure_product
from benchmarks.gpu.section import Task
from utils.precision import DTYPES, with_tf32


@dataclass(frozen=True)
class Need:
    """What a padded frame of 224x224 pixels needs in the published network, in a format of 16 bits.

    Attributes:
        operations: multiplications and additions.
        bytes: what is read from memory and written to it, if every layer reads its input and writes its output once.
    """

    operations: float
    bytes: float


NEEDS = {"training": Need(26.3e9, 317e6), "recognition": Need(7.5e9, 55e6)}
"""Of a training step, forward and backward with HFAM; and of recognition with folded norms, without HFAM."""


@dataclass(frozen=True)
class Peaks:
    """What a device was measured to do in a second.

    Attributes:
        bandwidth: the bytes that it reads and writes while it copies.
        operations: multiplications and additions in a product of large matrices, in the format that counts.
    """

    bandwidth: float
    operations: float


@dataclass(frozen=True)
class Bound:
    """The least seconds for a padded frame.

    Attributes:
        arithmetic: for multiplications and additions.
        memory: for reading and writing.
    """

    arithmetic: float
    memory: float

    @property
    def total(self) -> float:
        """Both, one after the other: while some layers compute, others wait for memory; few do both at a time."""
        return self.arithmetic + self.memory


def find_bound(kind: str, precision: str, peaks: Peaks) -> Bound:
    """Find the least seconds for a padded frame of the published network.

    Args:
        kind: "training" or "recognition".
        precision: the number format: one of 32 bits moves twice the bytes.
        peaks: what the device does in this format.
    """
    need, size = NEEDS[kind], DTYPES[precision].itemsize
    return Bound(need.operations / peaks.operations, need.bytes * size / 2 / peaks.bandwidth)


def find_bandwidth(task: Task) -> float:
    """Find the bytes a second that the device reads and writes while it copies, as `machine` found it or anew."""
    name = "copy within the device"
    for finding in task.earlier.get("machine", ()):
        if finding.name == name:
            return 1e9 * float(finding.value or 0)
    return 1e9 * float(next(measure_copies(task.device, task.small)).value or 0)


def measure_peaks(task: Task, precision: str) -> Peaks:
    """Find what the device does at most in a number format, whose switches are set already."""
    # A training in TF32 leaves its few matrix products in float32; here the product stands for the convolutions.
    with with_tf32(task.device) if precision == "tf32" else nullcontext():
        product = measure_product(task.device, task.small, DTYPES[precision])
    return Peaks(find_bandwidth(task), 1e12 * float(product.value or 0))
