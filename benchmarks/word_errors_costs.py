"""What the levers of `benchmarks.word_errors` cost in time: of reading a frame, and of a step of the training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from benchmarks.family_costs import describe_machine, list_sizes, load_variant, make_training_step
from benchmarks.family_runs import REFERENCE, VARIANTS
from benchmarks.network import median_seconds
from benchmarks.word_errors_levers import PLAIN, Reading
from benchmarks.word_errors_weights import Networks
from dataset.loader import build_loader
from dataset.manifest import load_manifest
from engine.checkpoint_config import load_evaluation_config
from engine.moving_average import MovingAverage
from evaluation.inference.read_clips import load_recogniser
from evaluation.inference.recogniser import Recogniser
from utils.temporal import TemporalSpec
from utils.text import plural

CLIPS = 20
"""Clips of dev that are read for each measurement."""


def measure_costs(readings: Sequence[Reading], networks: Networks, repeats: int) -> dict[str, Any]:
    """Measure on the CPU, all ways in turn, so that a machine that becomes slower on the way is unfair to none.

    Args:
        readings: one of each lever.
        networks: the networks.
        repeats: the measurements of each time, whose median counts.

    Returns:
        `reading`, the seconds for a frame by lever, decoding included; `training`, the seconds of a step without and
        with a moving average; `seeds`, the number of trainings; `about`, what was measured on what.
    """
    recognisers = {reading.lever.name: load_reader(reading) for reading in readings}
    clips = load_clips(recognisers[PLAIN], networks)
    works: dict[str, Callable[[], object]] = {
        name: lambda reader=reader: [reader.recognise_cropped(clip) for clip in clips]  # type: ignore[misc]
        for name, reader in recognisers.items()
    }
    taken = median_seconds(works, repeats, "cpu")
    frames = sum(map(len, clips))
    training = measure_steps(networks, repeats)
    machine = describe_machine("cpu", repeats)
    about = (
        f"Times: {plural(len(clips), 'clip')} of dev with {frames} frames, one by one and decoded, and a step of the "
        f"training; medians of {repeats}, {machine['capability']}, {plural(machine['threads'], 'thread')}, PyTorch "
        f"{machine['torch']}."
    )
    return {
        "reading": {name: seconds / frames for name, seconds in taken.items()},
        "training": training,
        "seeds": len(networks.seeds),
        "about": about,
    }


def load_reader(reading: Reading) -> Recogniser:
    """The recogniser that reads clip by clip what a reading reads."""
    if reading.lever.int8:
        return load_recogniser([reading.int8_file], "cpu", None, None)
    config = load_evaluation_config(None, reading.overrides)[0]
    loaded = load_recogniser(reading.files, "cpu", None, None, config.tta)
    return replace(loaded, config=replace(config, feeder_args=loaded.config.feeder_args))


def load_clips(recogniser: Recogniser, networks: Networks) -> list[np.ndarray]:
    """Load clips (T, 3, S, S) uint8, evenly spaced in dev, as the evaluation sees them."""
    config = recogniser.config
    manifest = load_manifest(str(networks.prepared), config.dataset, "dev")
    spec = TemporalSpec(config.model_args.conv_type)
    clips = build_loader(
        manifest, recogniser.vocabulary, config.feeder_args, spec, batch_size=1, training=False, seed=0, num_workers=0
    ).dataset
    places = np.linspace(0, len(clips) - 1, min(CLIPS, len(clips)))
    return [clips[0, int(place)].video for place in places]


def measure_steps(networks: Networks, repeats: int) -> Mapping[str, float]:
    """Measure the seconds of a step of the training without and with a moving average of the weights."""
    size = list_sizes(networks.settings.glosses)["small"]
    config = load_variant(VARIANTS[REFERENCE], size, "cpu")
    plain, averaged = (make_training_step(config, size) for _ in range(2))
    step: Any = averaged.func
    model = step.network
    average = MovingAverage(model, networks.decay)

    def step_and_average() -> None:
        averaged()
        average.update(model)

    torch.manual_seed(0)
    return median_seconds({PLAIN: plain, "ema": step_and_average}, repeats, "cpu")
