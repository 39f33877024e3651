"""Recognition in 8-bit integers on the CPU, by onnxruntime: python -m benchmarks.int8 [--model_path FILE]

The network in PyTorch, in ONNX, and in ONNX with 8-bit integers (`engine.int8`): time for one clip beside the plain 3-D
implementation and torchvision's bare backbone in float32, all with as many threads and in turn, ratios first. It is the
published size with random weights at 224x224 pixels; or a checkpoint's network with clips of its training split, and
then the word error rates too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnxruntime import InferenceSession

from benchmarks.export import build_random_recogniser
from benchmarks.network import build_bare_backbone, median_seconds
from benchmarks.reference3d import Reference3d
from benchmarks.work import without_gradients
from engine.export_parity import make_random_clip, write_and_read_back
from engine.int8 import USUAL_CLIPS, configure_reading, count_word_errors, load_int8_corpus, quantise
from evaluation.evaluate import load_evaluation_data
from evaluation.inference.onnx_network import OnnxNetwork
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.torch_network import Network, TorchNetwork
from evaluation.wer_result import RESULT_COLUMNS, format_result_cells
from utils.arguments import MOST_NUMBER, named_path, whole_number
from utils.errors import InputError
from utils.output import run_command
from utils.precision import computes_bfloat16
from utils.table import format_table
from utils.temporal import TemporalSpec

PLAIN, BARE = "3-D, fp32", "bare backbone, fp32"
PYTORCH, PYTORCH_BF16 = "PyTorch, fused, fp32", "PyTorch, fused, bf16"
ONNX, INT8 = "onnxruntime, fp32", "onnxruntime, int8"
SHORTEST = 24  # the frames of the shortest random clip; ranges are taken from such clips where there is no corpus
GOAL_RATE = 25.0  # frames a second
GOAL_WER = 0.5  # points of word error rate that int8 may cost


def build_networks(
    recogniser: Recogniser, clips: Iterable[np.ndarray], folder: Path
) -> tuple[dict[str, Network], dict[str, str]]:  # fmt: skip
    """Build the network in each way that this processor has arithmetic for.

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
    model = recogniser.network.model
    ways: dict[str, Network] = {PYTORCH: TorchNetwork(model, "fp32")}
    if computes_bfloat16(model.device):
        ways[PYTORCH_BF16] = TorchNetwork(model, "bf16")
    return ways | read, sizes


def build_plain_network(recogniser: Recogniser) -> Network:
    """Build the same equations in 3-D with HFAM, as the published code computes them."""
    reference = Reference3d(recogniser.network.model, recogniser.config.model_args.c2d_type).eval()

    @torch.inference_mode()
    def network(video: np.ndarray) -> np.ndarray:
        batch = recogniser.network.make_batch(video)
        return reference(batch.video, batch.lengths).sequence_logits[:, 0].numpy()  # (T', V)

    return network


def build_bare_work(recogniser: Recogniser, clip: np.ndarray) -> Callable[[], object]:
    """Build torchvision's network of images for the frames of a clip with its padding, to be timed alone."""
    args = argparse.Namespace(backbone=recogniser.config.model_args.c2d_type, device="cpu")
    bare, frames = build_bare_backbone(args, recogniser.network.make_batch(clip).video)
    return without_gradients(bare.eval(), frames)


def compare_speed(works: Mapping[str, Callable[[], object]], sizes: Mapping[str, str], frames: int, repeats: int
) -> tuple[str, str]:  # fmt: skip
    """Measure times: a table, and what it says about int8.

    Args:
        works: each way to recognise the clip, by name.
        sizes: the MiB of files, by name.
        frames: the number of the clip's own frames.
        repeats: how often it is read.
    """
    times = median_seconds(works, repeats, "cpu")
    rows = []
    for name, taken in times.items():
        ratios = (f"{times[other] / taken:.2f}" for other in (PLAIN, BARE, PYTORCH))
        speed = (f"{taken:.3f} s", f"{1e3 * taken / frames:.2f}", f"{frames / taken:.1f}")
        rows.append((name, *ratios, *speed, sizes.get(name, "")))
    rate, to = frames / times[INT8], {name: taken / times[INT8] for name, taken in times.items()}
    verdict = (
        f"int8 reads {rate:.1f} frames a second (goal {GOAL_RATE:g}: {judge_goal(rate >= GOAL_RATE)}), "
        f"is {to[BARE]:.2f} times as fast as the bare backbone in float32 (goal 1: {judge_goal(to[BARE] > 1)}), "
        f"{to[PLAIN]:.2f} times as fast as the 3-D implementation, {to[PYTORCH]:.2f} as PyTorch in float32 and "
        f"{to[ONNX]:.2f} as the same runtime in float32"
    )
    header = ("times as fast as", "3-D", "backbone", "PyTorch", "median", "ms a frame", "frames a second", "MiB")
    return format_table(header, rows), verdict


def compare_word_errors(recogniser: Recogniser, ways: Mapping[str, Network], split: str) -> tuple[str, str]:
    """Count the word errors of a split: a table, and what it says about int8."""
    data = load_evaluation_data(recogniser.config, split, recogniser.vocabulary)
    found = {name: count_word_errors(replace(recogniser, network=ways[name]), data, name) for name in ways}
    lost = found[INT8].wer - found[ONNX].wer
    verdict = f"{split} WER {lost:+.2f} points by int8 (at most {GOAL_WER:g}: {judge_goal(lost <= GOAL_WER)})"
    rows = [(name, *format_result_cells(result)) for name, result in found.items()]
    return format_table((split, *RESULT_COLUMNS), rows), verdict


def judge_goal(is_so: bool) -> str:
    """Say whether a goal was reached."""
    return "reached" if is_so else "missed"


def main(args: argparse.Namespace) -> None:
    """Measure and print; exits with one message for a network of another system."""
    recogniser = Recogniser.from_checkpoint(args.model_path, "cpu") if args.model_path else build_random_recogniser()
    recogniser = replace(recogniser, config=configure_reading(recogniser.config, args.prepared))
    size, model = recogniser.config.feeder_args.input_size, recogniser.config.model_args
    if args.model_path:
        corpus = load_int8_corpus(recogniser, args.prepared, args.clips)
        count, clips = len(corpus.places), corpus.read_clips()
    else:
        count = args.clips or USUAL_CLIPS
        clips = (make_random_clip(SHORTEST + number, size) for number in range(count))
    print(
        f"{model.c2d_type}, width {model.width}, {size}x{size}, ranges from {count} clips; a clip of "
        f"{args.frames} frames, medians of {args.repeats}; {torch.get_num_threads()} threads, PyTorch "
        f"{torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, onnxruntime {onnxruntime.__version__}"
    )
    with tempfile.TemporaryDirectory() as folder:
        try:
            plain = {PLAIN: build_plain_network(recogniser)}
        except InputError as error:
            sys.exit(f"error: {error}")
        ways, sizes = build_networks(recogniser, clips, Path(folder))
        clip = make_random_clip(args.frames, size)
        works: dict[str, Callable[[], object]] = {
            name: partial(network, clip) for name, network in (plain | ways).items()
        }
        works[BARE] = build_bare_work(recogniser, clip)
        parts = [compare_speed(works, sizes, args.frames, args.repeats)]
        if args.model_path:
            parts += [compare_word_errors(recogniser, ways, split) for split in args.splits]
    tables, verdicts = zip(*parts, strict=True)
    print("", "\n\n".join(tables), "", f"Verdict: {'; '.join(verdicts)}", sep="\n")


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model_path", type=named_path, metavar="FILE", help="checkpoint (default: random weights)")
    parser.add_argument(
        "--prepared", type=named_path, metavar="DIR", help="prepared corpus (default: the checkpoint's)"
    )
    parser.add_argument(
        "--splits", nargs="+", default=["test"], help="splits to score, with a checkpoint (default test)"
    )
    few = whole_number(1, MOST_NUMBER)
    parser.add_argument("--clips", type=few, help=f"number of clips that ranges are taken from (default {USUAL_CLIPS})")
    parser.add_argument("--frames", type=int, default=60, help="length of the clip that is timed (default %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="how often it is read (default %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
