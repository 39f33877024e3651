"""Rendered clips as long as those of PHOENIX2014, and the loader of a training on them, for the loader's benchmark."""

from __future__ import annotations

from itertools import chain, islice
from pathlib import Path

import cv2
import numpy as np

from config.load import load_config
from config.schema import Config
from dataset.batch_loader import BatchLoader
from dataset.frames import resize_frame
from dataset.loader import build_loader
from dataset.manifest import Clip, Manifest
from dataset.synthetic.generate import plan_corpus, render_clip
from dataset.vocabulary import Vocabulary
from preprocess.images import JPEG_QUALITY
from preprocess.pack import pack
from utils.temporal import TemporalSpec

SHORTEST, LONGEST, MEAN, CLIPS = 27, 299, 141, 5671  # frames, and clips of PHOENIX2014's training split
CONCENTRATION = 6.0  # a + b of the beta distribution: a standard deviation of 51 frames
FRAME_SIZE = 256
VOCABULARY = Vocabulary(["GLOSS"])
EPOCHS = (1, 2, 3)


def draw_lengths(count: int, seed: int = 0) -> list[int]:
    """Draw the numbers of frames of `count` clips, spread over PHOENIX2014's range with its mean."""
    share = (MEAN - SHORTEST) / (LONGEST - SHORTEST)
    drawn = np.random.default_rng(seed).beta(CONCENTRATION * share, CONCENTRATION * (1 - share), count)
    return np.rint(SHORTEST + drawn * (LONGEST - SHORTEST)).astype(int).tolist()


def draw_manifest(count: int, home: Path) -> Manifest:
    """Draw a training split of `count` clips with such lengths, which lie in `home`."""
    clips = (Clip(f"clip{i}", f"clip{i}", "s", ("GLOSS",), n) for i, n in enumerate(draw_lengths(count)))
    return Manifest("phoenix2014", "train", FRAME_SIZE, tuple(clips), home)


def write_corpora(count: int, home: Path) -> dict[str, Manifest]:
    """Write the same rendered clips as folders of PNG and of JPEG, and packed; gives the manifests by suffix."""
    rendered = chain.from_iterable(render_clip(clip, seed=0) for clip in plan_corpus(12, (40 * count, 0, 0), seed=0))
    manifests = {suffix: draw_manifest(count, home / suffix) for suffix in ("png", "jpg")}
    for clip in manifests["png"].clips:
        for manifest in manifests.values():
            manifest.clip_folder(clip).mkdir(parents=True)
        for number, frame in enumerate(islice(rendered, clip.num_frames)):
            image = cv2.cvtColor(resize_frame(frame, FRAME_SIZE), cv2.COLOR_RGB2BGR)
            for suffix, manifest in manifests.items():
                options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if suffix == "jpg" else []
                cv2.imwrite(str(manifest.clip_folder(clip) / f"images{number:04d}.{suffix}"), image, options)
    for suffix, manifest in manifests.items():
        manifest.save(home / suffix / "train.json")
        pack(home / suffix)
    return manifests


def configure(**changes: object) -> Config:
    """Give the baseline with these changes, read in this process."""
    return load_config(None, {"num_worker": 0, **changes})[0]


def build_training_loader(config: Config, manifest: Manifest) -> BatchLoader:
    """Build the loader of a training with this configuration."""
    spec = TemporalSpec(config.model_args.conv_type)
    return build_loader(
        manifest, VOCABULARY, config.feeder_args, spec, batch_size=config.batch_size, training=True,
        seed=config.random_seed, num_workers=config.num_worker,
    )  # fmt: skip
