"""From a manifest to batches."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from multiprocessing.context import BaseContext
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from config.schema import Config
from dataset.batch import Collate, Sample
from dataset.features import FeatureDataset, collate_features
from dataset.frames import FrameError, FrameFolder, FrameSource, read_frames
from dataset.manifest import Clip, Manifest, ManifestError
from dataset.order import BucketSampler, DistributedEpochSampler, EpochSampler
from dataset.packed import Pack, pack_path
from dataset.transforms import Plan, Transform
from dataset.vocabulary import Vocabulary, VocabularyError
from utils.ranks import rank, world_size
from utils.temporal import TemporalSpec
from utils.workers import begin_fork_server, begin_worker, kill_workers_at_exit


class ClipDataset(Dataset[Sample]):
    """Clips of one split; asked for by (epoch, index), so that what is drawn depends on nothing else.

    Args:
        manifest: of the split.
        vocabulary: the network's.
        transform: for training or evaluation.
        spec: the network's temporal chain.
        seed: of the augmentation.
        pack: the frames of the split; without it they lie in the folders that the manifest names.
        replace_unreadable: put the next clip in the place of one whose frames cannot be read, and say so.

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
        self.targets = [encode(vocabulary, clip, manifest) for clip in manifest.clips]
        if pack:
            pack.check(manifest)

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
        """What happens to clip `index` in `epoch`."""
        clip = self.manifest.clips[index]
        rng = np.random.default_rng((self.seed, epoch, index))
        shortest = self.spec.steps_needed(clip.glosses) * self.spec.stride
        return self.transform.plan(clip.num_frames, rng, shortest)

    def lengths(self, epoch: int) -> list[int]:
        """Frames of each clip (N,) in `epoch`, once its plan is carried out."""
        return [len(self.plan(epoch, index).indices) for index in range(len(self))]

    def _source(self, clip: Clip) -> FrameSource:
        return self.pack.clip(clip.id) if self.pack else FrameFolder(self.manifest.clip_folder(clip))


def encode(vocabulary: Vocabulary, clip: Clip, manifest: Manifest) -> tuple[int, ...]:
    """The label of a clip as class ids; an unknown gloss is an error that names the clip."""
    try:
        return tuple(vocabulary.encode(clip.glosses))
    except VocabularyError as error:
        raise VocabularyError(f"clip {clip.id} of {manifest.split}: {error}") from error


def trainable(manifest: Manifest, spec: TemporalSpec, interval: int, skip_short: bool) -> Manifest:
    """The clips to train on.

    Raises:
        ManifestError: some are too short for their label and `skip_short` is off; names them.
    """
    short = manifest.find_short_clips(spec, interval)
    if short and not skip_short:
        named = ", ".join(f"{clip.id} ({clip.num_frames} frames, {len(clip.glosses)} glosses)" for clip in short[:10])
        raise ManifestError(
            f"{len(short)} clips of {manifest.split} are too short for their label, so CTC has no path through them: "
            f"{named}; set feeder_args.skip_short=true to train without them"
        )
    kept = tuple(clip for clip in manifest.clips if clip not in short)
    if not kept:
        raise ManifestError(f"all {len(short)} clips of {manifest.split} are too short for their label")
    return replace(manifest, clips=kept)


def load_vocabulary(config: Config) -> Vocabulary:
    """The gloss dictionary of the prepared corpus.

    Raises:
        ManifestError: there is no prepared corpus; says what to link and what to run.
        VocabularyError: the dictionary cannot be read.
    """
    if not Path(config.prepared).is_dir():
        linked = Path(config.dataset_root).is_dir()
        link = f"link the corpus first (`ln -s WHERE_IT_LIES {config.dataset_root}`), then " * (not linked)
        raise ManifestError(
            f"{config.dataset} is not prepared: there is no folder {config.prepared}; {link}run `python -m "
            f"preprocess.prepare --dataset {config.dataset} --dataset-root {config.dataset_root} --output "
            f"{config.prepared} --process-image`"
        )
    return Vocabulary.load(Path(config.prepared) / "gloss_dict.txt")


def load_manifest(config: Config, split: str) -> Manifest:
    """The manifest of a split of the prepared corpus.

    Raises:
        ManifestError: it is missing or malformed.
        ManifestError: the folder holds another corpus.
    """
    manifest = Manifest.load(Path(config.prepared) / f"{split}.json")
    if manifest.dataset != config.dataset:
        raise ManifestError(
            f"{config.prepared} holds {manifest.dataset}, not {config.dataset}: set `prepared` to where "
            f"`python -m preprocess.prepare --dataset {config.dataset}` wrote"
        )
    return manifest


def build_loader(
    config: Config, manifest: Manifest, vocabulary: Vocabulary, training: bool, pin_memory: bool = False
) -> DataLoader:
    """Batches of a split: shuffled and augmented in training, in order and whole in evaluation.

    The loader's `sampler.set_position` is to be called before each epoch of training. Features are shuffled, not
    augmented. Several processes that train together each get a part of the clips.

    Raises:
        FrameError: frames are to come from a pack that is missing, damaged or of other clips.
    """
    spec, feeder = TemporalSpec(config.model_args.conv_type), config.feeder_args
    if feeder.datatype == "features":
        targets = [encode(vocabulary, clip, manifest) for clip in manifest.clips]
        dataset = FeatureDataset(manifest, targets, feeder.features, spec, feeder.frame_interval)
        collate = collate_features
        lengths = _every_epoch([clip.num_frames for clip in manifest.clips])
    else:
        transform = Transform(feeder, manifest.frame_size, training)
        pack = Pack(pack_path(manifest.home, manifest.split)) if feeder.datatype == "lmdb" else None
        lenient = training and config.on_bad_clip == "skip"
        dataset = ClipDataset(manifest, vocabulary, transform, spec, config.random_seed, pack, lenient)
        collate = Collate(spec)
        lengths = dataset.lengths
    batch_size, processes = config.batch_size if training else config.test_batch_size, world_size()
    order = EpochSampler(len(dataset), training, config.random_seed)
    if training and feeder.bucket:
        order = BucketSampler(lengths, len(dataset), batch_size * processes, config.random_seed)
    return DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=DistributedEpochSampler(order, batch_size, rank(), processes, training),
        num_workers=config.num_worker,
        collate_fn=collate,
        pin_memory=pin_memory,
        drop_last=False,
        worker_init_fn=start_worker,
        multiprocessing_context=worker_context() if config.num_worker else None,
        generator=torch.Generator(),  # of its own: the loader leaves the global random state alone
        persistent_workers=config.num_worker > 0 and training,
    )


def _every_epoch(lengths: Sequence[int]) -> Callable[[int], Sequence[int]]:
    return lambda _: lengths


def worker_context() -> BaseContext:
    """How worker processes start: never as a copy of this one, whose OpenCV threads would be missing in the copy.

    Where there is a fork server it imports this module once, so that each worker starts at once.
    """
    kill_workers_at_exit()
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    begin_fork_server()
    return context


def start_worker(_: int) -> None:
    """One thread for each worker: they already share the cores. It ends with the main process, and only then."""
    cv2.setNumThreads(1)
    begin_worker((signal.SIGINT, signal.SIGTERM))
