"""Frame features that a trained backbone left on disk, one file a clip, in place of frames."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from dataset.batch import Batch
from dataset.frames import FrameError
from dataset.manifest import Manifest
from utils.files import atomic_path, write_json
from utils.temporal import TemporalSpec


@dataclass(frozen=True)
class FeatureSource:
    """What the features in a folder were computed with; written beside them when the last one is there.

    Attributes:
        backbone: SHA-256 of its weights.
        channels: of a feature.
        frame_size, image_scale, input_size: what was done to frames.
        frame_interval: every how manieth frame was taken.
    """

    backbone: str
    channels: int
    frame_size: int
    image_scale: float
    input_size: int
    frame_interval: int

    FILE = "features.json"

    def save(self, folder: str | Path) -> None:
        """Write it to `folder`, whose features are complete by that."""
        write_json(Path(folder) / self.FILE, asdict(self))

    def check(self, folder: str | Path) -> None:
        """Raise FrameError unless the features in `folder` are complete and were computed with just this."""
        path = Path(folder) / self.FILE
        again = "run main.py --phase features with these weights and settings"
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise FrameError(f"there is no {path}, which --phase features writes at its end: {again}") from None
        except (OSError, ValueError) as error:
            raise FrameError(f"{path} cannot be read ({error}): {again}") from error
        held = held if isinstance(held, dict) else {}
        differing = [name for name, value in asdict(self).items() if held.get(name) != value]
        if differing:
            named = ", ".join(f"{name} {held.get(name)} there, {getattr(self, name)} here" for name in differing)
            raise FrameError(f"the features in {folder} were computed with something else ({named}): {again}")


def feature_file(folder: str | Path, split: str, clip_id: str) -> Path:
    """Where the features of a clip lie below the folder that `--phase features` wrote."""
    return Path(folder) / split / f"{clip_id}.npz"


def write_features(path: Path, features: np.ndarray, frames: int) -> None:
    """Write the features of a clip, whole or not at all.

    Args:
        path: file, named .npz.
        features: (T_pad, C), of the clip's frames with its padding.
        frames: of the clip, before padding.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, features=features, frames=frames)


def read_features(path: Path) -> tuple[np.ndarray, int]:
    """The features (T_pad, C) float32 of a clip and its number of frames.

    Raises:
        FrameError: missing, damaged, or not such a file.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            features, frames = content["features"], int(content["frames"])
    except FileNotFoundError:
        raise FrameError(f"there are no features {path}: run main.py --phase features again") from None
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise FrameError(f"{path} is damaged or holds no features ({error}): run --phase features again") from error
    if features.ndim != 2 or features.dtype != np.float32:
        raise FrameError(f"{path} holds {features.dtype} {features.shape}, expected float32 (frames, channels)")
    return features, frames


@dataclass(frozen=True)
class FeatureSample:
    """One clip.

    Attributes:
        id: of the clip.
        features: float32 (T_pad, C), the clip's own padding included.
        frames: before padding.
        target: label, class ids.
    """

    id: str
    features: np.ndarray
    frames: int
    target: tuple[int, ...]


class FeatureDataset(Dataset[FeatureSample]):
    """The clips of a split as features; asked for by (epoch, index), like `ClipDataset`, but every epoch is the same.

    Args:
        manifest: the clips.
        targets: their labels, class ids.
        folder: what `--phase features` wrote.
        spec: of the network.
        interval: every how manieth frame was taken.

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
        return FeatureSample(clip.id, features, frames, self.targets[index])


def collate_features(samples: Sequence[FeatureSample]) -> Batch:
    """Clips side by side, zeros after each one's own end."""
    total = max(len(sample.features) for sample in samples)
    video = np.zeros((len(samples), total, samples[0].features.shape[1]), np.float32)  # (B, T_pad, C)
    for row, sample in zip(video, samples, strict=True):
        row[: len(sample.features)] = sample.features
    return Batch(
        ids=tuple(sample.id for sample in samples),
        video=torch.from_numpy(video),
        lengths=torch.tensor([sample.frames for sample in samples]),
        targets=torch.tensor([label for sample in samples for label in sample.target], dtype=torch.long),
        target_lengths=torch.tensor([len(sample.target) for sample in samples]),
    )
