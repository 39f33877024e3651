"""From a manifest to batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, get_worker_info

from config.schema import FeederArgs
from dataset.batch import Batch, Collate, Sample
from dataset.batch_loader import BatchLoader
from dataset.features import FeatureDataset, collate_features
from dataset.frames import FrameError, FrameFolder, FrameSource, read_frames
from dataset.manifest import Clip, Manifest, ManifestError
from dataset.order import BucketSampler, DistributedEpochSampler, EpochSampler
from dataset.packed import Pack, pack_path
from dataset.shared_memory import check_shared_memory, measure_batches
from dataset.transforms import Plan, Transform
from dataset.vocabulary import Vocabulary, VocabularyError
from utils.ranks import rank, world_size
from utils.temporal import TemporalSpec
from utils.text import plural
from utils.workers import begin_loader_worker, limit_workers, make_loader_context


class ClipDataset(Dataset[Sample]):
    """The clips of one split; asked for by (epoch, index), so that what is drawn depends on nothing else.

    Args:
        manifest: the clips.
        vocabulary: the network's glosses.
        transform: the crop and the augmentation, of training or of evaluation.
        spec: the network's temporal chain.
        seed: the seed of the augmentation.
        pack: the frames of the split; without it they lie in the folders that the manifest names.
        replace_unreadable: whether the next clip takes the place of one whose frames cannot be read, and says so.

    Raises:
        VocabularyError: a label holds a gloss that the dictionary lacks; names the clip.
        FrameError: the pack lacks clips or frames of the manifest.
    """

    def __init__(
        self, manifest: Manifest, vocabulary: Vocabulary, transform: Transform, spec: TemporalSpec, seed: int,
        pack: Pack | None = None, replace_unreadable: bool = False,
    ) -> None:  # fmt: skip
        self.manifest = manifest
        self.replace_unreadable = replace_unreadable
        self.pack = pack
        self.transform = transform
        self.spec = spec
        self.seed = seed
        self.targets = encode_labels(vocabulary, manifest)
        if pack:
            pack.check_manifest(manifest)  # now, rather than hours later at the clip that is missing

    def __len__(self) -> int:
        return len(self.manifest.clips)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        epoch, index = key
        unreadable: list[str] = []
        while True:
            try:
                return replace(self._read(epoch, index), unreadable=tuple(unreadable))
            except FrameError as error:
                unreadable.append(str(error))
                # Once every clip of the split was tried there is none left to take the place.
                if not self.replace_unreadable or len(unreadable) == len(self):
                    raise
                index = (index + 1) % len(self)

    def _read(self, epoch: int, index: int) -> Sample:
        clip = self.manifest.clips[index]
        plan = self.plan(epoch, index)
        try:
            # Only the crop of a frame is kept: (T, 3, input_size, input_size).
            frames = read_frames(self._source(clip), plan.indices, plan.size, partial(self.transform.view, plan=plan))
        except FrameError as error:
            raise FrameError(f"clip {clip.id}: {error}") from error
        return Sample(clip.id, frames, self.targets[index])

    def plan(self, epoch: int, index: int) -> Plan:
        """Draw what happens to clip `index` in `epoch`.

        The random numbers come from seed, epoch and index alone, so neither workers nor a resumed run change them.
        """
        clip = self.manifest.clips[index]
        rng = np.random.default_rng((self.seed, epoch, index))
        shortest = self.spec.steps_needed(clip.glosses) * self.spec.stride
        return self.transform.plan(clip.num_frames, rng, shortest)

    def lengths(self, epoch: int) -> list[int]:
        """Frames of each clip (N,) in `epoch`, once its plan is carried out."""
        return [len(self.plan(epoch, index).indices) for index in range(len(self))]

    @property
    def frame_bytes(self) -> int:
        """The bytes of a frame in a batch."""
        return 3 * self.transform.feeder.input_size**2

    def length_range(self, num_frames: int) -> tuple[int, int]:
        """The fewest and the most frames that a clip of so many frames may have in a batch."""
        return self.transform.length_range(num_frames)

    def _source(self, clip: Clip) -> FrameSource:
        return self.pack.open_clip(clip.id) if self.pack else FrameFolder(self.manifest.clip_folder(clip))


def encode_labels(vocabulary: Vocabulary, manifest: Manifest) -> list[tuple[int, ...]]:
    """Turn the labels of all clips into class ids.

    Raises:
        VocabularyError: a label holds a gloss that the dictionary lacks; names the clip.
    """
    labels = []
    for clip in manifest.clips:
        try:
            labels.append(tuple(vocabulary.encode(clip.glosses)))
        except VocabularyError as error:
            raise VocabularyError(f"clip {clip.id} of {manifest.split}: {error}") from error
    return labels


def drop_short_clips(manifest: Manifest, spec: TemporalSpec, interval: int, skip_short: bool) -> Manifest:
    """Take only the clips that CTC can train on: those with at least as many output steps as their label needs.

    Args:
        manifest: the clips of the training split.
        spec: the network's temporal chain.
        interval: `feeder_args.frame_interval`; of so many frames one is taken.
        skip_short: whether clips that are too short are left out; else they are an error.

    Raises:
        ManifestError: some clips are too short for their label and `skip_short` is off, or all are; names them.
    """
    short = manifest.find_short_clips(spec, interval)
    if short and not skip_short:
        named = ", ".join(
            f"{clip.id} ({plural(clip.num_frames, 'frame')}, {plural(len(clip.glosses), 'gloss', 'glosses')})"
            for clip in short[:10]
        )
        raise ManifestError(
            f"{plural(len(short), 'clip')} of {manifest.split} too short for their label, so CTC has no path "
            f"through them: {named}; set feeder_args.skip_short=true to train without them"
        )
    left_out = {clip.id for clip in short}  # a list of clips would be searched from its beginning for each clip
    kept = tuple(clip for clip in manifest.clips if clip.id not in left_out)
    if not kept:
        raise ManifestError(f"all clips of {manifest.split} ({len(short)}) are too short for their labels")
    return replace(manifest, clips=kept)


def build_loader(
    manifest: Manifest,
    vocabulary: Vocabulary,
    feeder: FeederArgs,
    spec: TemporalSpec,
    *,
    batch_size: int,
    training: bool,
    seed: int,
    num_workers: int,
    skip_unreadable: bool = False,
    pin_memory: bool = False,
    patience: float = 1800.0,
) -> BatchLoader:
    """Build the loader of a split's batches: shuffled and augmented in training, in order and whole in evaluation.

    The loader's `sampler.set_position` is to be called before each epoch of training. Features are shuffled, not
    augmented. Several processes that train together each get a part of the clips.

    Args:
        manifest: the clips of the split.
        vocabulary: the network's glosses.
        feeder: where frames or features come from, and how they are cropped and augmented.
        spec: the network's temporal chain.
        batch_size: the number of clips in a batch of one process.
        training: whether to shuffle and augment.
        seed: the seed of order and augmentation; evaluation draws nothing.
        num_workers: the number of worker processes, of which `limit_workers` allows some; 0 reads in this one.
        skip_unreadable: whether training goes on without clips whose frames cannot be read.
        pin_memory: whether batches are put into page-locked memory, from which a GPU copies faster.
        patience: the seconds without a batch after which reading ends with an error; 0 waits for ever.

    Raises:
        ConfigError: the crop is larger than the frames, or memory that processes share has no room for a batch.
        FrameError: frames are to come from a pack that is missing, damaged or of other clips, or features are missing.
        VocabularyError: a label holds a gloss that the dictionary lacks.
    """
    num_workers = limit_workers(num_workers)
    dataset: ClipDataset | FeatureDataset
    collate: Callable[[Sequence[Any]], Batch]
    lengths: Callable[[int], Sequence[int]]
    if feeder.datatype == "features":
        targets = encode_labels(vocabulary, manifest)
        folder = str(feeder.features)  # the configuration has made sure that there is one
        dataset = FeatureDataset(manifest, targets, folder, spec, feeder.frame_interval)
        collate = collate_features
        lengths = _repeat_every_epoch([clip.num_frames for clip in manifest.clips])
    else:
        transform = Transform(feeder, manifest.frame_size, training)
        pack = Pack(pack_path(manifest.home, manifest.split)) if feeder.datatype == "lmdb" else None
        # Never in evaluation: a result that leaves a clip out, or counts one twice, is no result.
        clips = ClipDataset(manifest, vocabulary, transform, spec, seed, pack, training and skip_unreadable)
        dataset, collate, lengths = clips, Collate(spec), clips.lengths
    order = EpochSampler(len(dataset), training, seed)
    if training and feeder.bucket:
        # The clips of all processes' batches together are of one length, since each step waits for the slowest one.
        order = BucketSampler(lengths, len(dataset), batch_size * world_size(), seed)
    sampler = DistributedEpochSampler(order, batch_size, rank(), world_size(), training)
    return BatchLoader(
        patience=patience,
        note=check_shared_memory(*measure_batches(dataset, sampler, spec), num_workers) if num_workers else "",
        dataset=dataset,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=num_workers,
        collate_fn=partial(share_batch, collate=collate),
        pin_memory=pin_memory,
        drop_last=False,
        worker_init_fn=begin_loader_worker,
        multiprocessing_context=make_loader_context(__name__) if num_workers else None,
        generator=torch.Generator(),  # one of its own: the loader leaves the global random state alone
        # The workers of an evaluation end with it: they would hold memory while training goes on.
        persistent_workers=num_workers > 0 and training,
    )


def share_batch(samples: Sequence[Any], collate: Callable[[Sequence[Any]], Batch]) -> Batch:
    """Join samples by `collate`; in a worker process, in memory that it shares with the main one."""
    batch = collate(samples)
    return batch.share_memory() if get_worker_info() else batch


def _repeat_every_epoch(lengths: Sequence[int]) -> Callable[[int], Sequence[int]]:
    return lambda _: lengths
