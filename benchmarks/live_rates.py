"""What this machine keeps up with, for each number format: the section `rates` of `benchmarks.live`."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.int8 import build_networks
from benchmarks.live_recording import PlayedVideo, play
from evaluation.inference.live_speed import choose_settings, measure_speed
from evaluation.inference.recogniser import Recogniser
from utils.table import format_table

DISTINCT = 50
"""Frames of the clip that is read again and again."""


def format_rates(recogniser: Recogniser, clips: Sequence[np.ndarray], seconds: float) -> str:
    """Measure each way to compute a network, and let it read live; a table, and what the program says at its start.

    Args:
        recogniser: the network in PyTorch.
        clips: what the ranges of 8-bit integers are taken from.
        seconds: how long each has to keep up.
    """
    rows, said = [], []
    rate = recogniser.slot_rate
    side = recogniser.frame_size
    noise = np.random.default_rng(0).integers(0, 256, (DISTINCT, side, side, 3), np.uint8)
    times = np.arange(round(seconds * rate) + 1) / rate
    recording = PlayedVideo(Path("noise"), times, rate, pictures=tuple(noise))
    with tempfile.TemporaryDirectory() as folder:
        ways, _ = build_networks(recogniser, clips, Path(folder))
        for name, network in ways.items():
            way = replace(recogniser, network=network)
            speed = measure_speed(way)
            settings, lines = choose_settings(way, speed)
            moments: list[float] = []
            play(way, settings, recording, look=moments.append)
            due = len(times[:-1]) // settings.hop
            figures = (1e3 * speed.per_frame, 1e3 * speed.per_slot, 1 / (speed.per_frame + speed.per_slot))
            chosen = (settings.window, settings.hop, settings.lookahead, settings.every)
            rows.append([
                name, *(f"{value:.1f}" for value in figures), *map(str, chosen),
                f"{speed.delay(settings, rate):.1f}", f"{100 * min(1, (len(moments) - 1) / max(1, due)):.0f} %",
            ])  # fmt: skip
            said += [f"{name}: {line}" for line in lines]
    heads = (
        "", "ms a new frame", "ms a frame of a window", "frames a second, read once", "window", "hop", "lookahead",
        "every", "delay (s)", "windows read in time",
    )  # fmt: skip
    return "\n".join([format_table(heads, rows), *said])
