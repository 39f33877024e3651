"""Streams at random: whatever a camera and its clock do, finals stay, and undisturbed ones are read as a file is."""

import random
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from dataset.video import Video
from evaluation.ctm import CtmWord
from evaluation.inference.live import Event, LiveRecogniser
from evaluation.inference.live_settings import LiveSettings
from evaluation.inference.read_as_live import read_as_live
from evaluation.inference.reading import Reading
from tests.helpers.colour_network import GLOSSES, STEP, colour_recogniser

MIX = np.random.default_rng(0).normal(size=(6, 1 + len(GLOSSES))) * 4


def random_network(video: np.ndarray) -> np.ndarray:
    """Logits that change with each colour, and with the window in which it is seen."""
    means = video.mean((2, 3)) / 255  # (T, 3)
    steps = np.stack([means[at : at + STEP].mean(0) for at in range(0, len(means), STEP)])
    logits = np.sin(40 * np.concatenate([steps, abs(steps - means.mean(0)) / 5], axis=1)) @ MIX
    logits[:, 4:] -= 5  # three glosses, and blanks between them
    logits[:, 0] += 2
    return logits.astype(np.float32)


def draw_settings(draw: random.Random) -> LiveSettings:
    while True:
        found = LiveSettings(draw.randrange(48, 100), draw.randrange(1, 60), draw.randrange(60), 1)
        if found.hop + STEP - 1 + found.lookahead <= found.window - STEP + 1:
            return found


def draw_picture(draw: random.Random, size: tuple[int, int]) -> np.ndarray:
    frame = np.full((*size, 3), draw.choice([(0, 0, 0), (230, 0, 0), (0, 230, 0), (90, 160, 30)]), np.uint8)
    frame[: draw.randrange(size[0] + 1)] = draw.randrange(256)
    return frame


def assert_in_order(words: tuple[CtmWord, ...]) -> None:
    assert all(word.duration > 0 for word in words)
    assert all(a.start + a.duration <= b.start + 1e-6 for a, b in pairwise(words))


class WildCamera:
    """Feeds a recogniser with frames whose times do anything: stand still, jump back and forth, come out of order."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.time = draw.choice([0.0, 500.0, 1.7e9])
        self.rate = draw.choice([5, 25, 120])

    def feed(self, live: LiveRecogniser, most: int) -> None:
        for _ in range(self.draw.randrange(most + 1)):
            usual = self.draw.uniform(0.5, 1.5) / self.rate
            jumps = [0.0, -self.draw.uniform(0, 0.9), -self.draw.uniform(1, 4000), self.draw.uniform(0, 3), 3600.0]
            self.time += self.draw.choices([usual, *jumps], [95, 2, 1, 0.5, 0.5, 0.1])[0]
            live.feed(draw_picture(self.draw, self.draw.choice([(64, 64)] * 20 + [(1, 1), (30, 99)])), self.time)


@pytest.mark.parametrize("seed", range(10))
def test_whatever_comes_finals_never_change_and_memory_is_bounded(seed):
    draw = random.Random(seed)
    camera, settings = WildCamera(draw), draw_settings(draw)
    meanwhile = [draw.choice([0, 5, 60, 300])]  # frames that come while a window is read

    def compute(video: np.ndarray) -> np.ndarray:
        camera.feed(live, meanwhile[-1])
        return random_network(video)

    live = LiveRecogniser(colour_recogniser(compute, merge_repeats=draw.random() < 0.5), settings)
    live._input._thinning._helps = True
    events: list[Event] = []
    for _ in range(80):
        before = live.finals
        camera.feed(live, draw.choice([1, 4, 10, 250]))
        asked = draw.choice([None, camera.time, camera.time + 3, camera.time - 5000])
        events += live.poll(asked)
        if draw.random() < 0.02:
            meanwhile.append(0)  # the camera is off
            events += live.finish()
            meanwhile.pop()
            assert live.finish() == []
        assert live.finals[: len(before)] == before
        assert_in_order((*live.finals, *live.provisional))
        assert len(live) <= 5 * settings.window
        assert len(live._reader._memory) <= len(live._reader)
    meanwhile.append(0)
    events += live.finish()
    assert live.provisional == ()
    assert tuple(event.word for event in events if event.kind == "final") == live.finals
    times = [event.time for event in events if event.kind == "final"]
    assert times == sorted(times)


@dataclass(frozen=True)
class Pictures(Video):
    """A video in memory."""

    held: tuple[np.ndarray, ...] = ()

    def frames(self, indices):
        return (self.held[index] for index in indices)


@pytest.mark.parametrize("seed", range(12))
def test_a_stream_whose_times_jitter_is_read_as_a_file_is(seed):
    draw = random.Random(seed)
    interval, count = draw.choice([1, 2]), draw.choice([1, 2, 60, 300])
    changes = {"merge_repeats": draw.random() < 0.5, "feeder_args.frame_interval": interval}
    recogniser = replace(colour_recogniser(random_network, **changes), frame_rate=draw.choice([25.0, 50.0]))
    between, times = 1 / draw.choice([5, 15, 29.97, 120]), [draw.choice([0.0, 1.7e9])]
    while len(times) <= count:
        pause = draw.uniform(0, 1.6) if draw.random() < 0.02 else 0.0
        times.append(times[-1] + between * draw.uniform(0.3, 1.7) + pause)
    times[-1] = times[-2] + (times[-2] - times[-3] if count > 1 else 1 / recogniser.frame_rate)
    held = tuple(draw_picture(draw, (64, 64)) for _ in range(count))
    video = Pictures(Path("clip"), np.array(times), count / (times[-1] - times[0]), held=held)
    settings = draw_settings(draw)
    live = LiveRecogniser(recogniser, settings)
    for time, frame in zip(times, video.held, strict=False):
        live.feed(frame, time)
        before = -1
        while live.readings != before:
            before = live.readings
            live.poll(time)
    live.finish()
    numbers = (interval * number for number in (settings.window, settings.hop, settings.lookahead))
    reading = Reading(rate=recogniser.frame_rate, **dict(zip(("max_frames", "hop", "lookahead"), numbers, strict=True)))
    _, expected, _ = read_as_live(recogniser, video, reading.sample_frames(video.times), reading)
    assert [word.gloss for word in live.finals] == [word.gloss for word in expected]
    for word, other in zip(live.finals, expected, strict=True):
        assert (word.start, word.duration) == pytest.approx((other.start, other.duration), abs=0.05)
