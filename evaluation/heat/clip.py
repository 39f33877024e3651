"""The clip that a heat map is drawn over: what the network sees of it, and what a person does."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from config.load import load_config
from config.schema import Config
from dataset.crop import centre_square, crop_and_resize
from dataset.manifest import Clip, Manifest, load_manifest
from dataset.sampling import sample_at_rate, sample_every_frame, thin_out_evenly
from dataset.video import Video
from evaluation.heat.request import CamError, Source, nearest
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.transcribe import Reading, about_frames, about_picture

SHOWN = 480  # pixels: the longer side of the pictures, large enough for a hand to be seen in them

Region = tuple[int, int, int, int]


@dataclass(frozen=True)
class ShownClip:
    """A clip of which the network sees T frames.

    Attributes:
        name: of it.
        frames: (N, size, size, 3) uint8 RGB as the recogniser takes them; N is T, or more where it leaves some out.
        pictures: (T, H, W, 3) uint8 RGB, what it sees as a person wants to see it; with even sides.
        region: left, top, right and bottom of the part of the pictures that it sees, in pixels.
        rate: pictures a second.
        signed: the glosses; None if they are not known.
        notes: what was done to the frames, a sentence each.
    """

    name: str
    frames: np.ndarray
    pictures: np.ndarray
    region: Region
    rate: float
    signed: tuple[str, ...] | None
    notes: tuple[str, ...]


def show_video(
    recogniser: Recogniser, video: Video, reading: Reading, name: str, signed: tuple[str, ...] | None = None
) -> ShownClip:  # fmt: skip
    """A clip from a video.

    Args:
        recogniser: that will read it.
        video: of it.
        reading: how it is read, but never in windows: the heat of a gloss is that of the whole clip.
        name: of the clip.
        signed: its glosses, if they are known.

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
        if position % interval == 0:
            pictures.append(legible(frame))
    return ShownClip(
        name=name,
        frames=np.stack(frames),
        pictures=np.stack(pictures),
        region=seen_region(recogniser, pictures[0].shape, reading.crop),
        rate=len(pictures) / float(sampling.times[-1] - sampling.times[0]),
        signed=signed,
        notes=(
            about_picture(shape, size, reading.crop),
            *about_frames(video, reading, recogniser.config.frame_rate, len(wanted), 1),
        ),
    )


def legible(frame: np.ndarray) -> np.ndarray:
    """A frame (H, W, 3) with its longer side `SHOWN` pixels long and both of them even, which video codecs need."""
    factor = SHOWN / max(frame.shape[:2])
    height, width = (2 * max(1, round(side * factor / 2)) for side in frame.shape[:2])
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)


def seen_region(recogniser: Recogniser, shape: tuple[int, ...], crop: str) -> Region:
    """The part of pictures of `shape` (H, W, 3) that the network sees after both crops, `crop` and its own."""
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


def find_clip(recogniser: Recogniser, source: Source) -> tuple[Manifest, Clip]:
    """The clip of a prepared corpus that `source` names.

    Raises:
        CamError: no such clip.
        ConfigError, ManifestError: there is no such corpus, or it is not prepared.
    """
    config = _config(recogniser, source)
    manifest = load_manifest(config.prepared, config.dataset, source.split)
    clips = {clip.id: clip for clip in manifest.clips}
    wanted, count = source.clip, len(manifest.clips)
    if wanted in clips:
        return manifest, clips[wanted]
    where = f"{source.dataset} {source.split}"
    if not wanted.isdecimal():
        raise CamError(
            f"{where} has no clip {wanted!r}{nearest(wanted, clips)}. Its clips are numbered 0 to {count - 1}"
        )
    if int(wanted) >= count:
        raise CamError(f"{where} has no clip {wanted}: its clips are numbered 0 to {count - 1}")
    return manifest, manifest.clips[int(wanted)]


def _config(recogniser: Recogniser, source: Source) -> Config:
    """Of the corpus: the file named, else the checkpoint's own if it was trained on this corpus."""
    if source.config is None and recogniser.config.dataset == source.dataset:
        return recogniser.config
    return load_config(source.config, {"dataset": source.dataset})[0]
