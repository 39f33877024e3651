"""The offline reading with a hop and a lookahead, and that a stream of the same frames gives the same."""

import re
from dataclasses import replace

import numpy as np
import pytest

from dataset.video import open_video
from evaluation.calibration import Calibration
from evaluation.inference.live import LiveRecogniser
from evaluation.inference.live_settings import LiveSettings
from evaluation.inference.reading import Reading, ReadingError
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.transcribe import transcribe
from tests.helpers.colour_network import COLOURS, STEP, colour_recogniser
from tests.helpers.videos import make_video, ramp

SIGNED = "".join("RGB"[number % 3] * (8 + number % 5) + " " * (4 + number % 7) for number in range(24))  # 370 frames


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return make_video(path, (np.full((64, 96, 3), COLOURS[colour], np.uint8) for colour in SIGNED))


def read_offline(recogniser, path, **options):
    video = open_video(path, 25)
    return transcribe(recogniser, video, Reading(rate=25, **options), "clip")


def read_live(recogniser, path, settings: LiveSettings, **options) -> LiveRecogniser:
    video = open_video(path, 25)
    live = LiveRecogniser(recogniser, settings, **options)
    for frame, time in zip(video.frames(range(video.num_frames)), video.times[:-1], strict=True):
        live.feed(frame, float(time))
        live.poll(float(time))
    live.finish()
    return live


def assert_equal(found, expected, step: float = STEP / 25) -> None:
    assert [word.gloss for word in found] == [word.gloss for word in expected]
    for word, other in zip(found, expected, strict=True):
        assert word.start == pytest.approx(other.start, abs=step)
        assert word.start + word.duration == pytest.approx(other.start + other.duration, abs=step)
        assert word.confidence == pytest.approx(other.confidence, abs=1e-4)


@pytest.mark.parametrize(("window", "hop", "lookahead"), [(48, 8, 12), (48, 4, 16), (60, 24, 20), (50, 7, 9)])
def test_a_stream_gives_what_the_offline_reading_gives(film, window, hop, lookahead):
    offline = read_offline(colour_recogniser(), film, max_frames=window, hop=hop, lookahead=lookahead)
    live = read_live(colour_recogniser(), film, LiveSettings(window, hop, lookahead))
    assert [word.gloss for word in offline.words] == ["RGB"[number % 3] for number in range(24)]
    assert_equal(live.finals, offline.words, step=1e-6)


@pytest.fixture(scope="module")
def random_recogniser(random_checkpoint) -> Recogniser:
    return Recogniser.from_checkpoint(random_checkpoint, "cpu")


@pytest.mark.parametrize(("hop", "lookahead"), [(8, 20), (16, 8), (4, 0)])
def test_so_does_a_network_that_answers_at_random(random_recogniser, tmp_path, hop, lookahead):
    path = make_video(tmp_path / "clip.mp4", ramp(100))
    offline = read_offline(random_recogniser, path, max_frames=48, hop=hop, lookahead=lookahead)
    assert offline.words
    assert_equal(read_live(random_recogniser, path, LiveSettings(48, hop, lookahead)).finals, offline.words)


@pytest.mark.parametrize("rate", [50, 30, 15])
def test_cameras_of_any_frame_rate(tmp_path, rate):
    """Of each moment the nearest frame is read, as by `sample_at_rate`."""
    seconds = [SIGNED[int(number * 25 / rate)] for number in range(len(SIGNED) * rate // 25)]
    path = make_video(tmp_path / "clip.mp4", (np.full((64, 96, 3), COLOURS[c], np.uint8) for c in seconds), rate=rate)
    offline = read_offline(colour_recogniser(), path, max_frames=48, hop=8, lookahead=12)
    live = read_live(colour_recogniser(), path, LiveSettings(48, 8, 12))
    assert len(offline.words) > 20
    assert_equal(live.finals, offline.words, step=1e-6)
    assert live.transcript("clip", path).frames == len(seconds)


def test_frames_that_the_network_leaves_out(film):
    reader = colour_recogniser(**{"feeder_args.frame_interval": 2})
    offline = read_offline(reader, film, max_frames=96, hop=16, lookahead=20)
    live = read_live(reader, film, LiveSettings(48, 8, 10))
    assert len(offline.words) > 10
    assert_equal(live.finals, offline.words, step=1e-6)


def test_repeats_are_merged_and_unsure_glosses_left_out_as_offline(tmp_path):
    path = make_video(tmp_path / "clip.mp4", (
        np.full((64, 96, 3), COLOURS[colour], np.uint8) for colour in ("R" * 12 + " " * 13) * 6 + "G" * 12 + " " * 13
    ))  # fmt: skip
    for merging, glosses in ((True, "RG"), (False, "RRRRRRG")):
        reader = colour_recogniser(merge_repeats=merging)
        offline = read_offline(reader, path, max_frames=48, hop=8, lookahead=12)
        assert [word.gloss for word in offline.words] == [*glosses]
        assert_equal(read_live(reader, path, LiveSettings(48, 8, 12)).finals, offline.words, step=1e-6)
    reader = replace(reader, calibration=Calibration(1.0, 0.0, -100.0, 0.0, 10, 100))  # none is surer than 0.99
    nothing = read_offline(reader, path, max_frames=48, hop=8, lookahead=12, min_confidence=1.0)
    live = read_live(reader, path, LiveSettings(48, 8, 12), min_confidence=1.0)
    assert (nothing.words, live.finals) == ((), ())
    (note,) = [note for note in nothing.notes if "left out" in note]
    assert note.startswith("7 glosses below 1 ")
    assert note in live.transcript("clip", path).notes


def test_a_clip_shorter_than_a_window_is_one_reading_at_the_end(tmp_path):
    path = make_video(tmp_path / "clip.mp4", [np.full((64, 96, 3), COLOURS["R"], np.uint8)] * 12)
    as_live = read_offline(colour_recogniser(), path, max_frames=48, hop=40, lookahead=8)
    assert as_live == read_offline(colour_recogniser(), path)


def test_all_that_is_read_is_said(film):
    notes = read_offline(colour_recogniser(), film, max_frames=48, hop=8, lookahead=12).notes
    windows = -(-len(SIGNED) // 8)
    assert f"{windows} overlapping windows of 48 frames, every 8 frames, with a lookahead of 12" in notes


def test_who_watches_is_told_of_every_window(film):
    told = []
    transcribe(colour_recogniser(), open_video(film, 25), Reading(max_frames=48, hop=40, lookahead=8), "clip",
               lambda number, of: told.append((number, of)))  # fmt: skip
    assert told == [(number, len(told)) for number in range(len(told))]
    assert len(told) == -(-len(SIGNED) // 40)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hop": 8}, "hop and lookahead go together"),
        ({"lookahead": 8}, "hop and lookahead go together"),
        ({"hop": 8, "lookahead": 8, "windows": False}, "do not go with --sample"),
        ({"hop": 0, "lookahead": 8}, "hop is 0 and lookahead 8; a hop is at least 1 frame"),
        ({"hop": 8, "lookahead": -1}, "a lookahead at least 0"),
        ({"hop": 40, "lookahead": 9, "max_frames": 48}, "more than a window of 48: frames would go unread"),
    ],
)
def test_what_does_not_serve_is_said(options, message):
    with pytest.raises(ReadingError, match=re.escape(message)):
        Reading(**options)
