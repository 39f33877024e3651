"""Clips side by side in one tensor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from utils.temporal import TemporalSpec, round_up
from utils.transfer import send


@dataclass(frozen=True)
class Sample:
    """One clip as the loader gives it.

    Attributes:
        id: the clip's name.
        video: uint8 (T, 3, H, W) RGB.
        target: the label as class ids.
        unreadable: a message for each clip that could not be read before this one took its place.
    """

    id: str
    video: np.ndarray
    target: tuple[int, ...]
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Batch:
    """B clips, padded to one length.

    Attributes:
        ids: the clips' names.
        video: uint8 (B, T_pad, 3, H, W); of features, float32 (B, T_pad, C).
        lengths: (B,) real frame counts, before padding.
        targets: (sum of target_lengths,) the labels, one after the other.
        target_lengths: (B,) the number of glosses in each label.
        unreadable: a message for each clip that could not be read; another clip took its place in the batch.
    """

    ids: tuple[str, ...]
    video: Tensor
    lengths: Tensor
    targets: Tensor
    target_lengths: Tensor
    unreadable: tuple[str, ...] = ()

    def to(self, device: torch.device) -> Batch:
        """Copy video and labels to `device`; their lengths stay on the CPU, where they are asked for.

        From page-locked memory a GPU copies the video while the program goes on.
        """
        video = self.video.to(device, non_blocking=device.type == "cuda")
        return replace(self, video=video, targets=send(self.targets, device))

    def share_memory(self) -> Batch:
        """Copy what is not there yet into memory that a worker process shares with the main one.

        It raises if there is no room. PyTorch does it too when it hands a batch over, but in a thread whose errors
        nobody hears of.
        """
        for tensor in (self.video, self.lengths, self.targets, self.target_lengths):
            tensor.share_memory_()
        return self

    def pin_memory(self) -> Batch:
        """Copy the video into page-locked memory; the DataLoader calls this."""
        return replace(self, video=self.video.pin_memory())


def allocate_batch(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """An empty tensor for the frames of a batch; in a worker process, in memory that it shares with the main one.

    So the frames are written there once, and not copied there from somewhere else (`Batch.share_memory`).

    Raises:
        RuntimeError: there is no room; PyTorch's words for it, which `dataset.batch_loader` explains.
    """
    if get_worker_info() is None:
        return torch.empty(*shape, dtype=dtype)
    size = math.prod(shape)
    # As PyTorch's own collate function allocates what it joins.
    storage = torch.UntypedStorage._new_shared(size * dtype.itemsize)
    return torch.empty(0, dtype=dtype).set_(storage, 0, (size,), (1,)).view(*shape)


@dataclass(frozen=True)
class Collate:
    """Pads clips as the network's temporal chain needs it (`utils.temporal`) and joins them.

    Args:
        spec: the network's temporal chain, which says how much padding a clip gets.
        pad_to: the number that the padded length of a batch is a multiple of; 0 for any length.
    """

    spec: TemporalSpec
    pad_to: int = 0

    def __call__(self, samples: Sequence[Sample]) -> Batch:
        video = self.allocate([len(sample.video) for sample in samples], samples[0].video.shape[1:])
        for row, sample in zip(video.numpy(), samples, strict=True):
            self.place(row, len(sample.video))[...] = sample.video
        return self.finish(video, samples)

    def allocate(self, lengths: Sequence[int], shape: Sequence[int]) -> Tensor:
        """An empty uint8 (B, T_pad, *shape) with room for clips of these numbers of frames (B,)."""
        total = round_up(max(map(self.spec.padded_length, lengths)), self.pad_to)
        return allocate_batch((len(lengths), total, *shape), torch.uint8)

    def place(self, row: np.ndarray, frames: int) -> np.ndarray:
        """The part (T, 3, H, W) of a clip's row (T_pad, 3, H, W) that its real frames are written to."""
        return row[self.spec.edge : self.spec.edge + frames]

    def finish(self, video: Tensor, samples: Sequence[Sample]) -> Batch:
        """Fill the padding around the clips' frames as `TemporalSpec.pad` says, and make the batch.

        Args:
            video: uint8 (B, T_pad, 3, H, W), from `allocate`, with the frames of each clip in their place.
            samples: the clips.
        """
        for row, sample in zip(video.numpy(), samples, strict=True):
            first, end = self.spec.edge, self.spec.edge + len(sample.video)
            row[:first], row[end:] = row[first], row[end - 1]
        return Batch(
            ids=tuple(sample.id for sample in samples),
            video=video,
            lengths=torch.tensor([len(sample.video) for sample in samples]),
            targets=torch.tensor([label for sample in samples for label in sample.target], dtype=torch.long),
            target_lengths=torch.tensor([len(sample.target) for sample in samples]),
            unreadable=tuple(message for sample in samples for message in sample.unreadable),
        )
