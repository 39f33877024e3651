"""Batches a second as training gets them from its worker processes, and what the formats of frames cost and gain.

Part of `python -m benchmarks.loader`, which has the rest. "Copied" is how batches were made before frames were read
straight to their place in them: each clip in memory of its own, then joined, then copied into shared memory.
"""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from benchmarks.loader_corpus import EPOCHS, build_training_loader, configure
from dataset.batch import Sample
from dataset.batch_loader import BatchLoader
from dataset.clip_dataset import ClipDataset
from dataset.frames import list_frame_files
from dataset.image import decode_image, read_image
from dataset.loader import share_batch
from dataset.manifest import Manifest
from preprocess.images import JPEG_QUALITY
from utils.temporal import TemporalSpec
from utils.workers import begin_loader_worker, make_loader_context

BATCHES = ("batches a second", "batches/s", "of PNG, copied", "KB a frame")
FORMATS = ("one process", "frames/s", "of PNG", "KB a frame", "mean difference", "largest", "PSNR")
ENCODINGS = {
    "PNG (zlib 1, runs: as preparation writes it)": (".png", []),
    "PNG, Huffman alone": (".png", [cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY]),
    "PNG, zlib 6": (".png", [cv2.IMWRITE_PNG_COMPRESSION, 6]),
    "PNG, not compressed": (".png", [cv2.IMWRITE_PNG_COMPRESSION, 0]),
    f"JPEG of quality {JPEG_QUALITY}": (".jpg", [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]),
}
"""Ways to write a frame: the suffix and OpenCV's options."""
MOST_FRAMES = 60  # frames on which the formats are compared


@dataclass(frozen=True)
class CopiedClips(Dataset[Sample]):
    """The clips of the dataset `planned`, each read into memory of its own."""

    planned: ClipDataset

    @property
    def manifest(self) -> Manifest:
        """The clips, which a message about a late batch names."""
        return self.planned.manifest

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        return self.planned[key]


def collate_by_copying(samples: Sequence[Sample]) -> torch.Tensor:
    """Join clips (B, T_pad, 3, H, W) in memory of the worker, then copy them into shared memory."""
    spec = TemporalSpec()
    total = max(spec.padded_length(len(sample.video)) for sample in samples)
    video = np.empty((len(samples), total, *samples[0].video.shape[1:]), np.uint8)
    for row, sample in zip(video, samples, strict=True):
        np.take(sample.video, spec.pad(len(sample.video), total), axis=0, out=row, mode="clip")
    return torch.from_numpy(video).share_memory_()


def write_uncompressed(manifest: Manifest, home: Path) -> Manifest:
    """Write the frames of a corpus again as PNG that is not compressed."""
    written = replace(manifest, home=home)
    for clip in manifest.clips:
        written.clip_folder(clip).mkdir(parents=True)
        for path in list_frame_files(manifest.clip_folder(clip)):
            image = cv2.cvtColor(read_image(path), cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(written.clip_folder(clip) / path.name), image, [cv2.IMWRITE_PNG_COMPRESSION, 0])
    return written


def build_pass(
    dataset: Dataset, keys: Sequence[Sequence[tuple[int, int]]], collate: Callable[[Any], Any], workers: int
) -> BatchLoader:  # fmt: skip
    """Build a loader of these batches, whose workers live on from pass to pass."""
    return BatchLoader(
        dataset=dataset, batch_sampler=keys, num_workers=workers, collate_fn=collate, persistent_workers=True,
        worker_init_fn=begin_loader_worker, multiprocessing_context=make_loader_context("dataset.loader"),
    )  # fmt: skip


def build_ways(
    readers: dict[str, ClipDataset], batch_size: int, passes: int, workers: int
) -> dict[str, BatchLoader]:  # fmt: skip
    """Build what is compared, by name: each dataset as training reads it, and the one called PNG by copying.

    A pass over one of them is `passes` epochs over all clips.
    """
    count = len(next(iter(readers.values())))
    keys = [
        [(epoch, index) for index in range(first, min(first + batch_size, count))]
        for epoch in range(1, passes + 1)
        for first in range(0, count, batch_size)
    ]
    copied = {"PNG, copied": build_pass(CopiedClips(readers["PNG"]), keys, collate_by_copying, workers)}
    return copied | {
        name: build_pass(dataset, keys, partial(share_batch, collate=dataset.collate), workers)
        for name, dataset in readers.items()
    }


def check_same(loaders: dict[str, BatchLoader]) -> None:
    """All loaders of PNG must give the same batches; it also starts the workers and fills the page cache."""
    sums = {
        name: [
            zlib.crc32((batch if isinstance(batch, torch.Tensor) else batch.video).numpy().tobytes())
            for batch in loader
        ]
        for name, loader in loaders.items()
    }
    different = [name for name in sums if name.startswith("PNG") and sums[name] != sums["PNG"]]
    if different:
        raise RuntimeError(f"other pixels than PNG: {', '.join(different)}")


def tabulate_batches(loaders: dict[str, BatchLoader], sizes: dict[str, float], repeats: int) -> list[list[str]]:
    """Measure a row for each loader: medians over passes, which take turns, and of the ratios within a turn.

    Args:
        loaders: the loaders, by name.
        sizes: the thousands of bytes that a frame takes on disk, by name.
        repeats: the number of passes.
    """
    rates: dict[str, list[float]] = {name: [] for name in loaders}
    for turn in range(repeats):
        for name in np.roll(list(loaders), turn).tolist():
            start = time.perf_counter()
            count = sum(1 for _ in loaders[name])
            rates[name].append(count / (time.perf_counter() - start))
    base = np.array(rates["PNG, copied"])
    return [
        [name, f"{np.median(of):.2f}", f"{np.median(np.array(of) / base):.2f}x", f"{sizes[name]:.1f}"]
        for name, of in rates.items()
    ]


def measure_frame(manifest: Manifest) -> float:
    """The mean size of the frames of a corpus on disk, in thousands of bytes."""
    paths = chain.from_iterable(list_frame_files(manifest.clip_folder(clip)) for clip in manifest.clips)
    return float(np.mean([path.stat().st_size for path in paths])) / 1e3


def tabulate_formats(images: Sequence[np.ndarray], repeats: int) -> list[list[str]]:
    """Measure a row for each way to write these frames, uint8 (H, W, 3) RGB, in one process.

    A row has the frames a second that are read, as training reads them, their size, and how far their pixels are from
    the originals: the mean and the largest difference in grey levels, and 10 log10(255^2 / mean square) in dB.
    """
    files = {
        name: [cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)[1].tobytes() for image in images]
        for name, (suffix, options) in ENCODINGS.items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in files}
    for turn in range(repeats):
        for name in np.roll(list(files), turn).tolist():
            start = time.perf_counter()
            for data in files[name]:
                decode_image(data, name)
            seconds[name].append((time.perf_counter() - start) / len(images))
    base, rows = np.array(seconds[next(iter(files))]), []
    for name, of in files.items():
        off = np.stack([decode_image(data, name).astype(int) - image for data, image in zip(of, images, strict=True)])
        square = float((off**2).mean())
        ratio = np.median(base / np.array(seconds[name]))
        speed = (
            f"{1 / np.median(seconds[name]):.0f}",
            f"{ratio:.2f}x",
            f"{np.mean([len(data) for data in of]) / 1e3:.1f}",
        )
        noise = f"{10 * math.log10(255**2 / square):.1f} dB" if square else ""
        rows.append([name, *speed, f"{np.abs(off).mean():.2f}", str(np.abs(off).max()), noise])
    return rows


def read_some_frames(folder: Path) -> list[np.ndarray]:
    """Read up to `MOST_FRAMES` frames, evenly spaced, of a folder of images."""
    paths = list_frame_files(folder)
    return [read_image(path) for path in paths[:: -(-len(paths) // MOST_FRAMES)]]


def measure_batches(manifests: dict[str, Manifest], home: Path, workers: int, repeats: int) -> list[list[str]]:
    """Measure a row for each format of frames, in folders and packed, as workers read it (`benchmarks.batches`)."""
    manifests = manifests | {"PNG, not compressed": write_uncompressed(manifests["png"], home / "uncompressed")}
    readers, sizes = {}, {}
    for suffix, manifest in manifests.items():
        name = suffix.upper() if suffix in {"png", "jpg"} else suffix
        readers[name] = build_training_loader(configure(), manifest).dataset
        sizes[name] = measure_frame(manifest)
        if suffix in {"png", "jpg"}:
            packed = configure(**{"feeder_args.datatype": "lmdb"})
            readers[f"{name}, LMDB"] = build_training_loader(packed, manifest).dataset
            sizes[f"{name}, LMDB"] = sizes[name]
    loaders = build_ways(readers, configure().batch_size, len(EPOCHS), workers)
    check_same(loaders)
    return tabulate_batches(loaders, sizes | {"PNG, copied": sizes["PNG"]}, repeats)
