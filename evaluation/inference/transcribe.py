"""From a video of any length and frame rate to its transcript."""

from __future__ import annotations

from collections.abc import Iterator

from dataset.crop import crop_and_resize
from dataset.sampling import Sampling, thin_out_evenly
from dataset.video import Video
from evaluation.ctc.words import merge_repeats
from evaluation.inference.notes import (
    describe_crop,
    describe_doubts,
    describe_frames,
    describe_left_out,
    describe_network,
)
from evaluation.inference.read_as_live import read_as_live
from evaluation.inference.reading import Reading
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.transcript import Transcript
from evaluation.inference.window import Watch, Window, convert_times, watch_windows
from evaluation.inference.windows import cut_windows, plan_windows, stitch
from utils.temporal import TemporalSpec


def transcribe(
    recogniser: Recogniser, video: Video, reading: Reading, name: str, watch: Watch | None = None
) -> Transcript:  # fmt: skip
    """Read one clip, however long it is.

    Args:
        recogniser: the network with its decoder.
        video: the clip's frames.
        reading: how the frames are sampled, cropped and cut into windows.
        name: the clip's name in the transcript.
        watch: told how far the reading is, as `Watch`; None shows it on the terminal.

    Raises:
        FrameError: a frame cannot be read.
        RecognitionError: the network's output is not finite.
    """
    sampling = reading.sample_frames(video.times)
    whole = len(sampling)
    if not reading.windows:
        sampling = thin_out_evenly(sampling, reading.max_frames)
    shape = next(video.frames([0])).shape
    if reading.hop is None or reading.lookahead is None:
        windows = list(recognise_windows(recogniser, video, sampling, reading, watch))
        words = stitch([(window.start, window.end, window.words) for window in windows])
        if recogniser.config.merge_repeats:
            words = merge_repeats(words)
        kept = tuple(word for word in words if word.confidence is None or word.confidence >= reading.min_confidence)
        num_left_out = len(words) - len(kept)
    else:
        windows, kept, num_left_out = read_as_live(recogniser, video, sampling, reading, watch)
    doubts = describe_doubts([(window.start, window.end, window.doubts) for window in windows])
    left_out = describe_left_out(num_left_out, reading.min_confidence)
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
        notes=(picture, *frames_read, *describe_network(recogniser.rendered, recogniser.combined), *doubts, *left_out),
    )


def recognise_windows(
    recogniser: Recogniser, video: Video, sampling: Sampling, reading: Reading,
    watch: Watch | None = None,
) -> Iterator[Window]:  # fmt: skip
    """Recognise each window of the sampled frames; a short clip is one window. `watch` is as in `transcribe`."""
    stride = TemporalSpec(recogniser.config.model_args.conv_type).stride
    spans = plan_windows(len(sampling), reading.max_frames, stride * recogniser.config.feeder_args.frame_interval)
    frames = (crop_and_resize(frame, recogniser.frame_size, reading.crop) for frame in video.frames(sampling.indices))
    parts = zip(spans, cut_windows(frames, spans), strict=True)
    by_window = recogniser.without_merging()
    for (first, end), part in watch_windows(parts, len(spans), watch):
        yield convert_times(by_window.recognise(part), recogniser.frame_rate, sampling, first, end)
