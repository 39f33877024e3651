"""A machine that is too slow: each reading takes so long that frames come meanwhile. What is lost is told, once."""

import re
from dataclasses import replace
from itertools import islice, pairwise

import numpy as np
import pytest

from evaluation.inference.live import Event, LiveRecogniser
from evaluation.inference.live_settings import LiveSettings
from evaluation.inference.live_windows import LiveWindow
from tests.helpers.colour_network import COLOURS, colour_network, colour_recogniser

SIGNED = "R" * 16 + " " * 9 + "G" * 14 + " " * 11  # 50 frames
SETTINGS = LiveSettings(window=48, hop=24, lookahead=12)


class SlowMachine:
    """Reads a stream; while a reading goes on, the camera gives so many frames.

    Attributes:
        events: what the recogniser told.
        windows: the first slot and the last one + 1 of each reading.
    """

    def __init__(self, meanwhile: int, frames: int, settings: LiveSettings = SETTINGS) -> None:
        self.meanwhile = meanwhile
        self.left = iter(range(frames))
        self.live = LiveRecogniser(colour_recogniser(self.compute, merge_repeats=False), settings)
        self.events: list[Event] = []
        self.windows: list[tuple[int, int]] = []
        self._read_window, self.live._read_window = self.live._read_window, self.note_and_read
        while self.feed(1):
            self.events += self.live.poll()
        self.events += self.live.finish()

    def note_and_read(self, window: LiveWindow) -> list[Event]:
        self.windows.append((self.live._base + window.begin, self.live._base + window.end))
        return self._read_window(window)

    def compute(self, video: np.ndarray) -> np.ndarray:
        self.feed(self.meanwhile)
        return colour_network(video)

    def feed(self, count: int) -> bool:
        """Feed so many of the frames that are left; returns whether there were any."""
        number = None
        for number in islice(self.left, count):
            self.live.feed(np.full((64, 96, 3), COLOURS[SIGNED[number % len(SIGNED)]], np.uint8), number / 25)
        return number is not None

    @property
    def losses(self) -> list[tuple[str, str]]:
        """From when to when nothing was read, as it was told."""
        found = (re.match(r"from ([0-9.]+) to ([0-9.]+) s nothing was read", of.message) for of in self.events)
        return [match.groups() for match in found if match]


@pytest.mark.parametrize("meanwhile", [0, 20, 24, 26, 30, 45, 60, 90, 97, 130, 250])
def test_every_frame_is_read_or_told_to_be_lost_and_each_loss_is_told_once(meanwhile):
    machine = SlowMachine(meanwhile, 3000)
    losses = [(float(begin), float(end)) for begin, end in machine.losses]
    assert all(begin < end for begin, end in losses)
    assert all(end < begin for (_, end), (begin, _) in pairwise(losses))  # something was read between two of them
    assert bool(losses) == (meanwhile >= 24)  # with the frame between two readings more come than are read
    spans = sorted([*machine.windows, *((round(begin * 25), round(end * 25)) for begin, end in losses)])
    assert spans[0][0] == 0
    assert spans[-1][1] == 3000
    reached = 0
    for begin, end in spans:
        assert begin <= reached + 2  # a tenth of a second is two frames and a half
        reached = max(reached, end)
    finals = machine.live.finals
    assert {word.gloss for word in finals} == {"R", "G"}
    assert all(a.start + a.duration <= b.start + 1e-6 for a, b in pairwise(finals))


@pytest.mark.parametrize("meanwhile", [60, 97, 130])
def test_no_reading_is_spent_on_what_was_left_of_before_a_loss(meanwhile):
    """Since it would cost as much of what follows. Of 48 frames that are kept, two hops are read: 40 that are new."""
    machine = SlowMachine(meanwhile, 3000, replace(SETTINGS, hop=20))
    windows = machine.windows[1 : 3000 // (meanwhile + 1)]  # the rest are at the end, where nothing more comes
    assert len(windows) > 20
    assert all(end - begin == 40 for begin, end in windows)
    assert all(end <= begin for (_, end), (begin, _) in pairwise(windows))


def test_a_short_part_that_is_lost_has_a_beginning_and_an_end():
    live = LiveRecogniser(colour_recogniser(), LiveSettings(window=8, hop=4, lookahead=0))
    for number in range(76):  # of which 75 can wait, and 8 are kept
        live.feed(np.full((8, 8, 3), 99, np.uint8), 3.56 + number / 25)
    (notice,) = [event for event in live.poll() if event.kind == "notice"]
    assert notice.message.startswith("from 3.6 to 6.3 s nothing was read: this machine does not keep up")
    live._input.tell_lost(3.56, 3.6)
    (notice,) = live._tell()
    assert notice.message.startswith("from 3.56 to 3.60 s nothing was read")


@pytest.mark.parametrize(
    ("rate", "settings"),
    [(25, LiveSettings(48, 28, 8)), (60, LiveSettings(48, 28, 8)), (25, LiveSettings(16, 8, 4))],
)
def test_a_pause_is_no_loss_however_short_the_windows_are(rate, settings):
    """The frame after a pause of 1.9 s brings 48 slots at once, at 25 a second, and up to 27 were not read before."""
    picture = np.full((64, 64, 3), COLOURS["R"], np.uint8)
    for read in range(0, 30, 3):
        live = LiveRecogniser(replace(colour_recogniser(), frame_rate=float(rate)), settings)
        times = [number / rate for number in range(50 + read)]
        times += [times[-1] + 1.92 + number / rate for number in range(60)]
        events = []
        for time in times:
            live.feed(picture, time)
            events += live.poll()
        assert [event.message for event in events if event.kind == "notice"] == []


def test_what_waits_at_the_end_is_read_however_much_it_is():
    live = LiveRecogniser(colour_recogniser(merge_repeats=False), SETTINGS)
    for number in range(2 * SETTINGS.window):
        live.feed(np.full((64, 96, 3), COLOURS[SIGNED[number % 50]], np.uint8), number / 25)
    assert [event.kind for event in live.finish() if event.kind == "notice"] == []
    assert [word.gloss for word in live.finals] == ["R", "G", "R", "G"]
