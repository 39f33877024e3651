"""From a video of any length and frame rate to its transcript."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from tqdm import tqdm

from dataset.crop import crop_and_resize
from dataset.sampling import Sampling, sample_at_rate, sample_every_frame, thin_out_evenly
from dataset.video import Video
from evaluation.ctc.words import merge_repeats
from evaluation.ctm import CtmWord
from evaluation.inference.recogniser import Recogniser, Recognition
from evaluation.inference.transcript import Guess, Transcript
from evaluation.inference.windows import cut, stitch, window_spans
from utils.errors import InputError
from utils.temporal import TemporalSpec

RATE_TOLERANCE = 0.02
SHORTEST_WINDOW = 48  # about two seconds: less does not show a gloss and its neighbours


class ReadingError(InputError, ValueError):
    """A video cannot be read in the way that was asked for."""


@dataclass(frozen=True)
class Reading:
    """How a video is read.

    Attributes:
        max_frames: the most that the network is given at once.
        windows: read what is longer in overlapping windows; else `max_frames` of its frames, evenly spaced.
        rate: take so many frames a second; all if None.
        crop: "none" squashes the picture as the preparation of the corpora does, "centre" takes the middle square.

    Raises:
        ReadingError: a length or rate that is not positive, or too short a window.
    """

    max_frames: int = 360
    windows: bool = False
    rate: float | None = None
    crop: str = "none"

    def __post_init__(self) -> None:
        least = SHORTEST_WINDOW if self.windows else 1
        if self.max_frames < least:
            raise ReadingError(f"max_frames_num is {self.max_frames}; at least {least} are needed here")
        if self.rate is not None and not 0 < self.rate <= 1000:
            raise ReadingError(f"fps is {self.rate:g}; a frame rate is above 0 and at most 1000")


@dataclass(frozen=True)
class Window:
    """What was read in a stretch of the sampled frames, with its times in seconds of the video."""

    start: float
    end: float
    words: tuple[CtmWord, ...]
    nbest: tuple[Guess, ...]


def transcribe(recogniser: Recogniser, video: Video, reading: Reading, name: str) -> Transcript:
    """Read one clip.

    Args:
        recogniser: the network.
        video: of it.
        reading: how.
        name: of the clip.

    Raises:
        FrameError: a frame cannot be read.
        RecognitionError: the network's output is not finite.
    """
    sampling = sample_every_frame(video.times) if reading.rate is None else sample_at_rate(video.times, reading.rate)
    whole = len(sampling)
    if not reading.windows:
        sampling = thin_out_evenly(sampling, reading.max_frames)
    shape = next(video.frames([0])).shape
    windows = list(read_windows(recogniser, video, sampling, reading))
    words = stitch([(window.start, window.end, window.words) for window in windows])
    if recogniser.config.merge_repeats:
        words = merge_repeats(words)
    picture = about_picture(shape, recogniser.frame_size, reading.crop)
    return Transcript(
        name=name,
        video=video.path,
        duration=float(video.times[-1]),
        rate=video.rate,
        frames=video.num_frames,
        frames_read=-(-len(sampling) // recogniser.config.feeder_args.frame_interval),
        words=words,
        nbest=tuple(guess for window in windows for guess in window.nbest),
        notes=(picture, *about_frames(video, reading, recogniser.config.frame_rate, whole, len(windows))),
    )


def read_windows(
    recogniser: Recogniser, video: Video, sampling: Sampling, reading: Reading
) -> Iterator[Window]:  # fmt: skip
    """What the network reads in each window of the sampled frames; of short clips there is one."""
    stride = TemporalSpec(recogniser.config.model_args.conv_type).stride
    spans = window_spans(len(sampling), reading.max_frames, stride * recogniser.config.feeder_args.frame_interval)
    frames = (crop_and_resize(frame, recogniser.frame_size, reading.crop) for frame in video.frames(sampling.indices))
    parts = zip(spans, cut(frames, spans), strict=True)
    spelling = replace(recogniser, config=replace(recogniser.config, merge_repeats=False))  # merged once stitched
    for (first, end), part in tqdm(parts, total=len(spans), unit="window", leave=False, disable=len(spans) < 2):
        yield on_clock(spelling.recognise(part), recogniser.config.frame_rate, sampling, first, end)


def on_clock(recognition: Recognition, rate: float, sampling: Sampling, first: int, end: int) -> Window:
    """A recognition of the sampled frames `first` to `end` with the times of the video.

    The network counts frames, and its seconds are of `rate` frames.
    """

    def moment(seconds: float) -> float:
        return sampling.seconds_at(min(first + seconds * rate, end))

    words = tuple(
        word._replace(start=moment(word.start), duration=moment(word.start + word.duration) - moment(word.start))
        for word in recognition.words
    )
    start, stop = sampling.seconds_at(first), sampling.seconds_at(end)
    nbest = tuple(Guess(start, stop, best.glosses, best.score) for best in recognition.nbest)
    return Window(start, stop, words, nbest)


def about_picture(shape: tuple[int, ...], size: int, crop: str) -> str:
    """What became of pictures of `shape` (H, W, 3)."""
    height, width = shape[:2]
    side = min(height, width)
    if crop == "centre" and height != width:
        return f"the middle {side}x{side} pixels of {width}x{height}, at {size}x{size} (--crop centre)"
    squashed = f"{width}x{height} pixels at {size}x{size}"
    if height == width:
        return squashed
    hint = "; if the signer looks thin, --crop centre takes the middle square" if width > height else ""
    return f"{squashed}, squashed as in training (--crop none){hint}"


def about_frames(video: Video, reading: Reading, trained: float, sampled: int, windows: int) -> list[str]:
    """What became of the frames, and what the network may stumble over.

    Args:
        video: of them.
        reading: as asked for.
        trained: frames a second of the training.
        sampled: frames at the rate asked for, before any were left out.
        windows: that were read.
    """
    notes = []
    if video.announced > video.num_frames:
        notes.append(f"warning: the file announces {video.announced} frames, {video.num_frames} of them can be read")
    if not video.is_file:
        notes.append(f"images do not say when they were taken: counted as {trained:g} a second")
    if reading.rate is not None:
        notes.append(f"{sampled} frames at {reading.rate:g} a second, each the nearest of the video's (--fps)")
    rate = reading.rate or video.rate
    if abs(rate / trained - 1) > RATE_TOLERANCE:
        remedy = "resamples" if video.rate > trained else "repeats frames until times are right"
        notes.append(
            f"warning: at {rate:.4g} frames a second signing looks {trained / rate:.2g} times as fast as the "
            f"{trained:g} of the training; --fps {trained:g} {remedy}"
        )
    if windows > 1:
        notes.append(f"{windows} overlapping windows of {reading.max_frames} frames, stitched (--window)")
    elif sampled > reading.max_frames:
        notes.append(
            f"warning: of {sampled} frames {reading.max_frames} are read, evenly spaced (--max_frames_num), so signing "
            f"looks {sampled / reading.max_frames:.2g} times as fast; test_one_video.py --window reads all"
        )
    return notes
