"""Live reading, and tools that run in a thread of their own, on the device against the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, cast

import numpy as np
import torch

from benchmarks.gpu.pair import FRAMES, GLOSSES, RATE, SAME, SAME_HEAT, Pair, share, share_of_norm
from benchmarks.gpu.section import Finding, check, check_below, number, skip
from benchmarks.gpu.timing import time_once
from evaluation.heat.heat_map import compute_heat_map
from evaluation.heat.request import HeatRequest
from evaluation.heat.shown_clip import HeatMap, ShownClip
from evaluation.inference.frame_memory import FrameMemory
from evaluation.inference.live import LiveRecogniser
from evaluation.inference.live_settings import LiveSettings
from evaluation.inference.live_speed import measure_speed
from evaluation.inference.recogniser import Recogniser

LIVE = LiveSettings(window=32, hop=8, lookahead=8)
LAYER = "stf2"


def compare_stream(pair: Pair) -> Iterator[Finding]:
    """Compare what is read while frames come one by one, and what is kept of them, and measure the time."""
    read, wanted = (read_stream(recogniser, pair.frames) for recogniser in pair.both)
    yield check("live reading", read == wanted, f"{len(read)} glosses", note="glosses with their times")
    yield check_below("live reading, kept maps", compare_kept_maps(pair.device, pair.frames), SAME,
                      note="logits of windows that overlap, from the network that reads each anew")  # fmt: skip
    device = pair.device.network.model.device
    readings = -(-FRAMES // LIVE.hop)
    seconds = time_once(partial(read_stream, pair.device, pair.frames), device)
    note = f"a window of {LIVE.window} frames, of which {LIVE.hop} are new"
    yield number("live reading, time", 1e3 * seconds / readings, "ms", note)
    speed = measure_speed(pair.device)
    note = f"and {1e3 * speed.per_slot:.3g} ms for each frame of a window"
    yield number("live reading, measured speed", 1e3 * speed.per_frame, "ms for each new frame", note)
    if device.type != "cuda":
        yield skip("live reading, memory")
        return
    before = torch.cuda.memory_allocated(device)
    read_stream(pair.device, pair.frames)
    grown = torch.cuda.memory_allocated(device) - before
    yield check("live reading, memory", grown <= 0, grown, "bytes", "that a stream leaves behind")


def read_stream(recogniser: Recogniser, frames: np.ndarray) -> list[tuple[str, float, float]]:
    """Read frames (T, S, S, 3) as a stream; gives glosses with start and duration."""
    live = LiveRecogniser(recogniser, LIVE, drop_still=False)
    for place, frame in enumerate(frames):
        live.feed(frame, place / RATE)
        live.poll()
    live.finish()
    return [(word.gloss, word.start, word.duration) for word in live.finals]


def compare_kept_maps(recogniser: Recogniser, frames: np.ndarray) -> float:
    """Find how far windows that overlap, read from kept maps, are from those that the network reads anew."""
    seen = recogniser.crop(frames)
    memory = FrameMemory(recogniser.network)
    for frame in seen:
        memory.append(frame)
    shares = []
    for begin in range(0, len(seen) - LIVE.window + 1, LIVE.hop):
        window = range(begin, begin + LIVE.window)
        memory.forget_before(begin)
        shares.append(share(memory.read(window), recogniser.network(seen[begin : begin + LIVE.window])))
    return float(np.max(shares))  # NaN is larger than all


def compare_thread(pair: Pair) -> Iterator[Finding]:
    """Compare what a new thread computes, as the page's jobs do, with what this one does."""
    clip = ShownClip("clip", pair.frames, pair.frames, (0, 0, 0, 0), 1.0, None, ())

    def work() -> tuple[np.ndarray, HeatMap]:
        heat = compute_heat_map(pair.device, clip, HeatRequest(LAYER, f"gloss:{GLOSSES[0]}"))
        return pair.device.network(pair.device.crop(pair.frames)), heat

    with ThreadPoolExecutor(1) as thread:
        logits, heat = thread.submit(work).result()
    expected, own = work()
    yield check_below("in a thread, logits", share(logits, expected), SAME)
    yield check_below("in a thread, heat map", share_of_norm(heat.heat, own.heat), SAME_HEAT)


def check_first_card(device: torch.device) -> Finding:
    """Check that this section, which worked on another card, also in threads, left the first one alone."""
    name = "nothing on the first card"
    if device.type != "cuda" or not device.index:
        return skip(name, "the device is no other card than the first")
    is_open, held = cast(Any, torch._C)._cuda_hasPrimaryContext(0), torch.cuda.memory_reserved(0)
    return check(name, not is_open and held == 0, held, "bytes", f"held there; CUDA has opened it: {is_open}")
