"""The clip that a heat map is drawn over: what the network sees of it, and what a person does."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from config.load import load_config
from config.schema import Config
from dataset.crop import centre_square, crop_and_resize
from dataset.manifest import Clip, Manifest, load_manifest
from dataset.sampling import sample_at_rate, sample_every_frame, thin_out_evenly
from dataset.video import Video
from evaluation.heat.records import Region, ShownClip
from evaluation.heat.request import ClipChoice
from evaluation.inference.reading import Reading, ReadingError
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.transcribe import describe_crop, describe_frames
from utils.text import did_you_mean

SHOWN = 480  # pixels: the longer side of the pictures, large enough for a hand to be seen in them


def load_shown_clip(
    recogniser: Recogniser, video: Video, reading: Reading, name: str, signed: tuple[str, ...] | None = None
) -> ShownClip:  # fmt: skip
    """Read the frames of a clip from its video.

    Args:
        recogniser: the recogniser that will read them.
        video: the clip's video.
        reading: how the frames are taken, but never in windows: the heat of a gloss is that of the whole clip.
        name: the clip's name.
        signed: the glosses that were signed, if they are known.

    Raises:
        FrameError: a frame cannot be read.
    """
    wanted = sample_every_frame(video.times) if reading.rate is None else sample_at_rate(video.times, reading.rate)
    sampling = thin_out_evenly(wanted, reading.max_frames)
    size, interval = recogniser.frame_size, recogniser.config.feeder_args.frame_interval
    frames, pictures, shape = [], [], (0, 0, 0)
    for position, frame in enumerate(video.frames(sampling.indices)):
        shape = frame.shape
        frames.append(crop_and_resize(frame, size, reading.crop))
        if position % interval == 0:  # the others the network leaves out, so that there is no heat for them
            pictures.append(resize_for_viewing(frame))
    return ShownClip(
        name=name,
        frames=np.stack(frames),
        pictures=np.stack(pictures),
        region=find_seen_region(recogniser, pictures[0].shape, reading.crop),
        rate=len(pictures) / float(sampling.times[-1] - sampling.times[0]),
        signed=signed,
        notes=(
            describe_crop(shape, size, reading.crop),
            *describe_frames(video, reading, recogniser.config.frame_rate, len(wanted), 1),
        ),
    )


def resize_for_viewing(frame: np.ndarray) -> np.ndarray:
    """Make the longer side of a frame (H, W, 3) `SHOWN` pixels long, and both sides even, which video codecs need."""
    factor = SHOWN / max(frame.shape[:2])
    height, width = (2 * max(1, round(side * factor / 2)) for side in frame.shape[:2])
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)


def find_seen_region(recogniser: Recogniser, shape: Sequence[int], crop: str) -> Region:
    """Find the part of pictures of `shape` (H, W, 3) that the network sees after both crops, `crop` and its own."""
    height, width = shape[:2]
    left, top, across, down = 0, 0, width, height
    if crop == "centre":
        top, left, side = centre_square(height, width)
        across, down = side, side
    plan = recogniser.transform.plan(1, np.random.default_rng())  # draws nothing in evaluation
    begin, end = np.array([plan.left, plan.top]), recogniser.config.feeder_args.input_size
    corners = np.stack([begin, begin + end]) / plan.size * (across, down) + (left, top)  # (2, 2)
    first, last = corners.round().astype(int).tolist()
    return (*first, *last)


def find_corpus_clip(recogniser: Recogniser, choice: ClipChoice) -> tuple[Manifest, Clip]:
    """Find the clip of a prepared corpus that was chosen, and the manifest of its split.

    Raises:
        ReadingError: there is no such clip.
        ConfigError, ManifestError: there is no such corpus, or it is not prepared.
    """
    config = _load_corpus_config(recogniser, choice)
    manifest = load_manifest(config.prepared, config.dataset, choice.split)
    clips = {clip.id: clip for clip in manifest.clips}
    wanted, count = choice.clip, len(manifest.clips)
    if wanted in clips:  # first, since an id may be a number too
        return manifest, clips[wanted]
    split = f"{choice.dataset} {choice.split}, whose clips are numbered 0 to {count - 1}"
    if not wanted.isdecimal():
        hint = did_you_mean(wanted, list(clips), most=3, cutoff=0.4)
        raise ReadingError(f"{split}, has no clip {wanted!r}{hint}")
    if int(wanted) >= count:
        raise ReadingError(f"{split}, has no clip {wanted}")
    return manifest, manifest.clips[int(wanted)]


def _load_corpus_config(recogniser: Recogniser, choice: ClipChoice) -> Config:
    """The configuration of the file that was named, else the checkpoint's own if it was trained on this corpus."""
    if choice.config is None and recogniser.config.dataset == choice.dataset:
        return recogniser.config
    return load_config(choice.config, {"dataset": choice.dataset})[0]
