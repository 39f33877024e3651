"""How fast this machine reads a stream, and the windows that it keeps up with.

A reading computes the frames that are new, up to the first fusion, and all frames of its window from there on. How long
either takes is measured at the start, on frames of noise; then the windows are chosen whose glosses are final soon.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from evaluation.inference.frame_memory import FrameMemory
from evaluation.inference.live_settings import LiveSettings
from evaluation.inference.live_thinning import ORDINALS
from evaluation.inference.reading import SHORTEST_WINDOW
from evaluation.inference.recogniser import Recogniser
from utils.temporal import TemporalSpec

SPARE = 0.2
"""The share of the time that is left to other work, and to readings that take longer than the measured one."""
DELAY = 1.5
"""Seconds from the end of a gloss until it is final, at most, where the machine is fast enough."""
WINDOWS = (4.0, 3.0, 2.4, 1.92)
"""Seconds of the windows, the best first."""
LOOKAHEADS = (0.64, 0.48, 0.32)
"""Seconds of lookahead, the best first."""
HOPS = (0.32, 0.16, 0.48, 0.64, 0.8, 0.96, 1.12, 1.28, 1.92, 2.56, 3.2)
"""Seconds between two readings, the best first: three readings a second show what is provisional soon enough."""
EVERY = (1, 2, 3)
"""Of so many frames one is taken, the best first: with fewer than every third one movements are lost."""
OPTIONS = {"window": "--max-frames-num", "hop": "--hop", "lookahead": "--lookahead"}
"""What the user may choose, and by which option."""
FASTER = "a GPU is faster, or a smaller network, or on a CPU 8-bit integers (engine.export --format onnx --int8)"
"""What to do where no settings help."""

MEASURING = "measuring how fast this machine reads ..."
"""The line for users who wait for `measure_speed`."""
FIRST, MOST = 24, 96
"""Frames of the first and of the longest measurement."""
CHANCE = 0.1
"""The share by which two readings of the same may differ by chance."""
ENOUGH = 0.4
"""Seconds that a measurement takes at least, unless it has the most frames."""


@dataclass(frozen=True)
class Speed:
    """The time that reading takes.

    Attributes:
        per_frame: seconds for each new frame, up to the first fusion.
        per_slot: seconds for each frame of a window from there on, at every reading.
    """

    per_frame: float
    per_slot: float

    def reading_time(self, settings: LiveSettings) -> float:
        """Seconds of one reading."""
        return settings.hop / settings.every * self.per_frame + settings.window * self.per_slot

    def load(self, settings: LiveSettings, rate: float) -> float:
        """The share of the time that readings take at `rate` slots a second; above 1 they fall behind."""
        return self.reading_time(settings) * rate / settings.hop

    def delay(self, settings: LiveSettings, rate: float) -> float:
        """Seconds from the end of a gloss until it is final, at most."""
        return (settings.lookahead + settings.hop) / rate + self.reading_time(settings)


def measure_speed(recogniser: Recogniser) -> Speed:
    """Measure how long this machine takes; a second or two."""
    frames = FIRST
    while True:
        _time_reading(recogniser, frames)  # what is done once for each length: memory, and the choice of algorithms
        speed = _time_reading(recogniser, frames)
        if frames * (speed.per_frame + 2 * speed.per_slot) >= ENOUGH or frames >= MOST:
            return speed
        frames *= 2


def _time_reading(recogniser: Recogniser, count: int) -> Speed:
    """Read a clip of noise twice: the second time nothing is new."""
    side = recogniser.config.feeder_args.input_size
    noise = np.random.default_rng(count).integers(0, 256, (count, 3, side, side), np.uint8)
    memory = FrameMemory(recogniser.network)
    for frame in noise:
        memory.append(frame)
    begin = time.perf_counter()
    memory.read(range(count))
    middle = time.perf_counter()
    memory.read(range(count))
    again = time.perf_counter() - middle
    new = middle - begin - again
    # Where nothing is kept the two readings differ by chance.
    return Speed(new / count if new > CHANCE * again else 0.0, again / count)


def choose_settings(
    recogniser: Recogniser,
    speed: Speed,
    window: int | None = None,
    hop: int | None = None,
    lookahead: int | None = None,
) -> tuple[LiveSettings, list[str]]:
    """Choose windows that this machine keeps up with, whose glosses are final soon.

    Args:
        recogniser: the network.
        speed: as `measure_speed` gives it.
        window, hop, lookahead: what the user has chosen, in slots; None leaves it open.

    Returns:
        the settings, and sentences about them for the user.
    """
    rate = recogniser.slot_rate
    stride = TemporalSpec(recogniser.config.model_args.conv_type).stride
    given = {name: value for name, value in zip(OPTIONS, (window, hop, lookahead), strict=True) if value is not None}
    chosen = _choose(speed, rate, stride, given)
    for left_out in (["hop"], ["window"], ["lookahead"], list(given)):
        if not given.keys() >= set(left_out):
            continue
        other = _choose(speed, rate, stride, {name: value for name, value in given.items() if name not in left_out})
        if not _is_better(speed, rate, other, chosen):
            continue
        if left_out == ["hop"] and chosen.hop < other.hop <= other.window - 2 * other.lookahead:
            # Windows are left out without any loss, so that the others need not be shorter, or have fewer frames.
            chosen = replace(other, hop=chosen.hop)
            if speed.load(chosen, rate) > 1:
                return chosen, describe_small_hop(speed, chosen, rate, other.hop)
            return chosen, describe_settings(speed, chosen, rate)
        return chosen, describe_settings(speed, chosen, rate, left_out)
    return chosen, describe_settings(speed, chosen, rate)


def _choose(speed: Speed, rate: float, stride: int, given: Mapping[str, int]) -> LiveSettings:
    """The best settings of those with the numbers that are given, by their names in `LiveSettings`."""
    choices = _list_choices(stride, rate, *(given.get(name) for name in OPTIONS))
    fitting = [choice for choice in choices if speed.load(choice, rate) <= 1 - SPARE]
    soon = [choice for choice in fitting if speed.delay(choice, rate) <= DELAY]
    if soon:
        return soon[0]
    if fitting:  # rounded, since of settings that are as good the first is the best
        return min(fitting, key=lambda choice: round(speed.delay(choice, rate), 1))
    return min(choices, key=lambda choice: round(speed.load(choice, rate), 1))


def _is_better(speed: Speed, rate: float, other: LiveSettings, chosen: LiveSettings) -> bool:
    """Whether the machine keeps up with the other settings, and not with those chosen, or with more frames."""
    if speed.load(other, rate) > 1 - SPARE:
        return False
    return speed.load(chosen, rate) > 1 or other.every < chosen.every


def _list_choices(
    stride: int, rate: float, window: int | None, hop: int | None, lookahead: int | None
) -> list[LiveSettings]:  # fmt: skip
    """All settings that serve, the best first: all frames before some, then long windows, then much lookahead."""

    def to_slots(seconds: Iterable[float], least: int) -> list[int]:
        return list(dict.fromkeys(max(least, round(value * rate / stride) * stride) for value in seconds))

    # What is given becomes a multiple of the stride as in `LiveWindows`.
    windows = [window // stride * stride] if window else to_slots(WINDOWS, -(-SHORTEST_WINDOW // stride) * stride)
    hops = [-(-hop // stride) * stride] if hop else to_slots(HOPS, stride)
    lookaheads = to_slots(LOOKAHEADS, stride) if lookahead is None else [lookahead]
    numbers = product(EVERY, windows, hops, lookaheads)
    found = [LiveSettings(long, step, ahead, every) for every, long, step, ahead in numbers]
    return [choice for choice in found if choice.hop + choice.lookahead <= choice.window] or found


def describe_settings(speed: Speed, settings: LiveSettings, rate: float, to_blame: Sequence[str] = ()) -> list[str]:
    """Say how fast this machine is, which frames are taken, and how soon a gloss is final.

    Args:
        speed: as it was measured.
        settings: the windows.
        rate: the frames a second that the network sees.
        to_blame: those of the settings that the user has chosen, and without which it would be better.
    """
    reads = 1 / (speed.per_frame + settings.window / settings.hop * speed.per_slot)
    numbers = " and ".join(f"{OPTIONS[name]} {getattr(settings, name)}" for name in to_blame)
    options = " and ".join(OPTIONS[name] for name in to_blame)
    said = f"with {numbers} " if to_blame else ""
    said += f"this machine reads {reads:.0f} frames a second"
    if speed.load(settings, rate) > 1:
        remedy = f"without {options} it keeps up" if to_blame else FASTER
        first = f"warning: {said} of {rate:g}, so parts of what is signed will be lost; {remedy}"
    elif settings.every == 1:
        first = f"{said}: all {rate:g} are taken"
    else:
        first = f"{said}: every {ORDINALS[settings.every]} frame of {rate:g} is taken"
        first += f"; without {options} more are" if to_blame else ""
    return [first, _describe_windows(speed, settings, rate, settings.hop)]


def describe_small_hop(speed: Speed, settings: LiveSettings, rate: float, enough: int) -> list[str]:
    """Say the same where the user's hop asks for more readings than this machine has time for.

    Args:
        speed, settings, rate: as for `describe_settings`.
        enough: a hop with which it would keep up.
    """
    # So many frames come while a window with as many new ones is read: the readings follow on each other then.
    come = rate * settings.window * speed.per_slot / (1 - rate * speed.per_frame / settings.every)
    hop = min(max(-(-come // settings.hop), 1) * settings.hop, enough)
    first = (
        f"warning: a window every {settings.hop} frames (--hop) is more than this machine can read: it leaves some "
        f"out, and reads one about every {hop:.0f}; with --hop {enough}, or without, it has time to spare"
    )
    return [first, _describe_windows(speed, settings, rate, round(hop))]


def _describe_windows(speed: Speed, settings: LiveSettings, rate: float, hop: int) -> str:
    """Say which windows are read, and how soon a gloss is final if one is read every `hop` frames."""
    as_read = replace(settings, hop=hop)
    delay, bound = speed.delay(as_read, rate), "at most" if speed.load(as_read, rate) <= 1 else "or later"
    return (
        f"windows of {settings.window} frames (--max-frames-num), one every {settings.hop} (--hop), lookahead "
        f"{settings.lookahead} (--lookahead): glosses are final {delay:.1f} s after their end {bound}"
    )
