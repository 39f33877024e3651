"""From a manifest to batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import torch
from torch.utils.data import get_worker_info

from config.schema import Config
from config.sections import FeederArgs
from dataset.batch import Batch
from dataset.batch_loader import BatchLoader
from dataset.clip_dataset import ClipDataset, encode_labels
from dataset.features import FeatureDataset, collate_features
from dataset.manifest import Manifest, ManifestError
from dataset.order import BucketSampler, DistributedEpochSampler, EpochSampler
from dataset.packed import Pack, pack_path
from dataset.shared_memory import check_shared_memory, fit_workers, measure_batches
from dataset.transforms import Transform
from dataset.vocabulary import Vocabulary
from utils.ranks import rank, world_size
from utils.temporal import TemporalSpec
from utils.text import plural
from utils.workers import begin_loader_worker, choose_workers, make_loader_context

CPU = torch.device("cpu")


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


def build_run_loader(
    config: Config, manifest: Manifest, vocabulary: Vocabulary, spec: TemporalSpec, device: torch.device, training: bool
) -> BatchLoader:  # fmt: skip
    """Build the loader of a split's batches as a run's configuration asks for it.

    Arguments and errors are those of `build_loader`.
    """
    return build_loader(
        manifest,
        vocabulary,
        config.feeder_args,
        spec,
        batch_size=config.batch_size if training else config.test_batch_size,
        training=training,
        seed=config.random_seed,
        num_workers=config.num_worker,
        device=device,
        skip_unreadable=config.on_bad_clip == "skip",
        patience=60 * config.loader_timeout,
    )


def build_loader(
    manifest: Manifest,
    vocabulary: Vocabulary,
    feeder: FeederArgs,
    spec: TemporalSpec,
    *,
    batch_size: int,
    training: bool,
    seed: int,
    num_workers: int | Literal["auto"],
    device: torch.device = CPU,
    skip_unreadable: bool = False,
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
        num_workers: the number of worker processes, of which `choose_workers` allows some; 0 reads in this one. With
            "auto" there are also no more than `/dev/shm` has room for.
        device: the device of the network. For CUDA batches are put into page-locked memory, from which a GPU copies
            faster.
        skip_unreadable: whether training goes on without clips whose frames cannot be read.
        patience: the seconds without a batch after which reading ends with an error; 0 waits for ever.

    Raises:
        ConfigError: the crop is larger than the frames, or memory that processes share has no room for a batch.
        FrameError: frames are to come from a pack that is missing, damaged or of other clips, or features are missing.
        VocabularyError: a label holds a gloss that the dictionary lacks.
    """
    # `auto` is for the trainings of `engine.run`, which puts a number in its place.
    pad_to = int(feeder.pad_to) if training and feeder.pad_to != "auto" else 0
    dataset, collate, lengths = _open_clips(manifest, vocabulary, feeder, spec, training, seed, skip_unreadable, pad_to)
    order = EpochSampler(len(dataset), training, seed)
    if training and feeder.bucket:
        # The clips of all processes' batches together are of one length, since each step waits for the slowest one.
        order = BucketSampler(lengths, len(dataset), batch_size * world_size(), seed)
    sampler = DistributedEpochSampler(order, batch_size, rank(), world_size(), training)
    workers, note = choose_workers(num_workers, on_cpu=device.type == "cpu"), ""
    if workers:
        least, most = measure_batches(dataset, sampler, spec, pad_to)
        if num_workers == "auto":
            workers, note = fit_workers(most, workers)
        note = check_shared_memory(least, most, workers) or note
    return BatchLoader(
        patience=patience,
        note=note,
        dataset=dataset,
        batch_size=batch_size,
        sampler=sampler,
        num_workers=workers,
        collate_fn=partial(share_batch, collate=collate),
        pin_memory=device.type == "cuda",
        drop_last=False,
        worker_init_fn=begin_loader_worker,
        multiprocessing_context=make_loader_context(__name__) if workers else None,
        generator=torch.Generator(),  # one of its own: the loader leaves the global random state alone
        # Each evaluation during a training would wait for workers to start; idle ones hold little memory.
        persistent_workers=workers > 0,
    )


def _open_clips(
    manifest: Manifest, vocabulary: Vocabulary, feeder: FeederArgs, spec: TemporalSpec, training: bool, seed: int,
    skip_unreadable: bool, pad_to: int,
) -> tuple[ClipDataset | FeatureDataset, Callable[[Sequence[Any]], Batch], Callable[[int], Sequence[int]]]:  # fmt: skip
    """The clips of a split as frames or features, what joins some of them, and the length of each in an epoch."""
    if feeder.datatype == "features":
        targets = encode_labels(vocabulary, manifest)
        folder = str(feeder.features)  # the configuration has made sure that there is one
        features = FeatureDataset(manifest, targets, folder, spec, feeder.frame_interval)
        lengths = _repeat_every_epoch([clip.num_frames for clip in manifest.clips])
        return features, partial(collate_features, pad_to=pad_to), lengths
    transform = Transform(feeder, manifest.frame_size, training)
    pack = Pack(pack_path(manifest.home, manifest.split)) if feeder.datatype == "lmdb" else None
    # Never in evaluation: a result that leaves a clip out, or counts one twice, is no result.
    clips = ClipDataset(manifest, vocabulary, transform, spec, seed, pack, training and skip_unreadable, pad_to)
    return clips, clips.collate, clips.lengths


def share_batch(samples: Batch | Sequence[Any], collate: Callable[[Sequence[Any]], Batch]) -> Batch:
    """Join samples by `collate`, unless they are joined already; in a worker process, in memory that it shares."""
    batch = samples if isinstance(samples, Batch) else collate(samples)
    return batch.share_memory() if get_worker_info() else batch


def _repeat_every_epoch(lengths: Sequence[int]) -> Callable[[int], Sequence[int]]:
    return lambda _: lengths
