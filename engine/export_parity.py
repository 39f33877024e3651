"""Comparing an exported network with PyTorch's, on clips of several lengths."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from engine.export_formats import FORMATS
from evaluation.inference.onnx_network import build_metadata
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.torch_network import Network, TorchNetwork
from utils.errors import InputError
from utils.precision import without_tf32
from utils.table import format_table

LENGTHS = (1, 2, 5, 16, 33, 60)  # frames of the clips that are compared: an exporter may fix the length of its example
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Parity:
    """How far an exported network is from PyTorch on one clip.

    Attributes:
        frames: the number of the clip's frames.
        steps: the number of its output steps.
        absolute: the largest difference of a logit.
        relative: the same difference as a share of the largest logit.
    """

    frames: int
    steps: int
    absolute: float
    relative: float


def write_and_read_back(recogniser: Recogniser[TorchNetwork], name: str, path: Path) -> Network:
    """Write a network to a file, and read the file back.

    Args:
        recogniser: the network, with its configuration and vocabulary.
        name: the format, a key of `FORMATS`.
        path: the file.
    """
    example = recogniser.network.make_batch(
        make_random_clip(LENGTHS[-1], recogniser.config.feeder_args.input_size)
    ).video
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporters warn of what might go wrong; the comparison finds what does
        FORMATS[name].write(recogniser.network, example, path, build_metadata(recogniser))
        return FORMATS[name].read(path, recogniser.network)


def compare_networks(reference: Network, other: Network, size: int, lengths: Sequence[int] = LENGTHS) -> list[Parity]:
    """Compare the logits of two networks on random clips.

    Args:
        reference: PyTorch's network.
        other: the exported one.
        size: the side of the frames, in pixels.
        lengths: the numbers of frames of the clips.

    Raises:
        InputError: the logits have other shapes.
    """
    found = []
    for frames in lengths:
        clip = make_random_clip(frames, size)
        expected, given = reference(clip), other(clip)
        if expected.shape != given.shape:
            raise InputError(f"{frames} frames give logits {given.shape}, where PyTorch gives {expected.shape}")
        largest = float(np.abs(given - expected).max())
        found.append(Parity(frames, len(expected), largest, largest / float(np.abs(expected).max())))
    return found


def make_random_clip(frames: int, size: int) -> np.ndarray:
    """A clip of coloured patches that change with every frame, (T, 3, S, S) uint8; the same for the same arguments."""
    patches = np.random.default_rng(frames).integers(0, 256, (frames, 3, 8, 8), dtype=np.uint8)
    place = np.arange(size) * 8 // size
    return np.ascontiguousarray(patches[:, :, place][:, :, :, place])


def format_parity(found: Sequence[Parity]) -> str:
    """A table with a line for each clip."""
    rows = [(str(p.frames), str(p.steps), f"{p.absolute:.1e}", f"{p.relative:.1e}") for p in found]
    return format_table(("frames", "steps", "largest difference of logits", "relative"), rows)


def write_equal(recogniser: Recogniser[TorchNetwork], name: str, path: Path) -> list[Parity]:
    """Write a network to a file, and print how far what is read back is from PyTorch's.

    Args:
        recogniser: the network, with its configuration and vocabulary.
        name: the format, a key of `FORMATS`.
        path: the file, a temporary one.

    Returns:
        the differences from PyTorch.

    Raises:
        InputError: it does not give the same.
    """
    exported = write_and_read_back(recogniser, name, path)
    reference = TorchNetwork(recogniser.network.model, "fp32")  # what was written, whatever it was trained in
    with without_tf32(reference.model.device):
        found = compare_networks(reference, exported, recogniser.config.feeder_args.input_size)
    print(format_parity(found))
    wrong = [clip for clip in found if not (clip.absolute <= TOLERANCE and clip.relative <= TOLERANCE)]
    if wrong:
        raise InputError(
            f"the exported network is not PyTorch's: on {len(wrong)} of {len(found)} clips their logits differ by more "
            f"than {TOLERANCE:g}"
        )
    return found
