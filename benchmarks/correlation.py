"""Measure CorrNet and its correlation block: python -m benchmarks.correlation

A training step of the block beside its formula written down with einsum (the same weights, results and gradients
checked equal first), at the three places where the network has it; recognition with CorrNet beside torchvision's bare
ResNet18 on frames of which none equals another; and CorrNet's memory for longer and longer clips. Times are medians,
ways taken in turn; memory is what a process of its own came to need beyond weights and inputs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.memory import measure_peak_mib
from benchmarks.network import CLASSES, build_bare_backbone, median_seconds, parse_sizes
from benchmarks.work import without_gradients
from modules.correlation import CorrelationFusion
from slr_network import SLRModel, fuse_for_inference
from utils.output import run_command
from utils.precision import use_precision, without_tf32
from utils.table import format_table
from utils.temporal import TemporalSpec

SECTIONS = ("training", "recognition", "length")
WAYS = ("einsum", "block")
TOLERANCE = 1e-4  # how far a result or a gradient may be from the plain one's, as a share of the largest value
Step = Callable[[], list[Tensor]]


def compute_plainly(block: CorrelationFusion, x: Tensor) -> Tensor:
    """The block by its equations, for whole clips none of which ends early: (B, C, T, H, W) -> the same."""
    k = F.conv3d(x, block.down_conv2.weight)
    following = torch.cat([k[:, :, 1:], k[:, :, -1:]], 2).flatten(3)  # (B, C, T, P)
    previous = torch.cat([k[:, :, :1], k[:, :, :-1]], 2).flatten(3)
    f = torch.zeros_like(following)
    for weight, n in zip(block.weights2, (following, previous), strict=True):
        agreement = torch.einsum("bctp,bctq->btpq", x.flatten(3), n)
        f = f + weight * torch.einsum("bctq,btpq->bctp", n, torch.sigmoid(agreement) - 0.5)
    reduced = F.conv3d(x, block.down_conv.weight)
    z = torch.zeros_like(reduced)
    for i, weight in enumerate(block.weights, start=1):
        conv = getattr(block, f"spatial_aggregation{i}")
        z = z + weight * F.conv3d(
            reduced, conv.weight, conv.bias, padding=(4, i, i), dilation=(1, i, i), groups=len(conv.weight)
        )
    gate = torch.sigmoid(F.conv3d(z, block.conv_back.weight)) - 0.5
    return f.unflatten(3, x.shape[3:]) * gate


def build_step(args: argparse.Namespace, way: str, place: int) -> Step:
    """Prepare a training step of the block after a stage, for its result and gradients.

    Args:
        args: the command line.
        way: one of `WAYS`.
        place: the number of the stage, 2 to 4.
    """
    torch.manual_seed(0)
    channels, side = args.width * 2 ** (place - 1), args.size // 2 ** (place + 1)
    block = CorrelationFusion(channels).to(args.device)
    # Small enough that the sigmoids are not all zero or one.
    clip = torch.rand(args.training_frames, channels, side, side, device=args.device) * channels**-0.25
    towards = torch.randn_like(clip).contiguous(memory_format=torch.channels_last)
    frames = clip.contiguous(memory_format=torch.channels_last).requires_grad_()
    volume = clip.transpose(0, 1)[None].contiguous().requires_grad_()  # (1, C, T, H, W)
    weights = list(block.parameters())
    plain_towards = towards.transpose(0, 1)[None].contiguous()
    del clip

    def step() -> list[Tensor]:
        if way == "block":
            m = block(frames, 1)
            return [m.detach(), *torch.autograd.grad(m, [frames, *weights], towards)]
        m = compute_plainly(block, volume)
        by_x, *by_weights = torch.autograd.grad(m, [volume, *weights], plain_towards)
        return [m.detach()[0].transpose(0, 1), by_x[0].transpose(0, 1), *by_weights]

    if args.training_frames > 2:  # a smaller one first: what the libraries need once is not the step's
        build_step(argparse.Namespace(**vars(args) | {"training_frames": 2}), way, place)()
    return step


def compare_steps(args: argparse.Namespace) -> str:
    """Format the table of training steps, once both ways were found equal."""
    rows = []
    for place in (2, 3, 4):
        steps = {way: build_step(args, way, place) for way in WAYS}
        with without_tf32(args.device):
            results = [step() for step in steps.values()]
        for expected, got in zip(*results, strict=True):
            difference = float((got - expected).abs().max() / expected.abs().max())
            if not difference < TOLERANCE:
                raise RuntimeError(f"after stage {place} the block differs from its formula by {difference:.1e}")
        seconds = median_seconds(steps, args.repeats, args.device)
        peaks = {way: measure_peak_mib(build_step, (args, way, place), args.device, args.threads) for way in WAYS}
        for way in WAYS:
            rows.append((
                f"after stage {place}, {way}", f"{seconds[way] / seconds['einsum']:.2f}",
                f"{peaks[way] / peaks['einsum']:.2f}", f"{1e3 * seconds[way] / args.training_frames:.1f}",
                f"{peaks[way]:.0f}",
            ))  # fmt: skip
    return format_table(("training", "time of einsum's", "memory of einsum's", "ms a frame", "peak MiB"), rows)


def build_corrnet(args: argparse.Namespace, frames: int) -> Callable[[], Tensor]:
    """Prepare recognition of one clip, of which no frame equals another, with CorrNet as it recognises."""
    torch.manual_seed(0)
    model = SLRModel(
        CLASSES, "resnet18", args.hidden_size, width=args.width, fusion="correlation", pooling="max", hfam=False
    )  # fmt: skip
    network = fuse_for_inference(model.eval().to(args.device))
    return without_gradients(network, draw_clip(args, frames), torch.tensor([frames]))


def draw_clip(args: argparse.Namespace, frames: int) -> Tensor:
    """Draw random frames, as many as the clip has with its padding, (1, T_pad, 3, H, W) uint8."""
    padded = TemporalSpec().padded_length(frames)
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (1, padded, 3, args.size, args.size), dtype=torch.uint8, generator=generator).to(
        args.device
    )


def compare_recognition(args: argparse.Namespace) -> str:
    """Format the table of recognition."""
    video = draw_clip(args, args.frames)
    bare, x = build_bare_backbone(argparse.Namespace(backbone="resnet18", device=args.device), video)
    works = {"bare ResNet18": without_gradients(bare.eval(), x), "CorrNet": build_corrnet(args, args.frames)}
    seconds = median_seconds(works, args.repeats, args.device)
    rows = [
        (way, f"{taken / seconds['bare ResNet18']:.2f}", f"{1e3 * taken / video.shape[1]:.1f}")
        for way, taken in seconds.items()
    ]
    return format_table(("recognition", "of the bare backbone", "ms a frame"), rows)


def measure_lengths(args: argparse.Namespace) -> str:
    """Format the table of CorrNet's memory for each length of a clip."""
    peaks = [measure_peak_mib(build_corrnet, (args, frames), args.device, args.threads) for frames in args.lengths]
    rows = [(str(frames), f"{peak:.0f}") for frames, peak in zip(args.lengths, peaks, strict=True)]
    return format_table(("frames", "peak MiB"), rows)


def main(args: argparse.Namespace) -> None:
    """Print the sections asked for."""
    torch.set_num_threads(args.threads)
    use_precision("default", torch.device(args.device))
    print(
        f"width {args.width}, {args.size}x{args.size} pixels, {args.device}, {args.threads} threads, PyTorch "
        f"{torch.__version__}, {torch.backends.cpu.get_cpu_capability()}; medians of {args.repeats}"
    )
    makers = {"training": compare_steps, "recognition": compare_recognition, "length": measure_lengths}
    for section in args.sections:
        print(f"\n{makers[section](args)}")


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    return parse_sizes(parser, arguments, SECTIONS, 64, [50, 200, 1000])


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
