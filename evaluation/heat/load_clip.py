"""Loading the clip that a heat map is drawn over, from a video or a prepared corpus."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from config.load import load_config
from config.schema import Config
from dataset.crop import centre_square, crop_and_resize
from dataset.manifest import Clip, Manifest, load_manifest
from dataset.sampling import thin_out_evenly
from dataset.video import Video
from evaluation.heat.request import ClipChoice, suggest_names
from evaluation.heat.shown_clip import Region, ShownClip, resize_for_viewing
from evaluation.inference.notes import describe_crop, describe_frames
from evaluation.inference.reading import Reading, ReadingError
from evaluation.inference.recogniser import Recogniser
from utils.text import quote_value
from utils.unicode import to_nfc

LONGEST_NUMBER = 9
"""Digits of a clip's number; Python refuses to read thousands of them."""


def load_shown_clip(
    recogniser: Recogniser, video: Video, reading: Reading, name: str, signed: tuple[str, ...] | None = None
) -> ShownClip:  # fmt: skip
    """Read the frames of a clip from its video.

    Args:
        recogniser: the recogniser that will read them.
        video: the clip's video.
        reading: how the frames are taken; longer clips are thinned out, see `evaluation.heat.windows` for windows.
        name: the clip's name.
        signed: the glosses that were signed, if they are known.

    Raises:
        FrameError: a frame cannot be read.
    """
    wanted = reading.sample_frames(video.times)
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
            *describe_frames(video, reading, recogniser.frame_rate, len(wanted), 1),
        ),
    )


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
    clips = {to_nfc(clip.id): clip for clip in manifest.clips}
    wanted, count = to_nfc(choice.clip), len(manifest.clips)
    if wanted in clips:  # first, since an id may be a number too
        return manifest, clips[wanted]
    split = f"{choice.dataset} {choice.split}, whose clips are numbered 0 to {count - 1}"
    if not (wanted.isdecimal() and len(wanted) <= LONGEST_NUMBER):
        hint = suggest_names(wanted, list(clips))
        raise ReadingError(f"{split}, has no clip {quote_value(wanted)}{hint}")
    if int(wanted) >= count:
        raise ReadingError(f"{split}, has no clip {wanted}")
    return manifest, manifest.clips[int(wanted)]


def _load_corpus_config(recogniser: Recogniser, choice: ClipChoice) -> Config:
    """The configuration of the file that was named, else the checkpoint's own if it was trained on this corpus."""
    if choice.config is None and recogniser.config.dataset == choice.dataset:
        return recogniser.config
    return load_config(choice.config, {"dataset": choice.dataset})[0]
