"""With a network that can be foreseen: `tests.helpers.colour_network`."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from dataset.video import open_video
from evaluation.calibration import Calibration
from evaluation.inference.reading import Reading, ReadingError
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.transcribe import transcribe
from tests.helpers.colour_network import COLOURS, STEP, colour_recogniser
from tests.helpers.videos import make_video


def film(path: Path, colours: Iterable[str], rate: float = 25.0, size: tuple[int, int] = (96, 64)) -> Path:
    pictures = (np.full((size[1], size[0], 3), COLOURS[colour], np.uint8) for colour in colours)
    return make_video(path, pictures, rate=rate)


def read(path: Path, reader: Recogniser | None = None, **options):
    return transcribe(reader or colour_recogniser(), open_video(path, 25), Reading(**options), "clip")


def found(transcript) -> list[tuple[str, float, float]]:
    return [(word.gloss, round(word.start, 2), round(word.start + word.duration, 2)) for word in transcript.words]


def test_a_short_clip_keeps_every_frame(tmp_path):
    transcript = read(film(tmp_path / "clip.mp4", " " * 8 + "R" * 16 + " " * 8 + "B" * 12 + " " * 6))
    assert found(transcript) == [("R", 0.32, 0.96), ("B", 1.28, 1.76)]
    assert (transcript.frames, transcript.frames_read, transcript.rate) == (50, 50, 25)
    assert transcript.duration == pytest.approx(2)
    assert transcript.notes == (
        "96x64 pixels at 72x72, squashed as in training (--crop none); "
        "if the signer looks thin, --crop centre takes the middle square",
    )
    assert transcript.nbest[0].glosses == ("R", "B")
    assert (transcript.nbest[0].start, transcript.nbest[0].end) == (0, pytest.approx(2))


def test_a_clip_of_one_frame(tmp_path):
    transcript = read(film(tmp_path / "clip.mp4", "G"))
    assert found(transcript) == [("G", 0, 0.04)]
    assert (transcript.frames, transcript.frames_read) == (1, 1)


def test_long_clips_are_sampled_evenly_and_times_stay_those_of_the_video(tmp_path):
    path = film(tmp_path / "clip.mp4", " " * 1000 + "R" * 500 + " " * 500 + "G" * 500 + " " * 500)  # 2 minutes
    transcript = read(path, windows=False)
    assert (transcript.frames, transcript.frames_read, transcript.duration) == (3000, 360, pytest.approx(120))
    assert [word.gloss for word in transcript.words] == ["R", "G"]
    expected = [40, 20, 80, 20]
    assert [t for word in transcript.words for t in (word.start, word.duration)] == pytest.approx(expected, abs=1.4)
    assert any("of 3000 frames 360 are read, evenly spaced (--max_frames_num)" in note for note in transcript.notes)
    assert any("8.3 times as fast; without --sample all are read" in note for note in transcript.notes)


def test_windows_read_every_frame_of_a_long_clip(tmp_path):
    colours = "".join("RGB"[number % 3] * 12 + " " * 13 for number in range(120))  # a gloss a second for two minutes
    path = film(tmp_path / "clip.mp4", colours)
    transcript = read(path)
    assert transcript.frames_read == 3000
    assert [word.gloss for word in transcript.words] == ["RGB"[number % 3] for number in range(120)]
    assert [word.start for word in transcript.words] == pytest.approx(list(range(120)), abs=0.1)
    assert [word.duration for word in transcript.words] == pytest.approx([0.48] * 120, abs=0.17)
    assert found(transcript) == found(read(path, max_frames=3000))  # as if it had been read at once
    assert any("overlapping windows of 360 frames" in note for note in transcript.notes)
    assert not any("evenly spaced" in note for note in transcript.notes)
    assert len({guess.start for guess in transcript.nbest}) == 12
    small = read(path, windows=True, max_frames=50)
    assert [word.gloss for word in small.words] == ["RGB"[number % 3] for number in range(120)]


def test_windows_change_nothing_in_a_short_clip(tmp_path):
    path = film(tmp_path / "clip.mp4", " " * 8 + "R" * 16 + " " * 26)
    assert read(path, windows=False) == read(path)


def test_a_gloss_at_the_seam_is_merged_only_where_the_corpus_merges(tmp_path):
    path = film(tmp_path / "clip.mp4", ("R" * 12 + " " * 13) * 8)  # the same gloss eight times
    for merging, count in ((True, 1), (False, 8)):
        reader = colour_recogniser(merge_repeats=merging)
        for options in ({}, {"windows": True, "max_frames": 60}):
            words = read(path, reader, **options).words
            assert [word.gloss for word in words] == ["R"] * count, options
            starts, ends = [0.0] if merging else range(8), [7.48] if merging else [n + 0.48 for n in range(8)]
            assert [word.start for word in words] == pytest.approx(list(starts), abs=0.1)
            assert [word.start + word.duration for word in words] == pytest.approx(list(ends), abs=0.1)


def test_windows_of_a_network_that_leaves_frames_out(tmp_path):
    path = film(tmp_path / "clip.mp4", "".join("RGB"[number % 3] * 40 + " " * 60 for number in range(5)))
    reader = colour_recogniser(**{"feeder_args.frame_interval": 5})
    transcript = read(path, reader, windows=True, max_frames=90)
    assert [word.gloss for word in transcript.words] == ["R", "G", "B", "R", "G"]
    assert [word.start for word in transcript.words] == pytest.approx([0, 4, 8, 12, 16], abs=0.4)
    assert transcript.frames_read == 100
    reader = colour_recogniser(**{"feeder_args.frame_interval": 20})
    with pytest.raises(ReadingError, match=r"windows of 90 frames are too short .* give --max_frames_num 240 or more"):
        read(path, reader, windows=True, max_frames=90)
    assert len(read(path, reader, windows=True, max_frames=240).nbest) > 1


@pytest.mark.parametrize("rate", [50, 30, 12.5])
def test_other_frame_rates_are_said_and_resampled_when_asked_for(tmp_path, rate):
    def seconds(colour: str, count: float) -> str:
        return colour * round(count * rate)

    colours = seconds(" ", 0.64) + seconds("R", 0.96) + seconds(" ", 0.8) + seconds("G", 0.8) + seconds(" ", 0.8)
    path = film(tmp_path / "clip.mp4", colours, rate)
    expected = [0.64, 1.6, 2.4, 3.2]
    unsampled = read(path)
    (note,) = [note for note in unsampled.notes if "frames a second" in note]
    assert note.startswith(
        f"warning: at {rate:g} frames a second signing looks {25 / rate:.2g} times as fast as at the 25"
    )
    resampled = read(path, rate=25)
    assert resampled.frames_read == round(25 * len(colours) / rate)
    assert any("at 25 a second, each the nearest of the video's (--fps)" in note for note in resampled.notes)
    assert not any("warning" in note for note in resampled.notes)
    for transcript, step in ((unsampled, STEP / rate), (resampled, STEP / 25)):
        assert [word.gloss for word in transcript.words] == ["R", "G"]
        times = [t for word in transcript.words for t in (word.start, word.start + word.duration)]
        assert times == pytest.approx(expected, abs=step)


def test_resampling_sampling_and_windows_together(tmp_path):
    path = film(tmp_path / "clip.mp4", " " * 200 + "R" * 100 + " " * 200 + "B" * 100 + " " * 200, 50)  # 16 s
    for options in ({"max_frames": 100, "windows": False}, {"max_frames": 100}):
        transcript = read(path, rate=25, **options)
        assert [word.gloss for word in transcript.words] == ["R", "B"]
        times = [t for word in transcript.words for t in (word.start, word.start + word.duration)]
        assert times == pytest.approx([4, 6, 10, 12], abs=0.7)


def test_every_second_frame_only(tmp_path):
    path = film(tmp_path / "clip.mp4", " " * 16 + "R" * 32 + " " * 16 + "B" * 32 + " " * 4)
    transcript = read(path, colour_recogniser(**{"feeder_args.frame_interval": 2}))
    assert found(transcript) == [("R", 0.64, 1.92), ("B", 2.56, 3.84)]


def test_the_middle_square_of_a_wide_picture(tmp_path):
    picture = np.full((64, 160, 3), COLOURS["R"], np.uint8)
    picture[:, 48:112] = COLOURS["B"]
    path = make_video(tmp_path / "clip.mp4", [picture] * 16)
    squashed, middle = read(path), read(path, crop="centre")
    assert [word.gloss for word in squashed.words] == ["R"]
    assert [word.gloss for word in middle.words] == ["B"]
    assert middle.notes[0] == "the middle 64x64 pixels of 160x64, at 72x72 (--crop centre)"


def test_a_folder_of_images(tmp_path):
    for number, colour in enumerate(" " * 8 + "R" * 12 + " " * 5, start=1):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((64, 64, 3), COLOURS[colour][::-1], np.uint8))
    transcript = read(tmp_path)
    assert found(transcript) == [("R", 0.32, 0.8)]
    assert transcript.notes == (
        "64x64 pixels at 72x72",
        "images do not say when they were taken: counted as 25 a second",
    )


def test_what_is_wrong_with_a_file_is_said(tmp_path):
    video = replace(open_video(film(tmp_path / "clip.mp4", "R" * 20), 25), cut="cut short, 6 bytes missing")
    transcript = transcribe(colour_recogniser(), video, Reading(), "clip")
    assert "warning: the file is cut short, 6 bytes missing" in transcript.notes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_frames": 0, "windows": False}, "max_frames_num is 0; at least 1 are needed"),
        (
            {"max_frames": 47, "windows": True},
            "max_frames_num is 47; at least 48 are needed here; --sample",
        ),
        ({"rate": 0.0}, "fps is 0"),
        ({"rate": -25.0}, "fps is -25"),
        ({"rate": float("nan")}, "fps is nan"),
        ({"rate": float("inf")}, "fps is inf"),
    ],
)
def test_impossible_ways_to_read(options, message):
    with pytest.raises(ReadingError, match=message):
        Reading(**options)


CALIBRATION = Calibration(slope=0.5, offset=0.0, least_energy=0.0, least_motion=0.5, clips=1, glosses=1000)


def test_a_still_picture_is_warned_of_and_where_in_a_long_clip(tmp_path):
    reader = replace(colour_recogniser(), calibration=CALIBRATION)
    still = read(film(tmp_path / "still.mp4", "R" * 50), reader)
    assert any(note.startswith("warning: nothing moves here") for note in still.notes)
    shares = [word.confidence for word in read(tmp_path / "still.mp4").words]
    assert [word.confidence for word in still.words] == pytest.approx([CALIBRATION.adjust(s) / 2 for s in shares])
    assert read(tmp_path / "still.mp4", reader, min_confidence=0.5).words == ()
    moving = read(film(tmp_path / "moving.mp4", "RGB" * 16), reader)
    assert not any("nothing moves" in note for note in moving.notes)
    long = read(film(tmp_path / "long.mp4", "RGB" * 80 + "R" * 360), reader)  # windows from 0, 9.6 and 19.2 s
    (note,) = [note for note in long.notes if "nothing moves" in note]
    assert note.startswith("warning: 9.6 to 24.0 s: nothing moves here")
    assert read(tmp_path / "still.mp4").warnings == ()  # a network of an older version knows nothing of it


def test_glosses_that_are_not_sure_enough_are_left_out_only_on_request(tmp_path):
    reader = replace(colour_recogniser(), calibration=CALIBRATION)
    path = film(tmp_path / "clip.mp4", " " * 8 + "R" * 16 + " " * 26)
    (word,) = read(path, reader).words
    assert word.confidence == pytest.approx(CALIBRATION.adjust(read(path).words[0].confidence))
    strict = read(path, reader, min_confidence=1.0)
    assert strict.words == ()
    assert "1 gloss below 1 left out (--min-confidence)" in strict.notes
    with pytest.raises(ReadingError, match="min_confidence is 2"):
        Reading(min_confidence=2.0)


def test_a_network_of_the_built_in_corpus_says_so(tmp_path):
    path = film(tmp_path / "clip.mp4", "R" * 20)
    notes = read(path, replace(colour_recogniser(), rendered=True)).notes
    assert any("rendered signs of the built-in corpus" in note for note in notes)
    assert not any("rendered" in note for note in read(path).notes)
