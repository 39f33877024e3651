"""Measure what live reading gains by keeping what was computed of a frame: python -m benchmarks.live_reuse

A stream is read in windows that overlap, so that each frame is read several times. The network that reads each window
anew stands beside `FrameMemory`, which computes a frame once up to the first fusion (without one, all its features).
Both read the same windows in turn; results are checked equal first. Times are medians. The ratio stands beside the one
that the multiply-adds of convolutions and matrix products allow.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.random_network import enliven
from evaluation.inference.frame_memory import FrameMemory
from evaluation.inference.torch_network import TorchNetwork
from modules.stages import PREFIXES
from slr_network import SLRModel
from utils.device import move_to_device
from utils.output import run_command
from utils.precision import select_dtype, use_precision
from utils.table import format_table

HEADER = ("fusion", "readings a frame", "anew, ms a frame", "kept, ms a frame", "ratio", "by multiply-adds")
MOST = {torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.1}
"""How far results may be apart, as a share of the largest value, by the number format of the maps."""


class Size(NamedTuple):
    """The size of a network and of its frames."""

    classes: int
    backbone: str
    width: int
    hidden_size: int
    side: int


SIZES = {"quickstart": Size(13, "resnet18", 16, 256, 64), "resnet34": Size(1296, "resnet34", 64, 1024, 224)}
FUSIONS = (*PREFIXES, "none")


class Stream:
    """A stream of random frames without an end, read in both ways in windows that begin every `hop` frames."""

    def __init__(self, network: TorchNetwork, side: int, window: int, hop: int) -> None:
        self.network = network
        self.memory = FrameMemory(network)
        self.window = window
        self.hop = hop
        self._drawn = np.random.default_rng(0).integers(0, 256, (2 * window, 3, side, side), dtype=np.uint8)
        self._end = 0
        self._show(window)
        self.memory.read(self.numbers)

    @property
    def numbers(self) -> range:
        """Those of the window's frames."""
        return range(self._end - self.window, self._end)

    def advance(self) -> None:
        """Show the frames up to the end of the next window."""
        self._show(self.hop)
        self.memory.forget_before(self.numbers[0])

    def _show(self, frames: int) -> None:
        for number in range(self._end, self._end + frames):
            self.memory.append(self._drawn[number % len(self._drawn)])
        self._end += frames

    def read_kept(self) -> np.ndarray:
        """Read the window with what was kept."""
        return self.memory.read(self.numbers)

    def read_anew(self) -> np.ndarray:
        """Read the window's frames as a clip of their own."""
        return self.network(self.memory.frames(self.numbers))


def build_network(size: Size, fusion: str, args: argparse.Namespace) -> TorchNetwork:
    """Build a network with random weights of which all count."""
    torch.manual_seed(0)
    model = SLRModel(size.classes, size.backbone, size.hidden_size, width=size.width, fusion=fusion)
    return TorchNetwork(move_to_device(enliven(model, size.side), torch.device(args.device)).eval(), args.precision)


def count_multiply_adds(read: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    """Count those of convolutions and matrix products in one call, by the shapes; and what the call gave."""
    with FlopCounterMode(display=False) as counter:
        logits = read()
    return counter.get_total_flops() / 2, logits


def check_equal(kept: np.ndarray, anew: np.ndarray, most: float) -> None:
    """Raise RuntimeError where the results are further apart."""
    difference = float(np.abs(kept - anew).max() / np.abs(anew).max())
    if not difference < most:
        raise RuntimeError(f"what was kept gives other results: they differ by {difference:.1e} of the largest value")


def compare(network: TorchNetwork, side: int, readings: int, args: argparse.Namespace) -> tuple[str, ...]:
    """Measure a line of the table, without the name of the fusion."""
    stream = Stream(network, side, args.window, args.window // readings)
    stream.advance()
    count_kept, kept = count_multiply_adds(stream.read_kept)
    count_anew, anew = count_multiply_adds(stream.read_anew)
    check_equal(kept, anew, MOST[select_dtype(args.precision, network.model.device)])
    times: dict[Callable[[], np.ndarray], list[float]] = {stream.read_anew: [], stream.read_kept: []}
    for _ in range(args.repeats):
        stream.advance()
        for read, taken in times.items():
            start = time.perf_counter()
            read()  # its result is on the CPU, so that it is done
            taken.append(time.perf_counter() - start)
    slow, fast = map(statistics.median, times.values())
    each = (f"{1e3 * seconds / stream.hop:.2f}" for seconds in (slow, fast))
    return str(readings), *each, f"{fast / slow:.2f}", f"{count_kept / count_anew:.2f}"


def main(args: argparse.Namespace) -> None:
    """Print a table for each network."""
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    precision = use_precision(args.precision, device)
    print(
        f"windows of {args.window} frames; {args.device}, {precision}, {args.threads} threads, PyTorch "
        f"{torch.__version__}, {torch.backends.cpu.get_cpu_capability()}; medians of {args.repeats}"
    )
    for name in args.networks:
        size, rows = SIZES[name], []
        for fusion in args.fusions:
            network = build_network(size, fusion, args)
            rows += [(fusion, *compare(network, size.side, readings, args)) for readings in args.readings]
        print(f"\n{name}: {size.backbone}, width {size.width}, {size.side}x{size.side} pixels")
        print(format_table(HEADER, rows))


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", default=list(SIZES), help=f"of {', '.join(SIZES)} (default: all)")
    for name, default, what in (
        ("window", 96, "frames of a window"), ("repeats", 5, "windows that are measured"),
        ("threads", torch.get_num_threads(), "threads of PyTorch"),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{what} (default %(default)s)")
    parser.add_argument("--readings", type=int, nargs="+", default=[1, 2, 3, 6], help="how many windows read a frame")
    parser.add_argument("--fusions", nargs="+", choices=FUSIONS, default=["stf", "none"], help="kinds of fusion")
    parser.add_argument("--precision", default="fp32", help="as in a configuration (default %(default)s)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default %(default)s)")
    args = parser.parse_args(arguments)
    unknown = set(args.networks) - set(SIZES)
    if unknown:
        parser.error(f"no networks {sorted(unknown)}; choose from {', '.join(SIZES)}")
    uneven = [readings for readings in args.readings if args.window % readings]
    if uneven:
        parser.error(f"a window of {args.window} frames cannot be read {uneven[0]} times in equal steps")
    return args


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
