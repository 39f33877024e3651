"""The choice of windows by speeds that are given, worked out by hand; and that the measured speed is one."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from evaluation.inference import live_speed
from evaluation.inference.frame_memory import FrameMemory
from evaluation.inference.live_settings import LiveSettings
from evaluation.inference.live_speed import Speed, choose_settings, measure_speed
from evaluation.inference.recogniser import Recogniser


@pytest.fixture(scope="module")
def recogniser(random_checkpoint) -> Recogniser:
    return Recogniser.from_checkpoint(random_checkpoint, "cpu")


def test_what_a_reading_costs():
    speed, settings = Speed(per_frame=0.01, per_slot=0.002), LiveSettings(100, 10, 20, 2)
    assert speed.reading_time(settings) == pytest.approx(5 * 0.01 + 100 * 0.002)
    assert speed.load(settings, 25) == pytest.approx(0.25 * 2.5)
    assert speed.delay(settings, 25) == pytest.approx(30 / 25 + 0.25)


@pytest.mark.parametrize(
    ("speed", "chosen", "said"),
    [
        # 8 * 0.0005 + 100 * 0.0005 = 0.054 s every 0.32 s
        (Speed(0.0005, 0.0005), LiveSettings(100, 8, 16), "this machine reads 148 frames a second: all 25 are taken"),
        # 58 ms a new frame: 25 a second are too many, 12.5 take 0.725; 76 / 16 readings of a frame take 0.06 more
        (Speed(0.058, 0.0005), LiveSettings(76, 16, 8, 2), "17 frames a second: every second frame of 25 is taken"),
        # nothing is kept: 0.014 * 25 * 2 readings = 0.7 keeps up, but 1.28 s and a reading of 0.67 s are over 1.5
        (Speed(0.0, 0.014), LiveSettings(48, 24, 8), "this machine reads 36 frames a second: all 25 are taken"),
        # 0.04 * 25 is all of the time, at one reading a frame: as few readings as there can be
        (Speed(0.0, 0.04), LiveSettings(100, 80, 16), "warning: this machine reads 20 frames a second of 25, so parts"),
    ],
)  # fmt: skip
def test_settings_that_the_machine_keeps_up_with(recogniser, speed, chosen, said):
    settings, lines = choose_settings(recogniser, speed)
    assert settings == chosen
    assert said in lines[0]
    numbers = f"windows of {chosen.window} frames (--max-frames-num), one every {chosen.hop} (--hop), lookahead "
    assert lines[1].startswith(f"{numbers}{chosen.lookahead} (--lookahead)")
    bound = "or later" if "warning" in said else "at most"
    assert lines[1].endswith(f"final {speed.delay(chosen, 25):.1f} s after their end {bound}")


def test_settings_at_another_rate(recogniser):
    settings, _ = choose_settings(replace(recogniser, frame_rate=50.0), Speed(0.0005, 0.0005))
    assert settings == LiveSettings(200, 16, 32)
    settings, _ = choose_settings(replace(recogniser, frame_rate=5.0), Speed(0.0005, 0.0005))
    assert settings == LiveSettings(48, 4, 4)  # no window is shorter, and hops are output steps


def test_what_the_user_chooses_is_left(recogniser):
    speed = Speed(0.0005, 0.0005)
    assert choose_settings(recogniser, speed, window=66)[0] == LiveSettings(64, 8, 16)  # in output steps
    assert choose_settings(recogniser, speed, hop=20)[0] == LiveSettings(100, 20, 16)  # (36 / 25 + 0.06) s
    assert choose_settings(recogniser, speed, lookahead=40)[0] == LiveSettings(100, 4, 40)  # over 1.5 s
    assert choose_settings(recogniser, speed, 50, 10, 45)[0] == LiveSettings(48, 12, 45)  # refused by its reader


def test_the_speed_is_measured_on_frames_that_are_new_and_on_the_same_again(recogniser, monkeypatch):
    class Clock:
        now = 0.0

        def perf_counter(self):
            return self.now

    class Timed(FrameMemory):
        """Takes 3 ms for a frame that was not read before, and 1 ms for each frame of a window."""

        known = 0

        def read(self, numbers):
            clock.now += 0.003 * (len(numbers) - self.known) + 0.001 * len(numbers)
            self.known = len(numbers)
            sizes.append(len(numbers))

    clock, sizes = Clock(), []
    monkeypatch.setattr(live_speed, "time", clock)
    monkeypatch.setattr(live_speed, "FrameMemory", Timed)
    speed = measure_speed(recogniser)
    assert (speed.per_frame, speed.per_slot) == (pytest.approx(0.003), pytest.approx(0.001))
    # Each length first without being timed; 96 frames take 0.48 s.
    assert sizes == [*[24] * 4, *[48] * 4, *[96] * 4]


def test_what_differs_by_chance_is_no_time_of_new_frames(recogniser, monkeypatch):
    moments = iter([0.0, 1.0, 1.95, 2.0, 3.05, 4.05])
    monkeypatch.setattr(live_speed, "time", SimpleNamespace(perf_counter=lambda: next(moments)))
    monkeypatch.setattr(FrameMemory, "read", lambda self, numbers: None)
    speed = measure_speed(recogniser)  # 1.05 and 1.00 s for 24 frames, as a network does that is called anew
    assert speed == Speed(0.0, pytest.approx(1 / 24))


def test_the_speed_of_a_real_network(recogniser):
    speed = measure_speed(recogniser)
    assert 0 <= speed.per_frame < 1
    assert 0 < speed.per_slot < 1
