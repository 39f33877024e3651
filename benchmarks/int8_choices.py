"""Ways to quantise, compared: python -m benchmarks.int8_choices [--model_path FILE] [--prepared DIR]

Each line changes one of `engine.int8.SETTINGS`. With a checkpoint: how far the posteriors on dev are from those in
float32, and the WER. Without one: the time of the published network with random weights at 224x224 pixels.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType
from scipy.special import log_softmax

from benchmarks.export import build_random_recogniser
from benchmarks.network import median_seconds
from engine.export_parity import make_random_clip, write_and_read_back
from engine.int8 import USUAL_CLIPS, Int8Corpus, count_word_errors, load_int8_corpus, quantise
from evaluation.inference.onnx_network import OnnxNetwork
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.torch_network import Network
from utils.arguments import MOST_NUMBER, named_path, whole_number
from utils.output import run_command
from utils.table import format_table
from utils.temporal import TemporalSpec

FLOAT, CHOSEN = "float32", "int8 as it is exported"
CHOICES: dict[str, dict[str, Any]] = {
    CHOSEN: {},
    "convolutions alone": {"op_types_to_quantize": ["Conv"]},
    "sums in int8 too": {"op_types_to_quantize": ["Conv", "Relu", "Add"]},
    "sums and maxima in int8 too": {"op_types_to_quantize": ["Conv", "Relu", "Add", "MaxPool"]},
    "weights of 8 bits, not 7": {"reduce_range": False},
    "one scale for all channels": {"per_channel": False},
    "signed activations, no offset": {
        "activation_type": QuantType.QInt8, "extra_options": {"ActivationSymmetric": True}
    },
    "ranges: moving average": {"extra_options": {"CalibMovingAverage": True, "CalibMovingAverageConstant": 0.2}},
    "ranges: 99.99 percent": {
        "calibrate_method": CalibrationMethod.Percentile, "extra_options": {"CalibPercentile": 99.99}
    },
    "ranges: entropy": {"calibrate_method": CalibrationMethod.Entropy},
    "format QOperator": {"quant_format": QuantFormat.QOperator},
}  # fmt: skip
"""Ways to quantise: what each changes in `engine.int8.SETTINGS`."""


def build_choices(
    recogniser: Recogniser, clips: Sequence[np.ndarray], names: Sequence[str], folder: Path
) -> dict[str, Network]:  # fmt: skip
    """Write and read back the network in float32 and in each of the ways named.

    Args:
        recogniser: the network, with its configuration and vocabulary.
        clips: what the ranges come from, (T, 3, S, S) uint8 each; all are cut to the shortest, because onnxruntime's
            histograms (percentile, entropy) need clips of one length.
        names: keys of `CHOICES`.
        folder: where the files are written.
    """
    spec = TemporalSpec(recogniser.config.model_args.conv_type)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    source, target = folder / "float.onnx", folder / "int8.onnx"
    write_and_read_back(recogniser, "onnx", source)
    ways: dict[str, Network] = {FLOAT: OnnxNetwork(onnxruntime.InferenceSession(source, options), spec)}
    shortest = min(map(len, clips))
    for name in names:
        quantise(source, target, [clip[:shortest] for clip in clips], spec, **CHOICES[name])
        ways[name] = OnnxNetwork(onnxruntime.InferenceSession(target, options), spec)
    return ways


def compare_accuracy(recogniser: Recogniser, ways: Mapping[str, Network], corpus: Int8Corpus) -> str:
    """Recognise dev in each way: a table of how far posteriors are from float32's, and of the WER."""
    clips = corpus.data.loader.dataset
    expected = [log_softmax(ways[FLOAT](clips[0, place].video), -1) for place in range(len(clips))]  # (T', V) each
    rows = []
    for name, network in ways.items():
        found = [log_softmax(network(clips[0, place].video), -1) for place in range(len(clips))]
        divergence, differing = compare_posteriors(expected, found)
        result = count_word_errors(replace(recogniser, network=network), corpus.data, name)
        rows.append((name, f"{divergence:.1e}", f"{100 * differing:.2f} %", f"{result.wer:.2f} %"))
    return format_table(("ways to quantise", "KL a step", "other best class", f"{corpus.data.split} WER"), rows)


def compare_posteriors(expected: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> tuple[float, float]:
    """Compare the logarithms of posteriors, (T', V) for each clip.

    Returns:
        the mean over all steps of the Kullback-Leibler divergence KL(expected || found) in nats, and the share of steps
        whose best class is another.
    """
    before, after = np.concatenate(expected), np.concatenate(found)  # (steps, V)
    divergence = (np.exp(before) * (before - after)).sum(-1).mean()
    return float(divergence), float((before.argmax(-1) != after.argmax(-1)).mean())


def compare_speed(ways: Mapping[str, Network], clip: np.ndarray, repeats: int) -> str:
    """Measure the time of a clip (T, 3, S, S) uint8 in each way: a table."""
    times = median_seconds({name: partial(network, clip) for name, network in ways.items()}, repeats, "cpu")
    rows = [
        (name, f"{taken / times[CHOSEN]:.2f}", f"{1e3 * taken / len(clip):.2f}", f"{len(clip) / taken:.1f}")
        for name, taken in times.items()
    ]
    return format_table(("ways to quantise", "time, of what is exported", "ms a frame", "frames a second"), rows)


def main(args: argparse.Namespace) -> None:
    """Measure and print."""
    names = [CHOSEN, *(name for name in args.choices if name != CHOSEN)]
    if args.model_path:
        recogniser = Recogniser.from_checkpoint(args.model_path, "cpu")
        corpus = load_int8_corpus(recogniser, args.prepared, args.clips)
        clips = list(corpus.read_clips())
    else:
        recogniser, corpus = build_random_recogniser(), None
        size = recogniser.config.feeder_args.input_size
        clips = [make_random_clip(args.frames + number, size) for number in range(args.clips or 2)]
    with tempfile.TemporaryDirectory() as folder:
        ways = build_choices(recogniser, clips, names, Path(folder))
    print(f"ranges from {len(clips)} clips, {torch.get_num_threads()} threads, onnxruntime {onnxruntime.__version__}")
    print(compare_accuracy(recogniser, ways, corpus) if corpus else compare_speed(ways, clips[0], args.repeats))


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model_path", type=named_path, metavar="FILE", help="checkpoint (default: random weights)")
    parser.add_argument("--prepared", type=named_path, metavar="DIR", help="corpus (default: the checkpoint's)")
    parser.add_argument("--choices", nargs="+", choices=CHOICES, default=list(CHOICES), help="ways to quantise (all)")
    few = whole_number(1, MOST_NUMBER)
    parser.add_argument("--clips", type=few, help=f"clips that ranges are taken from ({USUAL_CLIPS}; random ones: 2)")
    parser.add_argument("--frames", type=few, default=24, help="length of the clip that is timed (default %(default)s)")
    parser.add_argument("--repeats", type=few, default=5, help="how often it is read (default %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
