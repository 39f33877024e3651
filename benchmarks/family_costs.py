"""What the variants of `benchmarks.family` cost: weights, time of a training step and of recognition, memory."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.family_runs import CONFIG, Variant
from benchmarks.memory import measure_peak_mib
from benchmarks.network import median_seconds
from benchmarks.work import without_gradients
from config.load import load_config
from config.schema import Config
from dataset.batch import Batch
from engine.training_step import build_step, prepare_network
from slr_network import build_model, for_recognition
from utils.precision import use_precision
from utils.temporal import TemporalSpec

TRAINING_ONLY = "HFEAM."
"""What the names of weights begin with that recognition does not use."""


@dataclass(frozen=True)
class Size:
    """The size at which costs are measured.

    Attributes:
        title: what the page says of it.
        config: the configuration that the systems are put into; None for theirs alone, as they were published.
        classes: V, the glosses and the blank.
        batch: the number of clips in a training step.
        frames: the number of frames of each clip.
    """

    title: str
    config: str | None
    classes: int
    batch: int
    frames: int


def list_sizes(glosses: int) -> dict[str, Size]:
    """The sizes by name: that of the trainings, whose corpus has so many glosses, and the published one."""
    return {
        "small": Size("as trained here (64x64 pixels, width 16)", str(CONFIG), glosses + 1, 2, 56),
        "published": Size("as published (224x224 pixels, own backbone)", None, 1296, 1, 32),
    }


def load_variant(variant: Variant, size: Size, device: str) -> Config:
    """The configuration of a variant at a size."""
    return load_config(size.config, variant.overrides | {"device": device, "model_args.pretrained": "none"})[0]


def draw_batch(config: Config, size: Size, clips: int) -> Batch:
    """Draw random clips, padded as the loader does, with two glosses each."""
    generator = torch.Generator().manual_seed(0)
    side = config.feeder_args.input_size
    video = torch.randint(0, 256, (clips, size.frames, 3, side, side), dtype=torch.uint8, generator=generator)
    spec = TemporalSpec(config.model_args.conv_type)
    return Batch(
        ids=tuple(f"clip {number}" for number in range(clips)),
        video=video[:, spec.pad(size.frames)],  # (B, T_pad, 3, S, S)
        lengths=torch.full((clips,), size.frames),
        targets=torch.arange(1, 3).repeat(clips),
        target_lengths=torch.full((clips,), 2),
    )


def make_training_step(config: Config, size: Size) -> partial[Any]:
    """Prepare a step of the training, optimiser included, as the program does it."""
    torch.manual_seed(0)
    device = torch.device(config.device)
    use_precision(config.precision, device)
    model = build_model(config.model_args, size.classes, pretrained=False).to(device).train()
    network = prepare_network(config, model, device)
    step = build_step(network, model, config.loss_weights, config.optimizer_args, device, 100, skip=False)
    return partial(step, [draw_batch(config, size, size.batch)])


def make_recognition(config: Config, size: Size) -> Callable[[], Tensor]:
    """Prepare the recognition of one clip, as the evaluation does it, without the search for glosses."""
    torch.manual_seed(0)
    use_precision(config.precision, torch.device(config.device))
    model = build_model(config.model_args, size.classes, pretrained=False).to(config.device).eval()
    batch = draw_batch(config, size, 1).to(torch.device(config.device))
    return without_gradients(for_recognition(model, config.precision), batch.video, batch.lengths)


MAKERS: dict[str, Callable[[Config, Size], Callable[[], Any]]] = {
    "step": make_training_step,
    "recognition": make_recognition,
}


def count_weights(config: Config, classes: int) -> dict[str, int]:
    """Count the weights that are trained, each once, and those of them that recognition uses."""
    with torch.device("meta"):  # needs no memory
        model = build_model(config.model_args, classes, pretrained=False)
    sizes = {name: weight.numel() for name, weight in model.named_parameters()}
    used = [number for name, number in sizes.items() if not name.startswith(TRAINING_ONLY)]
    return {"weights": sum(sizes.values()), "weights_in_recognition": sum(used)}


def measure_costs(variants: Sequence[Variant], size: Size, device: str, repeats: int) -> dict[str, dict[str, float]]:
    """Measure what the variants cost, all in turn, so that a machine that becomes slower on the way is unfair to none.

    Returns:
        by the variant's name: `weights`, `weights_in_recognition`, `step_seconds` (of the whole batch),
        `recognition_seconds` (of a frame), `step_mib` (what the first training step came to need beyond network and
        clips, so the gradients and the optimiser's averages are in it) and `recognition_mib`.
    """
    configs = {variant.name: load_variant(variant, size, device) for variant in variants}
    costs: dict[str, dict[str, float]] = {
        name: dict(count_weights(config, size.classes)) for name, config in configs.items()
    }
    for kind, maker in MAKERS.items():
        works = {name: maker(config, size) for name, config in configs.items()}
        for name, seconds in median_seconds(works, repeats, device).items():
            costs[name][f"{kind}_seconds"] = seconds / (size.frames if kind == "recognition" else 1)
        works.clear()  # before other processes need the memory
        for name, config in configs.items():
            threads = torch.get_num_threads()
            costs[name][f"{kind}_mib"] = measure_peak_mib(maker, (config, size), device, threads)
    return costs


def describe_machine(device: str, repeats: int) -> Mapping[str, Any]:
    """What the costs were measured on and how, as plain values."""
    return {
        "device": torch.cuda.get_device_name(device) if device != "cpu" else "cpu",
        "capability": torch.backends.cpu.get_cpu_capability(),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "repeats": repeats,
    }
