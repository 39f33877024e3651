"""Measure speed and memory of the network: python -m benchmarks.network

The network beside a plain 3-D implementation of the same equations (`benchmarks.reference3d`, the same weights, results
checked equal first) and beside torchvision's bare backbone on the same frames, which is the floor. Ratios first. Times
are medians, ways taken in turn; memory is what a process of its own came to need beyond the weights (on the CPU as
Linux counts it).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import torch
import torchvision
from torch import Tensor, nn

from benchmarks.memory import measure_peak_mib
from benchmarks.random_network import enliven
from benchmarks.reference3d import Reference3d
from benchmarks.work import Work, train_bare_backbone, train_network, without_gradients
from slr_network import SLRModel, fuse_for_inference
from utils.output import run_command
from utils.precision import computes_bfloat16, use_precision, without_tf32
from utils.table import format_table
from utils.temporal import TemporalSpec

CLASSES = 1296
SECTIONS = ("recognition", "training", "length", "batch")
HEADER = ("", "of the 3-D one", "of the bare backbone", "ms a frame", "peak MiB")


def build_network(args: argparse.Namespace) -> SLRModel:
    """Build the published network with random weights of which all count."""
    torch.manual_seed(0)
    model = SLRModel(CLASSES, args.backbone, args.hidden_size, width=args.width)
    if args.lively:  # it takes more memory than what is measured
        enliven(model, args.size)
    return model.eval().to(args.device)


def draw_clips(args: argparse.Namespace, frames: int, batch: int = 1) -> tuple[Tensor, Tensor]:
    """Draw random clips (B, T_pad, 3, H, W) uint8, padded as the loader does, and their lengths."""
    generator = torch.Generator().manual_seed(0)
    video = torch.randint(0, 256, (batch, frames, 3, args.size, args.size), dtype=torch.uint8, generator=generator)
    return video[:, TemporalSpec().pad(frames)].to(args.device), torch.full((batch,), frames)


def build_bare_backbone(args: argparse.Namespace, video: Tensor) -> tuple[nn.Module, Tensor]:
    """Build torchvision's network, channels-last, and the frames (B*T_pad, 3, H, W) for it."""
    bare = getattr(torchvision.models, args.backbone)().to(args.device, memory_format=torch.channels_last)
    frames = video.flatten(0, 1).float() / 127.5 - 1
    return bare, frames.contiguous(memory_format=torch.channels_last)


def build_recognition(args: argparse.Namespace, way: str, frames: int, batch: int = 1) -> Work:
    """Prepare recognition in one of the ways of `RECOGNITION`."""
    model, (video, lengths) = build_network(args), draw_clips(args, frames, batch)
    if way == "bare backbone":
        bare, x = build_bare_backbone(args, video)
        return without_gradients(bare.eval(), x)
    if way == "3-D":
        return without_gradients(Reference3d(model, args.backbone).to(args.device).eval(), video, lengths)
    if way == "with HFAM":
        return without_gradients(model, video, lengths, True)
    network = fuse_for_inference(model, torch.bfloat16 if way == "fused, bf16" else torch.float32)
    if way == "fused, all at once":
        network.frame_chunk = frames
    if way == "fused, compiled":
        network.conv2d.compile_stages()
    if way == "fused, all frames different":
        video = torch.randint_like(video, 0, 256)
    return without_gradients(network, video, lengths)


RECOGNITION = {
    "3-D": None, "with HFAM": 1e-3, "fused, all at once": 1e-3, "fused, in chunks": 1e-3, "fused, compiled": 1e-3,
    "fused, bf16": 0.1, "fused, all frames different": None, "bare backbone": None,
}  # fmt: skip
"""Ways to recognise -> how far their results may be from the first way's, as a share of the largest value; None where
the results are others. The first two compute HFAM, as the published code does; the fused ones compute equal frames
(padding) once.
"""


def build_training_step(args: argparse.Namespace, way: str, frames: int, batch: int = 1) -> Work:
    """Prepare a training step without the optimiser, in one of the ways of `TRAINING`."""
    model, (video, lengths) = build_network(args), draw_clips(args, frames, batch)
    if way == "bare backbone":
        return train_bare_backbone(*build_bare_backbone(args, video))
    net = Reference3d(model, args.backbone).to(args.device) if way == "3-D" else model
    model.conv2d.recompute.level = RECOMPUTE.get(way, "blocks")
    model.autocast = torch.bfloat16 if way == "network, bf16" else torch.float32
    return train_network(net, video, lengths)


RECOMPUTE = {"network, recompute none": "none", "network, recompute stages": "stages"}
"""Ways to train that differ from `network` in what is computed again -> the configuration's `recompute`."""

TRAINING = {
    "3-D": None, "network": 1e-3, **dict.fromkeys(RECOMPUTE, 1e-3), "network, bf16": 0.1, "bare backbone": None,
}  # fmt: skip
MAKERS = {"recognition": build_recognition, "training": build_training_step}


def median_seconds(works: Mapping[str, Callable[[], object]], repeats: int, device: str) -> dict[str, float]:
    """Measure the median seconds of each work, taken in turn after one call that warms up.

    In turn, so that a machine that becomes slower on the way is unfair to none.
    """
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(repeats + 1):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            if device != "cpu":
                torch.cuda.synchronize(device)
            if turn:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(taken) for name, taken in times.items()}


def measure_memory(args: argparse.Namespace, kind: str, way: str, frames: int, batch: int = 1) -> float:
    """Measure the MiB that one call came to need beyond network and clip."""
    plain = argparse.Namespace(**vars(args) | {"lively": False})
    return measure_peak_mib(MAKERS[kind], (plain, way, frames, batch), args.device, args.threads)


def compare_ways(args: argparse.Namespace, kind: str, ways: Mapping[str, float | None], frames: int) -> str:
    """Format the table of a section, once the results were found equal; bf16 where the device has arithmetic for it."""
    able = computes_bfloat16(torch.device(args.device))
    works = {way: MAKERS[kind](args, way, frames) for way in ways if able or "bf16" not in way}
    with without_tf32(args.device):
        expected = works["3-D"]()
    for way, tolerance in ways.items():
        if tolerance is None or way not in works:
            continue
        with without_tf32(args.device):
            difference = float((works[way]() - expected).abs().max() / expected.abs().max())
        print(f"{kind}, {way}: differs from the 3-D one by {difference:.1e} of the largest value")
        if difference > tolerance:
            raise RuntimeError(f"{kind}, {way}: not the same network as the 3-D one")
    seconds = median_seconds(works, args.repeats, args.device)
    del works
    rows = []
    for way, taken in seconds.items():
        ratios = (f"{taken / seconds[other]:.2f}" for other in ("3-D", "bare backbone"))
        peak = "" if "compiled" in way else f"{measure_memory(args, kind, way, frames):.0f}"  # compiling takes more
        rows.append((way, *ratios, f"{1e3 * taken / frames:.1f}", peak))
    return format_table((kind, *HEADER[1:]), rows)


def measure_growth(args: argparse.Namespace, sizes: Sequence[tuple[int, int]]) -> str:
    """Format a table of recognition's cost: a line for each (frames, clips), as a share of the first."""
    rows, first = [], None
    for frames, batch in sizes:
        work = {"fused": build_recognition(args, "fused, in chunks", frames, batch)}
        each = median_seconds(work, 1 if frames * batch > 200 else args.repeats, args.device)["fused"] / frames / batch
        first = first or each
        peak = measure_memory(args, "recognition", "fused, in chunks", frames, batch)
        rows.append((f"{batch} x {frames}", f"{each / first:.2f}", f"{1e3 * each:.1f}", f"{peak:.0f}"))
    return format_table(("clips x frames", "of the first", "ms a frame", "peak MiB"), rows)


def main(args: argparse.Namespace) -> None:
    """Print the sections asked for."""
    torch.set_num_threads(args.threads)
    precision = use_precision("default", torch.device(args.device))
    print(
        f"{args.backbone}, width {args.width}, {args.size}x{args.size} pixels, {args.device}, {precision} (results "
        f"compared in fp32), {args.threads} threads, PyTorch {torch.__version__}, "
        f"{torch.backends.cpu.get_cpu_capability()}; medians of {args.repeats}"
    )
    for section in args.sections:
        print()
        if section == "recognition":
            print(compare_ways(args, section, RECOGNITION, args.frames))
        elif section == "training":
            print(compare_ways(args, section, TRAINING, args.training_frames))
        elif section == "length":
            print(measure_growth(args, [(frames, 1) for frames in args.lengths]))
        else:
            print(measure_growth(args, [(args.frames, batch) for batch in (1, 2, 4)]))


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", choices=["resnet18", "resnet34"], default="resnet34", help="kind of backbone")
    parser.set_defaults(lively=True)
    return parse_sizes(parser, arguments, SECTIONS, 32, [50, 100, 200, 500, 1000])


def parse_sizes(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None, sections: Sequence[str], training_frames: int,
    lengths: Sequence[int],
) -> argparse.Namespace:  # fmt: skip
    """Read a command line that chooses sections, a device, and the sizes of network and clips.

    Args:
        parser: what has the other options.
        arguments: the words; None takes those of this process.
        sections: what there is to measure; all of it is usual.
        training_frames, lengths: the usual frames of a clip to train on, and of the clips to recognise.
    """
    parser.add_argument("sections", nargs="*", default=sections, help=f"of {', '.join(sections)} (default: all)")
    for name, default, what in (
        ("frames", 60, "real frames of a clip to recognise"),
        ("training_frames", training_frames, "frames of a clip to train on"),
        ("repeats", 5, "calls that are measured"), ("size", 224, "side of a frame"), ("width", 64, "channels at first"),
        ("hidden_size", 1024, "temporal layers' channels"), ("threads", torch.get_num_threads(), "threads of PyTorch"),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{what} (default %(default)s)")
    parser.add_argument("--lengths", type=int, nargs="+", default=lengths, help="frames of a clip")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default %(default)s)")
    args = parser.parse_args(arguments)
    unknown = set(args.sections) - set(sections)
    if unknown:
        parser.error(f"no sections {sorted(unknown)}; choose from {', '.join(sections)}")
    return args


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
