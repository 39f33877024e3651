"""Several processes: NCCL, BatchNorm over two processes on one device, and how it is folded afterwards."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from benchmarks.gpu.section import Finding, Task, check, check_below, skip
from benchmarks.random_network import enliven
from engine.distributed import wrap_ddp
from engine.sync_batchnorm import convert_sync_batchnorm
from modules.batch_norm import find_batch_norms
from modules.folding import fold_norms
from slr_network import SLRModel
from utils.precision import without_tf32

FRAMES, SIZE = 16, 64  # of a clip, and pixels
EQUAL = 1e-9  # in float64, as a share of the largest value
FOLDED = 1e-4  # in float32
SMALL = 1e-6  # as a share of the largest value of all tensors
PATIENCE = timedelta(seconds=30)

NCCL = "cpu:gloo,cuda:nccl"
"""How the processes of a training on GPUs are connected (`engine.distributed`)."""

Result = dict[str, Tensor]
"""Gradients and running statistics by name."""


def run(task: Task) -> Iterator[Finding]:
    """Check what several processes do."""
    yield from check_folding(task.device)
    alone = take_step(task.device, lambda model: model, range(2))
    yield compare_in_processes("two processes with SyncBatchNorm", "gloo", 2, task.device, alone)
    for name, cards in (("NCCL, one process", 1), ("NCCL, two cards", 2)):
        if task.device.type != "cuda":
            yield skip(name)
        elif not dist.is_nccl_available():
            yield skip(name, "this PyTorch has no NCCL")
        elif torch.cuda.device_count() < cards:
            yield skip(name, "no second CUDA device")
        else:
            yield compare_in_processes(name, NCCL, cards, task.device, alone)


def check_folding(device: torch.device) -> Iterator[Finding]:
    """Fold the norms of a network that was made for several processes: none is left, and it recognises the same."""
    model = build_network().float().to(device)
    video, lengths = draw_clips(device, range(2))
    with torch.no_grad(), without_tf32(device):
        expected = model.eval()(video, lengths).sequence_logits
        converted = convert_sync_batchnorm(model)
        norms, fused = len(find_batch_norms([converted])), fold_norms(converted)
        found = fused(video, lengths).sequence_logits
    left = len(find_batch_norms([fused]))
    yield check("norms left unfolded", left == 0, left, note=f"of {norms} over several processes")
    difference = float((found - expected).abs().max() / expected.abs().max())
    yield check_below("recognition with folded norms", difference, FOLDED, note="of the largest logit, from unfolded")


def compare_in_processes(name: str, backend: str, processes: int, device: torch.device, alone: Result) -> Finding:
    """Compare a step of several processes, each with its share of two clips, with that of one alone.

    They are on one device, or with NCCL, which wants one for each, on as many.
    """
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(_work, (backend, processes, str(device), folder), nprocs=processes)
        together: Result = torch.load(result_path(folder), weights_only=True)
    worst, where = find_worst(together, alone)
    note = f"{backend}, float64; the largest difference from one process with both clips, of {where}"
    return check_below(name, worst, EQUAL, note=note)


def _work(rank: int, backend: str, processes: int, device_name: str, folder: str) -> None:
    """Take a step in one of the processes; the first one writes the result."""
    device = torch.device(device_name)
    if backend == NCCL:
        device = choose_card(device, rank)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    store = (Path(folder) / "store").as_uri()
    dist.init_process_group(backend, init_method=store, rank=rank, world_size=processes, timeout=PATIENCE)
    try:
        clips = range(2) if processes == 1 else range(rank, rank + 1)
        found = take_step(device, share_gradients, clips)
        if rank == 0:
            torch.save(found, result_path(folder))
    finally:
        dist.destroy_process_group()


def choose_card(first: torch.device, rank: int) -> torch.device:
    """The card of a process, of which the first one has `first`."""
    return torch.device("cuda", ((first.index or 0) + rank) % torch.cuda.device_count())


def share_gradients(model: nn.Module) -> nn.Module:
    """Wrap a network as training does; of one process, too, which training leaves as it is."""
    if dist.get_world_size() > 1:
        return wrap_ddp(model, sync_batchnorm=True)
    return DistributedDataParallel(convert_sync_batchnorm(model))


def take_step(device: torch.device, wrap: Callable[[nn.Module], nn.Module], clips: range) -> Result:
    """Compute gradients in float64 on some of two clips.

    Args:
        device: the device to compute on.
        wrap: makes of the network what is called.
        clips: the numbers of the clips.

    Returns:
        the gradients of the sum over both clips, and the running statistics, on the CPU.
    """
    model = build_network().to(device).train()
    network = wrap(model)  # it is kept until the backward pass, in which gradients are shared
    output = network(*draw_clips(device, clips))
    heads = (output.sequence_logits, output.conv_logits, *output.scale_logits)
    loss = torch.stack([logits.square().sum() for logits in heads]).sum()
    processes = dist.get_world_size() if dist.is_initialized() else 1
    (processes * loss).backward()  # gradients are the mean over the processes
    found = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    found |= dict(model.named_buffers())
    return {name: value.detach().cpu() for name, value in found.items()}


def build_network() -> SLRModel:
    """Build a small network in float64 without dropout; always the same."""
    torch.manual_seed(0)
    model = SLRModel(5, backbone="resnet18", width=16, hidden_size=32, dropout=0.0)
    enliven(model, SIZE)
    for norm in find_batch_norms([model]):
        norm.momentum = 0.1
    return model.double()


def draw_clips(device: torch.device, clips: range) -> tuple[Tensor, Tensor]:
    """Draw some of two clips that are always the same: video (B, T_pad, 3, S, S) uint8, lengths (B,)."""
    generator = torch.Generator().manual_seed(0)
    video = torch.randint(0, 256, (2, FRAMES + 12, 3, SIZE, SIZE), dtype=torch.uint8, generator=generator)
    return video[list(clips)].to(device), torch.full((len(clips),), FRAMES)


def find_worst(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> tuple[float, str]:
    """Find the largest difference of two results and the name of its tensor; NaN is larger than all.

    A difference is a share of the largest value of its tensor; of gradients that are zero but for rounding, such as
    those of a bias before a norm, a share of what is small among all.
    """
    if found.keys() != expected.keys():
        return math.nan, f"the tensors differ: {', '.join(sorted(found.keys() ^ expected.keys()))}"
    small = SMALL * max(float(value.abs().max()) for value in expected.values())
    shares = {
        name: float((found[name] - value).abs().max()) / max(float(value.abs().max()), small)
        for name, value in expected.items()
    }
    worst = max(shares, key=lambda name: (math.isnan(shares[name]), shares[name]))
    return shares[worst], worst


def result_path(folder: str) -> Path:
    """Where the first process writes its result."""
    return Path(folder) / "result.pt"
