"""A trained network in PyTorch, called with the cropped frames of one clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from dataset.batch import Batch, Collate, Sample
from slr_network import SLRModel, fuse_for_inference
from utils.precision import select_dtype

Network = Callable[[np.ndarray], np.ndarray]
"""Cropped frames (T, 3, S, S) uint8 RGB -> the sequence head's logits (T', V) float32; of M networks (M, T', V)."""


@dataclass(frozen=True)
class TorchNetwork:
    """The network in PyTorch for one clip at a time, on the device of its weights.

    Attributes:
        model: the network with its weights.
        precision: the configuration's key, as for `select_dtype`.
    """

    model: SLRModel
    precision: str = "default"

    # Kept beside `model`, which stays as it is: heat maps need its gradients, and the export its state.
    @cached_property
    def _fused(self) -> SLRModel:
        return fuse_for_inference(self.model, select_dtype(self.precision, self.model.device))

    def make_batch(self, video: np.ndarray) -> Batch:
        """Pad frames (T, 3, H, W) uint8 to a batch of one clip, on the device."""
        return Collate(self.model.spec)([Sample("", video, ())]).to(self.model.device)

    @torch.inference_mode()
    def __call__(self, video: np.ndarray) -> np.ndarray:
        """Compute the sequence head's logits (T', V) float32 of frames (T, 3, H, W) uint8."""
        batch = self.make_batch(video)
        return self._fused(batch.video, batch.lengths).sequence_logits[:, 0].float().cpu().numpy()

    @torch.inference_mode()
    def compute_maps(self, frames: np.ndarray) -> torch.Tensor:
        """Compute what depends on one frame alone, of frames (N, 3, H, W) uint8: a row each, on the device."""
        return self._fused.compute_maps(torch.from_numpy(frames).to(self.model.device))

    @torch.inference_mode()
    def read_maps(self, maps: Sequence[torch.Tensor], places: Sequence[int]) -> np.ndarray:
        """Compute what a call gives of a clip, from rows of `compute_maps`.

        Args:
            maps: the row of each distinct frame.
            places: each frame's place among them, numbers that never fall.

        Returns:
            (T', V) float32.
        """
        return self._fused.read_maps(maps, places).sequence_logits[:, 0].float().cpu().numpy()
