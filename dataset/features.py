"""Frame features that a trained backbone left on disk, one file a clip, in place of frames."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from dataset.batch import Batch, allocate_batch
from dataset.frames import FrameError
from dataset.manifest import Manifest
from utils.errors import ParseError
from utils.files import atomic_path, write_json
from utils.plain_json import read_json
from utils.temporal import TemporalSpec, round_up
from utils.text import shorten_text


@dataclass(frozen=True)
class FeatureSource:
    """What the features in a folder were computed with; written beside them when the last one is there.

    Attributes:
        backbone: the SHA-256 of the backbone's weights.
        channels: the number of values in the feature of a frame.
        frame_size: the side of the prepared frames in pixels.
        image_scale, input_size, frame_interval: the settings of `feeder_args` by these names.
    """

    backbone: str
    channels: int
    frame_size: int
    image_scale: float
    input_size: int
    frame_interval: int

    FILE = "features.json"

    def save(self, folder: str | Path) -> None:
        """Write this to `folder`, last of all: where the file is, the features are complete."""
        write_json(Path(folder) / self.FILE, asdict(self))

    def check_folder(self, folder: str | Path) -> None:
        """Raise FrameError unless the features in `folder` are complete and were computed with just this."""
        path = Path(folder) / self.FILE
        again = "run main.py --phase features with these weights and settings"
        try:
            held = read_json(path)
        except FileNotFoundError:
            raise FrameError(f"there is no {path}, which --phase features writes at its end: {again}") from None
        except ParseError as error:
            raise FrameError(f"the features cannot be read: {error}: {again}") from error
        if not isinstance(held, dict):
            held = {}
        differing = [name for name, value in asdict(self).items() if held.get(name) != value]
        if differing:
            named = ", ".join(
                f"{name} {shorten_text(str(held.get(name)))} there, {getattr(self, name)} here" for name in differing
            )
            raise FrameError(f"the features in {folder} were computed with something else ({named}): {again}")


def feature_file(folder: str | Path, split: str, clip_id: str) -> Path:
    """Give the place of a clip's features below the folder that `--phase features` wrote.

    Raises:
        FrameError: the clip's name leads out of that folder.
    """
    if ".." in Path(clip_id).parts or Path(clip_id).is_absolute():
        raise FrameError(f"the clip {clip_id!r} of {split} has a name that leads out of the folder {folder}: rename it")
    return Path(folder) / split / f"{clip_id}.npz"


def write_features(path: Path, features: np.ndarray, frames: int) -> None:
    """Write the features of a clip, whole or not at all.

    Args:
        path: the file, named .npz.
        features: (T_pad, C) float32, the features of the clip's frames and of its own padding.
        frames: the number of the clip's frames before padding.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, features=features, frames=frames)


def read_features(path: Path) -> tuple[np.ndarray, int]:
    """Read the features (T_pad, C) float32 of a clip and its number of frames.

    Raises:
        FrameError: the file is missing, damaged, or holds no features, or some that are not finite.
    """
    try:
        # `write_features` packs nothing, so a file that unpacks to more than it has would only fill the memory.
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
                raise zipfile.BadZipFile("it unpacks to more than it has")
        with np.load(path, allow_pickle=False) as content:
            features, frames = content["features"], int(content["frames"])
    except FileNotFoundError:
        raise FrameError(f"there are no features {path}: run main.py --phase features again") from None
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise FrameError(f"{path} is damaged or holds no features ({error}): run --phase features again") from error
    if features.ndim != 2 or features.dtype != np.float32:
        raise FrameError(f"{path} holds {features.dtype} {features.shape}, expected float32 (frames, channels)")
    if not np.isfinite(features).all():
        raise FrameError(f"{path} holds values that are not finite: run main.py --phase features again")
    return features, frames


@dataclass(frozen=True)
class FeatureSample:
    """One clip as features.

    Attributes:
        id: the clip's name.
        features: float32 (T_pad, C), the clip's own padding included.
        frames: the number of frames before padding.
        target: the label as class ids.
    """

    id: str
    features: np.ndarray
    frames: int
    target: tuple[int, ...]


class FeatureDataset(Dataset[FeatureSample]):
    """The clips of a split as features; asked for by (epoch, index), like `ClipDataset`, but every epoch is the same.

    Args:
        manifest: the clips.
        targets: their labels as class ids.
        folder: the folder that `--phase features` wrote.
        spec: the network's temporal chain.
        interval: `feeder_args.frame_interval`; of so many frames one was taken.

    Raises:
        FrameError: a clip has no features.
    """

    def __init__(
        self, manifest: Manifest, targets: Sequence[tuple[int, ...]], folder: str | Path, spec: TemporalSpec,
        interval: int,
    ) -> None:  # fmt: skip
        self.manifest = manifest
        self.spec = spec
        self.interval = interval
        self.targets = targets
        self.files = [feature_file(folder, manifest.split, clip.id) for clip in manifest.clips]
        missing = [file for file in self.files if not file.is_file()]
        if missing:
            raise FrameError(
                f"{len(missing)} of {len(self.files)} clips of {manifest.split} have no features (first: "
                f"{missing[0]}): run main.py --phase features, and set feeder_args.features to where it wrote"
            )

    def __len__(self) -> int:
        return len(self.files)

    @cached_property
    def channels(self) -> int:
        """The number of values in the feature of a frame, by the first clip."""
        return read_features(self.files[0])[0].shape[1] if self.files else 0

    @property
    def frame_bytes(self) -> int:
        """The bytes of a frame in a batch, as float32."""
        return 4 * self.channels

    def length_range(self, num_frames: int) -> tuple[int, int]:
        """The fewest and the most frames that a clip of so many frames may have in a batch."""
        seen = -(-num_frames // self.interval)
        return seen, seen

    def __getitem__(self, key: tuple[int, int]) -> FeatureSample:
        _, index = key
        clip = self.manifest.clips[index]
        features, frames = read_features(self.files[index])
        seen = -(-clip.num_frames // self.interval)
        if (frames, len(features)) != (seen, self.spec.padded_length(seen)):
            raise FrameError(
                f"{self.files[index]} holds {len(features)} features of {frames} frames, the clip needs "
                f"{self.spec.padded_length(seen)} of {seen}: run --phase features again with these settings"
            )
        if features.shape[1] != self.channels:
            raise FrameError(
                f"{self.files[index]} holds features of {features.shape[1]} values, {self.files[0]} of "
                f"{self.channels}: run --phase features again"
            )
        return FeatureSample(clip.id, features, frames, self.targets[index])


def collate_features(samples: Sequence[FeatureSample], pad_to: int = 0) -> Batch:
    """Join clips of features into a batch, with zeros after each one's own end; `pad_to` is that of `Collate`.

    Zeros do: a clip's features bring the padding that its output steps can see, and what is behind that is masked.
    """
    total = round_up(max(len(sample.features) for sample in samples), pad_to)
    video = allocate_batch((len(samples), total, samples[0].features.shape[1]), torch.float32)  # (B, T_pad, C)
    for row, sample in zip(video.numpy(), samples, strict=True):
        row[: len(sample.features)] = sample.features
        row[len(sample.features) :] = 0
    return Batch(
        ids=tuple(sample.id for sample in samples),
        video=video,
        lengths=torch.tensor([sample.frames for sample in samples]),
        targets=torch.tensor([label for sample in samples for label in sample.target], dtype=torch.long),
        target_lengths=torch.tensor([len(sample.target) for sample in samples]),
    )
