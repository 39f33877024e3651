"""From a manifest to batches."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.context import BaseContext
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from config.schema import Config
from dataset.batch import Collate, Sample
from dataset.features import FeatureDataset, collate_features
from dataset.frames import FrameError, read_frames
from dataset.manifest import Clip, Manifest
from dataset.transforms import Transform
from dataset.vocabulary import UnknownGlossError, Vocabulary
from utils.errors import InputError
from utils.temporal import TemporalSpec


class ShortClipError(InputError, ValueError):
    """Clips with fewer output steps than their label needs: CTC has no path through them."""


class NotPreparedError(InputError, ValueError):
    """The corpus has not been prepared."""


class ClipDataset(Dataset[Sample]):
    """Clips of one split; asked for by (epoch, index), so that what is drawn depends on nothing else.

    Args:
        manifest: of the split.
        vocabulary: the network's.
        transform: for training or evaluation.
        spec: the network's temporal chain.
        seed: of the augmentation.

    Raises:
        UnknownGlossError: a label holds a gloss that the dictionary lacks; names the clip.
    """

    def __init__(
        self, manifest: Manifest, vocabulary: Vocabulary, transform: Transform, spec: TemporalSpec, seed: int
    ) -> None:
        self.manifest = manifest
        self.transform = transform
        self.spec = spec
        self.seed = seed
        self.targets = [encode(vocabulary, clip, manifest) for clip in manifest.clips]

    def __len__(self) -> int:
        return len(self.manifest.clips)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        epoch, index = key
        clip = self.manifest.clips[index]
        rng = np.random.default_rng((self.seed, epoch, index))
        shortest = self.spec.steps_needed(clip.glosses) * self.spec.stride
        plan = self.transform.plan(clip.num_frames, rng, shortest)
        folder = self.manifest.clip_folder(clip)
        try:
            frames = read_frames(folder, plan.indices, plan.size)  # (T, size, size, 3)
        except FrameError as error:
            raise FrameError(f"clip {clip.id}: {error}") from error
        return Sample(clip.id, self.transform.apply(frames, plan), self.targets[index])


class EpochSampler(Sampler[tuple[int, int]]):
    """(epoch, index) over a split, shuffled anew in every epoch, or in order."""

    def __init__(self, size: int, shuffle: bool, seed: int) -> None:
        self.size = size
        self.shuffle = shuffle
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order = np.arange(self.size)
        if self.shuffle:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(self.size)
        return ((self.epoch, int(index)) for index in order)


def encode(vocabulary: Vocabulary, clip: Clip, manifest: Manifest) -> tuple[int, ...]:
    """The label of a clip as class ids; an unknown gloss is an error that names the clip."""
    try:
        return tuple(vocabulary.encode(clip.glosses))
    except UnknownGlossError as error:
        raise UnknownGlossError(f"clip {clip.id} of {manifest.split}: {error}") from error


def trainable(manifest: Manifest, spec: TemporalSpec, interval: int, skip_short: bool) -> Manifest:
    """The clips to train on.

    Raises:
        ShortClipError: some are too short for their label and `skip_short` is off; names them.
    """
    short = manifest.too_short(spec, interval)
    if short and not skip_short:
        named = ", ".join(f"{clip.id} ({clip.num_frames} frames, {len(clip.glosses)} glosses)" for clip in short[:10])
        raise ShortClipError(
            f"{len(short)} clips of {manifest.split} are too short for their label, so CTC has no path through them: "
            f"{named}; set feeder_args.skip_short=true to train without them"
        )
    kept = tuple(clip for clip in manifest.clips if clip not in short)
    if not kept:
        raise ShortClipError(f"all {len(short)} clips of {manifest.split} are too short for their label")
    return replace(manifest, clips=kept)


def load_vocabulary(config: Config) -> Vocabulary:
    """The gloss dictionary of the prepared corpus.

    Raises:
        NotPreparedError: there is no prepared corpus; says what to link and what to run.
        VocabularyError: the dictionary cannot be read.
    """
    if not Path(config.prepared).is_dir():
        linked = Path(config.dataset_root).is_dir()
        link = f"link the corpus first (`ln -s WHERE_IT_LIES {config.dataset_root}`), then " * (not linked)
        raise NotPreparedError(
            f"{config.dataset} is not prepared: there is no folder {config.prepared}; {link}run `python -m "
            f"preprocess.prepare --dataset {config.dataset} --dataset-root {config.dataset_root} --output "
            f"{config.prepared} --process-image`"
        )
    return Vocabulary.load(Path(config.prepared) / "gloss_dict.txt")


def load_manifest(config: Config, split: str) -> Manifest:
    """The manifest of a split of the prepared corpus.

    Raises:
        ManifestError: it is missing or malformed.
        NotPreparedError: the folder holds another corpus.
    """
    manifest = Manifest.load(Path(config.prepared) / f"{split}.json")
    if manifest.dataset != config.dataset:
        raise NotPreparedError(
            f"{config.prepared} holds {manifest.dataset}, not {config.dataset}: set `prepared` to where "
            f"`python -m preprocess.prepare --dataset {config.dataset}` wrote"
        )
    return manifest


def build_loader(
    config: Config, manifest: Manifest, vocabulary: Vocabulary, training: bool, pin_memory: bool = False
) -> DataLoader:
    """Batches of a split: shuffled and augmented in training, in order and whole in evaluation.

    The loader's `sampler.epoch` is to be set before each epoch of training. Features are shuffled, not augmented.
    """
    spec, feeder = TemporalSpec(config.model_args.conv_type), config.feeder_args
    if feeder.datatype == "features":
        targets = [encode(vocabulary, clip, manifest) for clip in manifest.clips]
        dataset = FeatureDataset(manifest, targets, feeder.features, spec, feeder.frame_interval)
        collate = collate_features
    else:
        transform = Transform(feeder, manifest.frame_size, training)
        dataset = ClipDataset(manifest, vocabulary, transform, spec, config.random_seed)
        collate = Collate(spec)
    return DataLoader(
        dataset,
        batch_size=config.batch_size if training else config.test_batch_size,
        sampler=EpochSampler(len(dataset), training, config.random_seed),
        num_workers=config.num_worker,
        collate_fn=collate,
        pin_memory=pin_memory,
        drop_last=False,
        worker_init_fn=start_worker,
        multiprocessing_context=worker_context() if config.num_worker else None,
        generator=torch.Generator(),  # of its own: the loader leaves the global random state alone
        persistent_workers=config.num_worker > 0 and training,
    )


def worker_context() -> BaseContext:
    """How worker processes start: never as a copy of this one, whose OpenCV threads would be missing in the copy.

    Where there is a fork server it imports this module once, so that each worker starts at once.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def start_worker(_: int) -> None:
    """One thread for each worker: they already share the cores."""
    cv2.setNumThreads(1)
