"""From a video of any length and frame rate to its transcript."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from dataset.crop import crop_and_resize
from dataset.sampling import Sampling, thin_out_evenly
from dataset.video import Video
from evaluation.ctc.words import merge_repeats
from evaluation.ctm import CtmWord
from evaluation.inference.notes import (
    describe_crop,
    describe_doubts,
    describe_frames,
    describe_left_out,
    describe_network,
)
from evaluation.inference.reading import Reading
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.recognition import Recognition
from evaluation.inference.transcript import Guess, Transcript
from evaluation.inference.windows import cut_windows, plan_windows, stitch
from utils.progress import show_progress
from utils.temporal import TemporalSpec


@dataclass(frozen=True)
class Window:
    """What was read in one window of the sampled frames; all times are seconds of the video."""

    start: float
    end: float
    words: tuple[CtmWord, ...]
    nbest: tuple[Guess, ...]
    doubts: tuple[str, ...]


def transcribe(
    recogniser: Recogniser, video: Video, reading: Reading, name: str, watch: Callable[[int, int], None] | None = None
) -> Transcript:  # fmt: skip
    """Read one clip, however long it is.

    Args:
        recogniser: the network with its decoder.
        video: the clip's frames.
        reading: how the frames are sampled, cropped and cut into windows.
        name: the clip's name in the transcript.
        watch: called before each window with its number, from 0, and the number of windows; what it raises ends the
            reading.

    Raises:
        FrameError: a frame cannot be read.
        RecognitionError: the network's output is not finite.
    """
    sampling = reading.sample_frames(video.times)
    whole = len(sampling)
    if not reading.windows:
        sampling = thin_out_evenly(sampling, reading.max_frames)
    shape = next(video.frames([0])).shape
    windows = list(recognise_windows(recogniser, video, sampling, reading, watch))
    words = stitch([(window.start, window.end, window.words) for window in windows])
    if recogniser.config.merge_repeats:
        words = merge_repeats(words)
    kept = tuple(word for word in words if word.confidence is None or word.confidence >= reading.min_confidence)
    doubts = describe_doubts([(window.start, window.end, window.doubts) for window in windows])
    left_out = describe_left_out(len(words) - len(kept), reading.min_confidence)
    frames_read = describe_frames(video, reading, recogniser.frame_rate, whole, len(windows))
    picture = describe_crop(shape, recogniser.frame_size, reading.crop)
    return Transcript(
        name=name,
        video=video.path,
        duration=float(video.times[-1]),
        rate=video.rate,
        frames=video.num_frames,
        frames_read=-(-len(sampling) // recogniser.config.feeder_args.frame_interval),
        words=kept,
        nbest=tuple(guess for window in windows for guess in window.nbest),
        notes=(picture, *frames_read, *describe_network(recogniser.rendered, recogniser.averaged), *doubts, *left_out),
    )


def recognise_windows(
    recogniser: Recogniser, video: Video, sampling: Sampling, reading: Reading,
    watch: Callable[[int, int], None] | None = None,
) -> Iterator[Window]:  # fmt: skip
    """Recognise each window of the sampled frames; a short clip is one window. `watch` is as in `transcribe`."""
    stride = TemporalSpec(recogniser.config.model_args.conv_type).stride
    spans = plan_windows(len(sampling), reading.max_frames, stride * recogniser.config.feeder_args.frame_interval)
    frames = (crop_and_resize(frame, recogniser.frame_size, reading.crop) for frame in video.frames(sampling.indices))
    parts = zip(spans, cut_windows(frames, spans), strict=True)
    # Repeats are merged once the windows are stitched: merged before, a word that goes on past the edge of a window
    # would keep only the part that this window saw.
    without_merging = replace(recogniser, config=replace(recogniser.config, merge_repeats=False))
    hidden = watch is not None or len(spans) < 2
    for number, ((first, end), part) in enumerate(show_progress(parts, len(spans), "reading", "window", hidden)):
        if watch is not None:
            watch(number, len(spans))
        yield convert_times(without_merging.recognise(part), recogniser.frame_rate, sampling, first, end)


def convert_times(recognition: Recognition, rate: float, sampling: Sampling, first: int, end: int) -> Window:
    """Turn the times of a recognition into those of the video.

    Args:
        recognition: what the network read in one window.
        rate: the frames that the network takes for a second.
        sampling: which frames of the video the network was given.
        first, end: the window's positions in `sampling`, (first, last + 1).
    """

    def to_video_time(seconds: float) -> float:
        # Clamped to the window: where a network leaves out frames, the last one it sees stands for some past the end.
        return sampling.seconds_at(min(first + seconds * rate, end))

    words = []
    for word in recognition.words:
        begin, stop = to_video_time(word.start), to_video_time(word.start + word.duration)
        words.append(word._replace(start=begin, duration=stop - begin))
    start, stop = sampling.seconds_at(first), sampling.seconds_at(end)
    nbest = tuple(Guess(start, stop, best.glosses, best.score) for best in recognition.nbest)
    return Window(start, stop, tuple(words), nbest, recognition.doubts)
