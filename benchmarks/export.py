"""Exported networks beside PyTorch's: python -m benchmarks.export

Difference of the logits and time for one clip on the CPU, of the published size (ResNet34, 224x224 pixels) with random
weights, or of a checkpoint.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from benchmarks.random_network import enliven
from config.load import load_config
from dataset.vocabulary import Vocabulary
from engine.export_formats import FORMATS
from engine.export_parity import compare_networks, make_random_clip, write_and_read_back
from evaluation.inference.recogniser import PUBLISHED_FRAME_SIZE, Recogniser
from evaluation.inference.torch_network import Network, TorchNetwork
from slr_network import build_model
from utils.output import run_command
from utils.table import format_table

GLOSSES = 1295  # of the published PHOENIX2014 network


def build_random_recogniser() -> Recogniser:
    """The published network with random weights."""
    torch.manual_seed(0)
    config = load_config(None, {"dataset": "phoenix2014"})[0]
    model = build_model(config.model_args, GLOSSES + 1, pretrained=False)
    enliven(model, config.feeder_args.input_size)
    vocabulary = Vocabulary([f"GLOSS{number}" for number in range(GLOSSES)])
    return Recogniser(TorchNetwork(model.eval()), config, vocabulary, PUBLISHED_FRAME_SIZE)


def measure_seconds(network: Network, clip: np.ndarray, repeats: int) -> list[float]:
    """The time that each reading of a clip took, in seconds; the first one, which warms up, is left out."""
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        network(clip)
        times.append(time.perf_counter() - started)
    return times[1:]


def measure(recogniser: Recogniser, frames: int, repeats: int, names: Sequence[str]) -> list[tuple[str, ...]]:
    """Measure PyTorch and each format.

    Args:
        recogniser: the network, with its configuration and vocabulary.
        frames: the number of frames of the clip that is timed.
        repeats: the number of times that it is read.
        names: the formats, keys of `FORMATS`.

    Returns:
        a row for each: name, MiB, largest differences, median time and fastest.
    """
    size = recogniser.config.feeder_args.input_size
    clip = make_random_clip(frames, size)
    reference = recogniser.network
    rows: list[tuple[str, ...]] = [("PyTorch", "", "", "", *format_times(measure_seconds(reference, clip, repeats)))]
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            path = Path(folder) / f"network{FORMATS[name].suffix}"
            network = write_and_read_back(recogniser, name, path)
            found = compare_networks(reference, network, size)
            worst = (f"{max(values):.1e}" for values in zip(*((p.absolute, p.relative) for p in found), strict=True))
            times = format_times(measure_seconds(network, clip, repeats))
            rows.append((name, f"{path.stat().st_size / 2**20:.1f}", *worst, *times))
    return rows


def format_times(times: Sequence[float]) -> tuple[str, str]:
    """Median and minimum, as text."""
    return f"{statistics.median(times):.2f} s", f"{min(times):.2f} s"


def main(args: argparse.Namespace) -> None:
    """Measure and print a table."""
    recogniser = Recogniser.from_checkpoint(args.model_path, "cpu") if args.model_path else build_random_recogniser()
    model = recogniser.config.model_args
    size = recogniser.config.feeder_args.input_size
    print(
        f"{model.c2d_type}, width {model.width}, hidden size {model.hidden_size}, {size}x{size} pixels, one clip of "
        f"{args.frames} frames, {args.repeats} times; {torch.get_num_threads()} threads, PyTorch {torch.__version__}, "
        f"onnxruntime {onnxruntime.__version__}"
    )
    header = ("network", "MiB", "largest difference", "relative", "median time", "fastest")
    print(format_table(header, measure(recogniser, args.frames, args.repeats, args.formats)))


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model_path", type=Path, metavar="FILE", help="checkpoint (default: random weights)")
    parser.add_argument("--frames", type=int, default=60, help="frames of the clip that is timed (default %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="times that it is read (default %(default)s)")
    parser.add_argument("--formats", nargs="+", choices=list(FORMATS), default=list(FORMATS), help="which (all)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
