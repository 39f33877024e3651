"""A video read as a live recogniser reads a stream: in windows with a hop and a lookahead."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dataset.crop import crop_and_resize
from dataset.sampling import Sampling
from dataset.video import Video
from evaluation.ctm import CtmWord
from evaluation.inference.live_windows import FinalGlosses, LiveWindows
from evaluation.inference.reading import Reading
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.window import Watch, Window, convert_times, watch_windows
from evaluation.inference.window_reader import WindowReader
from utils.temporal import TemporalSpec


def read_as_live(
    recogniser: Recogniser, video: Video, sampling: Sampling, reading: Reading,
    watch: Watch | None = None,
) -> tuple[list[Window], tuple[CtmWord, ...], int]:  # fmt: skip
    """Read a video by the rule of `live_windows`.

    Args:
        recogniser, video, reading, watch: as for `transcribe`; `reading` has a hop and a lookahead.
        sampling: the frames to read.

    Returns:
        what was read in each window, the glosses of the video, and the number of glosses that were left out since their
        confidence is too low.
    """
    interval = recogniser.config.feeder_args.frame_interval
    grid = TemporalSpec(recogniser.config.model_args.conv_type).stride * interval
    plan = LiveWindows(reading.max_frames, reading.hop or 0, reading.lookahead or 0, grid).plan(len(sampling))
    glosses = FinalGlosses(recogniser.config.merge_repeats, reading.min_confidence)
    frames = crop_frames(recogniser, video, sampling.indices[::interval], reading.crop)
    by_window = recogniser.without_merging()
    reader = WindowReader(recogniser.network, by_window.recognise_logits, recogniser.slot_seconds)
    windows: list[Window] = []
    final: list[CtmWord] = []
    for part in watch_windows(plan, len(plan), watch):
        begin, end = part.begin // interval, -(-part.end // interval)  # in frames that the network sees
        while reader.slots < end:
            reader.add(next(frames))
        window = convert_times(reader.read(begin, end), recogniser.frame_rate, sampling, part.begin, part.end)
        final += glosses.take(window.words, window.start, sampling.seconds_at(part.settled))
        windows.append(window)
        reader.forget_before(begin)
    return windows, tuple(final), glosses.left_out


def crop_frames(recogniser: Recogniser, video: Video, indices: np.ndarray, crop: str) -> Iterator[np.ndarray]:
    """Crop frames of a video to what the network sees, (3, S, S) uint8; a repeated one is the same array again."""
    last, seen = -1, np.zeros(0, np.uint8)
    for index, frame in zip(indices, video.frames(indices), strict=True):
        if index != last:
            last, seen = index, recogniser.crop(crop_and_resize(frame, recogniser.frame_size, crop)[None])[0]
        yield seen
