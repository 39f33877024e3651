"""A stream that is fed frame by frame gives what an offline reading by the same rule gives."""

import re
import threading
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from dataset.frames import FrameError
from evaluation.inference.live import Event, LiveRecogniser
from evaluation.inference.live_settings import LiveSettings
from evaluation.inference.reading import ReadingError
from tests.helpers.colour_network import COLOURS, colour_recogniser

SETTINGS = LiveSettings(window=48, hop=8, lookahead=12)


def picture(colour: str, size: tuple[int, int] = (64, 96)) -> np.ndarray:
    return np.full((*size, 3), COLOURS[colour], np.uint8)


def play(live: LiveRecogniser, colours: str, first: float = 0.0, rate: float = 25.0) -> list[Event]:
    """Feed a frame of each colour, and poll after each."""
    events = []
    for number, colour in enumerate(colours):
        live.feed(picture(colour), first + number / rate)
        events += live.poll()
    return events


def found(words) -> list[tuple[str, float, float]]:
    return [(word.gloss, round(word.start, 2), round(word.start + word.duration, 2)) for word in words]


def notices(events) -> list[str]:
    return [event.message for event in events if event.kind == "notice"]


SENTENCE = " " * 8 + "R" * 16 + " " * 8 + "B" * 12 + " " * 24 + "G" * 12 + " " * 6


def test_glosses_become_final_while_the_stream_goes_on():
    live = LiveRecogniser(colour_recogniser(), SETTINGS)
    events = play(live, SENTENCE)
    final = [(event.word.gloss, round(event.time, 2)) for event in events if event.kind == "final"]
    # R's centre is at frame 16, B's at 38: final with the first window that ends 12 frames after it or later.
    assert final == [("R", 32 / 25), ("B", 56 / 25)]
    assert [event.word.gloss for event in events if event.kind == "provisional"] == ["R", "R", "B", "B", "G", "G"]
    assert found(live.provisional) == [("G", 2.72, 3.2)]
    rest = live.finish()
    assert [(event.kind, event.word.gloss, round(event.time, 2)) for event in rest] == [("final", "G", 3.44)]
    assert found(live.finals) == [("R", 0.32, 0.96), ("B", 1.28, 1.76), ("G", 2.72, 3.2)]
    assert live.provisional == ()
    assert live.readings == 86 // 8 + 1
    assert live.finish() == []


def test_the_transcript_of_a_stream():
    live = LiveRecogniser(colour_recogniser(), SETTINGS)
    play(live, SENTENCE)
    live.finish()
    transcript = live.transcript("camera", Path("camera"))
    assert (transcript.name, transcript.words, transcript.frames, transcript.frames_read) == (
        "camera", live.finals, 86, 86,
    )  # fmt: skip
    assert abs(transcript.duration - 86 / 25) < 1e-6
    assert abs(transcript.rate - 25) < 1e-6


def test_times_that_jitter_or_stand_still_or_jump_back_a_little_change_nothing():
    steady, unsteady = LiveRecogniser(colour_recogniser(), SETTINGS), LiveRecogniser(colour_recogniser(), SETTINGS)
    play(steady, SENTENCE)
    jitter = np.random.default_rng(3).uniform(-0.015, 0.015, len(SENTENCE))
    for number, colour in enumerate(SENTENCE):
        unsteady.feed(picture(colour), number / 25 + (jitter[number] if number else 0.0))
        unsteady.feed(picture("G"), (number - 5) / 25)  # comes too late, and is left out
        unsteady.feed(picture("G"), number / 25 + (jitter[number] if number else 0.0))  # at the same time
        unsteady.poll()
    steady.finish(), unsteady.finish()
    assert found(unsteady.finals) == found(steady.finals)
    assert len(steady.finals) == 3


def test_a_clock_that_is_set_back_goes_on_from_where_it_was():
    live = LiveRecogniser(colour_recogniser(), SETTINGS)
    play(live, SENTENCE[:40], first=1000.0)
    play(live, SENTENCE[40:], first=3.0)
    live.finish()
    assert found(live.finals) == [("R", 1000.32, 1000.96), ("B", 1001.28, 1001.76), ("G", 1002.72, 1003.2)]


def test_a_clock_that_is_set_back_by_less_than_a_second_goes_on_too():
    """A file of 0.8 seconds that is played again and again, as it says its own times."""
    live = LiveRecogniser(colour_recogniser(merge_repeats=False), SETTINGS)
    for _ in range(10):
        play(live, "R" * 12 + " " * 8)
    live.finish()
    # The first frames of each round come late by up to six, so that one is missing, or two.
    assert [word.gloss for word in live.finals] == ["R"] * 10
    assert live.transcript("camera", Path("camera")).frames == 20 + 9 * 15
    assert abs(live.finals[-1].start - 9 * 15 / 25) < 0.5


def test_the_coarse_times_of_a_clock_that_stands_still_are_no_jump():
    live = LiveRecogniser(colour_recogniser(), SETTINGS)
    for number, colour in enumerate(SENTENCE):
        live.feed(picture(colour), number // 10 / 2.5)  # ten frames have the same time
        live.poll()
    live.finish()
    assert live.transcript("camera", Path("camera")).frames == 9
    assert live.transcript("camera", Path("camera")).duration == pytest.approx(3.6)


def test_a_gap_in_the_stream_ends_what_came_before_and_is_not_read():
    live = LiveRecogniser(colour_recogniser(), SETTINGS)
    play(live, SENTENCE[:50])
    assert found(live.finals) == [("R", 0.32, 0.96)]
    events = play(live, SENTENCE, first=60.0)
    assert notices(events) == ["frames are back after 58.0 s without"]
    live.finish()
    assert found(live.finals) == [
        ("R", 0.32, 0.96), ("B", 1.28, 1.76), ("R", 60.32, 60.96), ("B", 61.28, 61.76), ("G", 62.72, 63.2),
    ]  # fmt: skip
    assert live.readings == 50 // 8 + 1 + 86 // 8 + 1


def test_a_camera_that_gives_no_frames_is_told_once_and_what_was_signed_is_final():
    live = LiveRecogniser(colour_recogniser(), SETTINGS)
    assert live.poll(100.0) == []  # before the first frame
    assert notices(live.poll(102.5)) == ["no frame for 2 s"]
    assert notices(live.poll(103.0)) == []
    assert "frames are back" not in " ".join(notices(play(live, SENTENCE[:50], first=104.0)))
    assert live.poll(107.9) == []
    events = live.poll(108.0)
    assert notices(events) == ["no frame for 2 s"]
    assert found(live.finals) == [("R", 104.32, 104.96), ("B", 105.28, 105.76)]
    assert live.poll(109.0) == []
    assert notices(play(live, " ", first=110.0)) == ["frames are back after 4.0 s without"]


def test_a_black_picture_is_told_once_after_a_second():
    live = LiveRecogniser(colour_recogniser(), SETTINGS)
    assert notices(play(live, "R" * 10 + " " * 25 + "R" * 10)) == []
    events = play(live, " " * 60, first=2.0)
    assert notices(events) == ["the picture has been black for 1 s: is the camera covered?"]
    (told,) = [event.time for event in events if event.kind == "notice"]
    assert 2.9 < told < 3.0  # from halfway to the last red picture on
    play(live, "R" * 10, first=5.0)
    assert len(notices(play(live, " " * 60, first=6.0))) == 1


def test_pictures_of_another_size_are_told_and_read():
    live = LiveRecogniser(colour_recogniser(), SETTINGS)
    play(live, SENTENCE[:30])
    events = []
    for number, colour in enumerate(SENTENCE[30:], start=30):
        live.feed(picture(colour, (120, 160)), number / 25)
        events += live.poll()
    live.finish()
    assert notices(events) == ["the pictures were 96x64 pixels, and are 160x120 now"]
    assert found(live.finals) == [("R", 0.32, 0.96), ("B", 1.28, 1.76), ("G", 2.72, 3.2)]


def test_every_second_frame():
    taken = []
    reader = colour_recogniser()
    live = LiveRecogniser(reader, replace(SETTINGS, every=2))
    live._reader.add, add = lambda seen: (taken.append(seen), add(seen)), live._reader.add
    play(live, SENTENCE)
    assert len(taken) == 86
    assert all(even is odd for even, odd in zip(taken[::2], taken[1::2], strict=True))
    live.finish()
    assert [word.gloss for word in live.finals] == ["R", "B", "G"]
    assert live.transcript("camera", Path("camera")).frames_read == 43


def test_a_machine_that_is_a_little_slow_leaves_windows_out_and_no_gloss():
    signed = SENTENCE * 4
    quick, slow = LiveRecogniser(colour_recogniser(), SETTINGS), LiveRecogniser(colour_recogniser(), SETTINGS)
    play(quick, signed)
    for number, colour in enumerate(signed):
        slow.feed(picture(colour), number / 25)
        if number % 23 == 22:  # nearly three hops
            assert notices(slow.poll()) == []
    quick.finish(), slow.finish()
    assert found(slow.finals) == found(quick.finals)
    assert slow.readings < quick.readings / 2


def test_a_machine_that_is_far_too_slow_says_what_it_lost():
    live = LiveRecogniser(colour_recogniser(), SETTINGS)
    events = play(live, SENTENCE[:30])
    for number in range(30, 130):
        live.feed(picture("G"), number / 25)
    events += live.poll()
    # Twice 48 slots wait; since these were too few, the newest 48 are kept. The latest reading was up to slot 24.
    events += live.poll()
    live.finish()
    assert len(live) == 0
    assert found(live.finals) == [("R", 0.32, 0.96), ("G", 3.28, 5.2)]
    assert notices(events) == [
        "from 1.0 to 3.3 s nothing was read: this machine does not keep up",
    ]


def lose(live: LiveRecogniser, *moments: float) -> list[str]:
    """Play a stream, at whose `moments` nobody polls for 4 seconds; returns the notices but those of losses."""
    said = []
    for number in range(25 * round(moments[-1] + 5)):
        live.feed(picture("R"), number / 25)
        if not any(moment <= number / 25 < moment + 4 for moment in moments):
            said += notices(live.poll())
    return [line for line in said if "nothing was read" not in line]


def test_fewer_frames_are_taken_where_parts_are_lost_again_soon_and_that_saves_time():
    def start(helps: bool = True) -> LiveRecogniser:
        live = LiveRecogniser(colour_recogniser(), replace(SETTINGS, hop=24))
        live._input._thinning._helps = helps
        return live

    assert lose(start(), 2, 40) == []  # the machine did something else
    assert lose(start(), 2, 10, 18) == [
        "this machine reads 12.5 frames a second: every second frame is taken",
        "this machine reads 8.33 frames a second: every third frame is taken",
    ]
    assert lose(start(helps=False), 2, 10) == []
    assert not LiveRecogniser(colour_recogniser(), SETTINGS)._input._thinning._helps  # it is called anew each time


def test_a_reading_that_takes_too_long_again_and_again_loses_the_oldest_frames():
    live = LiveRecogniser(colour_recogniser(merge_repeats=False), SETTINGS)
    said = []
    for number in range(600):
        live.feed(picture("R" if number % 50 < 25 else " "), number / 25)
        if number % 40 == 39:
            said += notices(live.poll())
    lost = [[float(second) for second in re.findall(r"[0-9.]+(?= (?:to|s) )", line)] for line in said if "from" in line]
    assert len(lost) > 2
    assert all(begin < end for begin, end in lost)
    assert all(end <= begin for (_, end), (begin, _) in pairwise(lost))
    live.finish()
    assert {word.gloss for word in live.finals} == {"R"}
    assert all(before.start + before.duration <= after.start for before, after in pairwise(live.finals))


def test_what_is_held_is_bounded_in_a_long_stream_polled_or_not():
    live = LiveRecogniser(colour_recogniser(), SETTINGS)
    for number in range(2500):
        live.feed(picture(SENTENCE[number % len(SENTENCE)]), number / 25)
        assert len(live) <= 4 * SETTINGS.window + SETTINGS.window // 8  # two wait, two may be held
        if number % 600 > 200:  # at times nobody polls
            live.poll()
    assert len(live._reader._memory) <= 2 * SETTINGS.window
    assert len(live._glosses._decided) < 10


@pytest.mark.parametrize("frames", [0, 1, 2, 7])
def test_a_stream_of_very_few_frames(frames):
    live = LiveRecogniser(colour_recogniser(), SETTINGS)
    assert notices(play(live, "R" * frames)) == []
    live.finish()
    assert found(live.finals) == ([("R", 0, round(frames / 25, 2))] if frames else [])
    assert live.readings == min(frames, 1)
    assert live.transcript("camera", Path("camera")).duration == pytest.approx(frames / 25)


def test_one_thread_feeds_and_another_polls():
    live = LiveRecogniser(colour_recogniser(), SETTINGS)
    fed = threading.Semaphore(0)
    polled = threading.Semaphore(10)  # so many frames may wait

    def feed():
        for number, colour in enumerate(SENTENCE * 5):
            polled.acquire()
            live.feed(picture(colour), number / 25)
            fed.release()

    thread = threading.Thread(target=feed)
    thread.start()
    for _ in SENTENCE * 5:
        fed.acquire()
        live.poll()
        polled.release()
    thread.join()
    live.finish()
    assert [word.gloss for word in live.finals] == [*"RBG"] * 5


@pytest.mark.parametrize(
    ("frame", "time", "message"),
    [
        (np.zeros((64, 96, 3), np.float32), 0.0, "float32 (64, 96, 3); it must be uint8 (H, W, 3)"),
        (np.zeros((64, 96), np.uint8), 0.0, "uint8 (64, 96)"),
        (np.zeros((0, 96, 3), np.uint8), 0.0, "uint8 (0, 96, 3)"),
        (picture("R"), float("nan"), "a frame's time is nan; it must be seconds"),
        (picture("R"), float("inf"), "a frame's time is inf"),
        (picture("R"), 1.7e12, "a frame's time is 1.7e+12; it must be seconds"),  # milliseconds
    ],
)
def test_frames_that_are_none_are_refused(frame, time, message):
    live = LiveRecogniser(colour_recogniser(), SETTINGS)
    with pytest.raises(FrameError, match=re.escape(message)):
        live.feed(frame, time)
    assert live.finish() == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (LiveSettings(48, 0, 8), "a hop is at least 1 frame"),
        (LiveSettings(48, 40, 9), "frames would go unread"),
        (LiveSettings(48, 8, 8, every=0), "every is 0; at least every frame is taken"),
    ],
)
def test_settings_that_do_not_serve(settings, message):
    with pytest.raises(ReadingError, match=re.escape(message)):
        LiveRecogniser(colour_recogniser(), settings)
