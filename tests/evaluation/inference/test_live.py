"""A stream that is fed frame by frame gives what an offline reading by the same rule gives."""

from pathlib import Path

import numpy as np

from evaluation.inference.live import Event, LiveRecogniser, LiveSettings
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
