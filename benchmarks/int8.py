"""Recognition in 8-bit integers on the CPU, by onnxruntime: python -m benchmarks.int8 [--model_path FILE]

The network in PyTorch, in ONNX, and in ONNX with its convolutions in int8, whose ranges come from a few clips: time for
one clip beside the plain 3-D implementation, all with as many threads and in turn, ratios first. It is the published
size with random weights; or a checkpoint's network with clips of its training split, and then the word error rates too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnxruntime import InferenceSession
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from benchmarks.export import build_random_recogniser
from benchmarks.network import median_seconds
from benchmarks.reference3d import Reference3d
from dataset.loader import build_loader
from dataset.manifest import load_manifest
from engine.export import make_random_clip, write_and_read_back
from evaluation.ctm import CtmEntry
from evaluation.evaluate import EvaluationData, load_evaluation_data, normalise_entries
from evaluation.inference.onnx_network import INPUT, OnnxNetwork
from evaluation.inference.recogniser import Network, Recogniser
from evaluation.wer import score_with_tool
from evaluation.wer_result import RESULT_COLUMNS, WerResult, format_result_cells
from utils.errors import InputError
from utils.output import run_command
from utils.progress import show_progress
from utils.table import format_table
from utils.temporal import TemporalSpec

PLAIN, PYTORCH = "3-D, fp32", "PyTorch, fused, fp32"
ONNX, INT8 = "onnxruntime, fp32", "onnxruntime, int8"
SHORTEST = 24  # the frames of the shortest random clip; ranges are taken from such clips where there is no corpus
GOAL_SPEED = 4.0  # times as fast as the 3-D implementation
GOAL_WER = 0.5  # points of word error rate that int8 may cost


class CalibrationClips(CalibrationDataReader):
    """Clips (T, 3, S, S) uint8, one by one and padded, as onnxruntime's calibration asks for them."""

    def __init__(self, clips: Iterable[np.ndarray], spec: TemporalSpec) -> None:
        self._padded = (clip[spec.pad(len(clip))][None] for clip in clips)  # (1, T_pad, 3, S, S) each

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Give the network's input for the next clip; None after the last."""
        clip = next(self._padded, None)
        return None if clip is None else {INPUT: clip}


def quantise(source: Path, target: Path, clips: Iterable[np.ndarray], spec: TemporalSpec) -> None:
    """Write an exported network with its convolutions in int8.

    Weights have a scale for each output channel; activations are unsigned, for which onnxruntime has the faster code on
    x86. Weights, signed, keep seven bits: without VNNI two products are added in 16 bits, which eight would overflow.
    The activations' ranges are the smallest and largest values for these clips, (T, 3, S, S) uint8 each.
    """
    with tempfile.TemporaryDirectory() as folder:
        folded = Path(folder) / "folded.onnx"  # BatchNorm in the convolutions
        quant_pre_process(source, folded, skip_symbolic_shape=True)  # it fails where the number of frames is open
        quantize_static(
            folded,
            target,
            CalibrationClips(clips, spec),
            op_types_to_quantize=["Conv"],  # the LSTM has no static int8, and the rest is cheap
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
        )


def build_networks(
    recogniser: Recogniser, clips: Iterable[np.ndarray], folder: Path
) -> tuple[dict[str, Network], dict[str, str]]:  # fmt: skip
    """Build the network in three ways.

    Returns:
        the networks, and the MiB of the ONNX files, which are written to `folder`; both by name.
    """
    files = {ONNX: folder / "float.onnx", INT8: folder / "int8.onnx"}
    write_and_read_back(recogniser, "onnx", files[ONNX])
    spec = TemporalSpec(recogniser.config.model_args.conv_type)
    quantise(files[ONNX], files[INT8], clips, spec)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    read = {name: OnnxNetwork(InferenceSession(file, options), spec) for name, file in files.items()}
    sizes = {name: f"{file.stat().st_size / 2**20:.1f}" for name, file in files.items()}
    return {PYTORCH: recogniser.network} | read, sizes


def build_plain_network(recogniser: Recogniser) -> Network:
    """Build the same equations in 3-D with HFAM, as the published code computes them."""
    reference = Reference3d(recogniser.network.model, recogniser.config.model_args.c2d_type).eval()

    @torch.inference_mode()
    def network(video: np.ndarray) -> np.ndarray:
        batch = recogniser.network.make_batch(video)
        return reference(batch.video, batch.lengths).sequence_logits[:, 0].numpy()  # (T', V)

    return network


def count_word_errors(recogniser: Recogniser, network: Network, data: EvaluationData) -> WerResult:
    """Recognise and score a split by the rules of the evaluation, with a network in the place of the recogniser's."""
    reader, clips, entries = replace(recogniser, network=network), data.loader.dataset, []
    for index in show_progress(range(len(clips)), len(clips), data.split, "clip"):
        sample = clips[0, index]  # as the evaluation sees it, without padding
        entries.append(CtmEntry(sample.id, reader.recognise_cropped(sample.video, sample.id).words))
    config = recogniser.config
    hypotheses = normalise_entries(entries, config.normalise)
    return score_with_tool(data.references, hypotheses, config.evaluate_tool, config.sclite_path)


def load_training_clips(recogniser: Recogniser, number: int) -> list[np.ndarray]:
    """Load clips (T, 3, S, S) uint8, evenly spaced in the training split, as the evaluation would see them."""
    config = recogniser.config
    manifest = load_manifest(config.prepared, config.dataset, "train")
    spec = TemporalSpec(config.model_args.conv_type)
    clips = build_loader(
        manifest,
        recogniser.vocabulary,
        config.feeder_args,
        spec,
        batch_size=1,
        training=False,
        seed=config.random_seed,
        num_workers=0,
    ).dataset
    places = np.linspace(0, len(clips) - 1, min(number, len(clips)))
    return [clips[0, int(index)].video for index in places]


def compare_speed(
    ways: Mapping[str, Network], sizes: Mapping[str, str], clip: np.ndarray, repeats: int
) -> tuple[str, str]:
    """Measure times: a table, and what it says about int8."""
    times = median_seconds({name: partial(network, clip) for name, network in ways.items()}, repeats, "cpu")
    rows = []
    for name, taken in times.items():
        ratios = (f"{times[other] / taken:.2f}" for other in (PLAIN, PYTORCH))
        rows.append((name, *ratios, f"{taken:.3f} s", f"{1e3 * taken / len(clip):.2f}", sizes.get(name, "")))
    to = {name: taken / times[INT8] for name, taken in times.items()}
    verdict = (
        f"int8 is {to[PLAIN]:.2f} times as fast as the 3-D implementation (goal {GOAL_SPEED:g}: "
        f"{judge_goal(to[PLAIN] >= GOAL_SPEED)}), {to[PYTORCH]:.2f} times as fast as PyTorch and {to[ONNX]:.2f} times "
        "as fast as the same runtime in fp32"
    )
    return format_table(("times as fast as", "3-D", "PyTorch", "median", "ms a frame", "MiB"), rows), verdict


def compare_word_errors(recogniser: Recogniser, ways: Mapping[str, Network], split: str) -> tuple[str, str]:
    """Count the word errors of a split: a table, and what it says about int8."""
    data = load_evaluation_data(recogniser.config, split, recogniser.vocabulary)
    found = {name: count_word_errors(recogniser, network, data) for name, network in ways.items()}
    lost = found[INT8].wer - found[PYTORCH].wer
    verdict = f"{split} WER {lost:+.2f} points by int8 (at most {GOAL_WER:g}: {judge_goal(lost <= GOAL_WER)})"
    rows = [(name, *format_result_cells(result)) for name, result in found.items()]
    return format_table((split, *RESULT_COLUMNS), rows), verdict


def judge_goal(is_so: bool) -> str:
    """Say whether a goal was reached."""
    return "reached" if is_so else "missed"


def main(args: argparse.Namespace) -> None:
    """Measure and print; exits with one message for a network of another system."""
    recogniser = Recogniser.from_checkpoint(args.model_path, "cpu") if args.model_path else build_random_recogniser()
    prepared = str(args.prepared or recogniser.config.prepared)
    recogniser = replace(recogniser, config=replace(recogniser.config, prepared=prepared, num_worker=0))
    size, model = recogniser.config.feeder_args.input_size, recogniser.config.model_args
    random_clips = (make_random_clip(SHORTEST + number, size) for number in range(args.clips))
    clips = load_training_clips(recogniser, args.clips) if args.model_path else list(random_clips)
    print(
        f"{model.c2d_type}, width {model.width}, {size}x{size}, ranges from {len(clips)} clips; a clip of "
        f"{args.frames} frames, medians of {args.repeats}; {torch.get_num_threads()} threads, PyTorch "
        f"{torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, onnxruntime {onnxruntime.__version__}"
    )
    with tempfile.TemporaryDirectory() as folder:
        try:
            plain = {PLAIN: build_plain_network(recogniser)}
        except InputError as error:
            sys.exit(f"error: {error}")
        ways, sizes = build_networks(recogniser, clips, Path(folder))
        parts = [compare_speed(plain | ways, sizes, make_random_clip(args.frames, size), args.repeats)]
        if args.model_path:
            parts += [compare_word_errors(recogniser, ways, split) for split in args.splits]
    tables, verdicts = zip(*parts, strict=True)
    print("", "\n\n".join(tables), "", f"Verdict: {'; '.join(verdicts)}", sep="\n")


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model_path", type=Path, metavar="FILE", help="checkpoint (default: random weights)")
    parser.add_argument("--prepared", type=Path, metavar="DIR", help="prepared corpus (default: the checkpoint's)")
    parser.add_argument(
        "--splits", nargs="+", default=["test"], help="splits to score, with a checkpoint (default test)"
    )
    parser.add_argument(
        "--clips", type=int, default=8, help="number of clips that ranges are taken from (default %(default)s)"
    )
    parser.add_argument("--frames", type=int, default=60, help="length of the clip that is timed (default %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="how often it is read (default %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
