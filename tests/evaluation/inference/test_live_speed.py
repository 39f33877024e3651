"""The choice of windows by speeds that are given, worked out by hand; and that the measured speed is one."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.inference import live_speed
from evaluation.inference.frame_memory import FrameMemory
from evaluation.inference.live_settings import LiveSettings
from evaluation.inference.live_speed import Speed, choose_settings, measure_speed
from evaluation.inference.live_windows import LiveWindows
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


def test_a_hop_that_is_too_small_is_named_and_windows_are_as_without_it(recogniser):
    # 48 frames take 0.192 s, and 4 of them come in 0.16 s. Without it: 100 frames in 0.4 s, every 0.64 s.
    settings, lines = choose_settings(recogniser, Speed(0.0, 0.004), hop=4)
    assert settings == LiveSettings(100, 4, 8)
    # While 100 frames are read 10 come, so that every third window is due by then.
    assert lines[0] == (
        "warning: a window every 4 frames (--hop) is more than this machine can read: it leaves some out, and reads "
        "one about every 12; with --hop 16, or without, it has time to spare"
    )
    assert lines[1].endswith(" 4 (--hop), lookahead 8 (--lookahead): glosses are final 1.2 s after their end at most")


def test_a_hop_with_which_the_machine_would_keep_up_by_fewer_frames_does_not_cost_any(recogniser):
    # New frames take half of the time, 48 frames every 0.16 s another 0.36, which is too much with all frames alone.
    settings, lines = choose_settings(recogniser, Speed(0.020, 0.0012), hop=4)
    assert settings == LiveSettings(100, 4, 16)
    # 0.12 s of 0.48 s with a hop of 12. With the other half of the time for them, windows of 100 frames take 6 frames.
    assert "it leaves some out, and reads one about every 8; with --hop 12, or without" in lines[0]
    settings, lines = choose_settings(recogniser, Speed(0.020, 0.00064), window=100, hop=4)  # 0.9 of the time
    assert settings == LiveSettings(100, 4, 16)
    assert lines[0] == "this machine reads 28 frames a second: all 25 are taken"


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"window": 400}, ["window"]),
        ({"lookahead": 92}, ["lookahead"]),
        ({"window": 400, "hop": 80}, ["window"]),
        ({"window": 400, "hop": 8}, ["window", "hop"]),
        ({"window": 400, "hop": 4, "lookahead": 92}, ["window", "hop", "lookahead"]),
    ],
)
def test_what_the_user_chose_is_named_where_the_machine_keeps_up_without(recogniser, given, names):
    # 1 s for a window of 100 frames, 4 s for one of 400; the longest hop that is tried is 3.2 s
    settings, lines = choose_settings(recogniser, Speed(0.0, 0.01), **given)
    assert all(getattr(settings, name) == value for name, value in given.items())
    options = {"window": "--max-frames-num", "hop": "--hop", "lookahead": "--lookahead"}
    said = " and ".join(f"{options[name]} {given[name]}" for name in names)
    assert lines[0].startswith(f"warning: with {said} this machine reads ")
    without = " and ".join(options[name] for name in names)
    assert lines[0].endswith(f"so parts of what is signed will be lost; without {without} it keeps up")


def test_a_machine_that_is_too_slow_for_anything_blames_no_option(recogniser):
    _, lines = choose_settings(recogniser, Speed(0.0, 0.04), hop=4)
    assert "a GPU is faster" in lines[0]
    assert "--hop" not in lines[0]


@given(
    st.floats(0, 0.1), st.floats(1e-5, 0.1), st.none() | st.integers(48, 400), st.none() | st.integers(1, 400),
    st.none() | st.integers(0, 400),
)  # fmt: skip
def test_whatever_is_given_counts_and_settings_serve_if_they_can(
    recogniser, per_frame, per_slot, window, hop, lookahead
):
    settings, lines = choose_settings(recogniser, Speed(per_frame, per_slot), window, hop, lookahead)
    assert window is None or settings.window == window // 4 * 4
    assert hop is None or settings.hop == -(-hop // 4) * 4
    assert lookahead is None or settings.lookahead == lookahead
    assert len(lines) == 2
    if (window or 100) // 4 * 4 >= -(-(hop or 4) // 4) * 4 + (8 if lookahead is None else lookahead):
        LiveWindows(settings.window, settings.hop, settings.lookahead, 4)


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
