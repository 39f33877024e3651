"""The clips of a split: their frames, cropped and augmented, and their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from torch.utils.data import Dataset

from dataset.batch import Batch, Collate, Sample
from dataset.frames import FrameError, FrameFolder, FrameSource, read_frames
from dataset.manifest import Clip, Manifest
from dataset.packed import Pack
from dataset.transforms import Plan, Transform
from dataset.vocabulary import Vocabulary, VocabularyError
from utils.temporal import TemporalSpec


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
        pad_to: the number that the padded length of a batch is a multiple of; 0 for any length.

    Attributes:
        collate: joins clips of this dataset.

    Raises:
        VocabularyError: a label holds a gloss that the dictionary lacks; names the clip.
        FrameError: the pack lacks clips or frames of the manifest.
    """

    def __init__(
        self, manifest: Manifest, vocabulary: Vocabulary, transform: Transform, spec: TemporalSpec, seed: int,
        pack: Pack | None = None, replace_unreadable: bool = False, pad_to: int = 0,
    ) -> None:  # fmt: skip
        self.manifest = manifest
        self.replace_unreadable = replace_unreadable
        self.pack = pack
        self.transform = transform
        self.spec = spec
        self.collate = Collate(spec, pad_to)
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
                return replace(self._read(index, self.plan(epoch, index)), unreadable=tuple(unreadable))
            except FrameError as error:
                unreadable.append(str(error))
                # Once every clip of the split was tried there is none left to take the place.
                if not self.replace_unreadable or len(unreadable) == len(self):
                    raise
                index = (index + 1) % len(self)

    def __getitems__(self, keys: Sequence[tuple[int, int]]) -> Batch:
        """Read the clips of a batch, each frame straight to its place in it; PyTorch's loader calls this."""
        plans = [self.plan(*key) for key in keys]
        side = self.transform.feeder.input_size
        video = self.collate.allocate([len(plan.indices) for plan in plans], (3, side, side))
        try:
            samples = [
                self._read(index, plan, self.collate.place(row, len(plan.indices)))
                for (_, index), plan, row in zip(keys, plans, video.numpy(), strict=True)
            ]
        except FrameError:
            if not self.replace_unreadable:
                raise
            return self.collate([self[key] for key in keys])  # the clip that takes the place has another length
        return self.collate.finish(video, samples)

    def _read(self, index: int, plan: Plan, out: np.ndarray | None = None) -> Sample:
        """Read clip `index` by its plan; `out` is that of `read_frames`."""
        clip = self.manifest.clips[index]
        view = partial(self.transform.view, plan=plan)  # only the crop of a frame is kept
        try:
            frames = read_frames(self._source(clip), plan.indices, plan.size, view, out)  # (T, 3, side, side)
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
