"""How fast clips are read and how much of a batch is padding: python -m benchmarks.loader

Frames a second of the training loader, in one process, from folders of PNG and JPEG and from LMDB, beside the order in
which related systems work: decode every frame of the clip with OpenCV, turn it to RGB, crop and mirror all of them,
and only then choose those that the random length keeps. "naive" does that in bytes, "naive float" also turns every
frame into float32 before choosing, as the published loaders do. All carry out the same plans, which is checked, and
take turns batch by batch. The files are in the page cache: what small files cost a slow disk is not measured.

Padding needs no pixels: the real samplers and plans on as many clips as PHOENIX2014's training split has, of lengths
drawn from a beta distribution with its range and mean. The edges that the network's convolutions need of every clip
are counted apart from what a clip gets because another one of its batch is longer.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from benchmarks.batches import BATCHES, FORMATS, measure_batches, read_some_frames, tabulate_formats
from benchmarks.loader_corpus import (
    CLIPS,
    EPOCHS,
    FRAME_SIZE,
    build_training_loader,
    configure,
    draw_lengths,
    draw_manifest,
    write_corpora,
)
from config.schema import Config
from dataset.batch import Sample
from dataset.batch_loader import BatchLoader
from dataset.clip_dataset import ClipDataset
from dataset.frames import list_frame_files
from dataset.manifest import Manifest
from utils.arguments import named_path
from utils.output import run_command
from utils.table import format_table
from utils.temporal import TemporalSpec
from utils.text import plural
from utils.workers import available_cores

SPEED = ("frames a second", "frames/s", "clips/s", "of naive", "of naive float", "of folder")
PADDING = ("padding", "all", "edges", "for the longest", "all, of unsorted", "for the longest, of unsorted")


@dataclass(frozen=True)
class NaiveDataset(Dataset[Sample]):
    """The clips of the dataset `planned`, with every frame decoded, cropped and mirrored before some are chosen."""

    planned: ClipDataset
    dtype: type

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        plan, clip = self.planned.plan(*key), self.planned.manifest.clips[key[1]]
        paths = list_frame_files(self.planned.manifest.clip_folder(clip))
        frames = [cv2.cvtColor(cast(np.ndarray, cv2.imread(str(path))), cv2.COLOR_BGR2RGB) for path in paths]
        side = self.planned.transform.feeder.input_size
        crops = [frame[plan.top : plan.top + side, plan.left : plan.left + side] for frame in frames]
        video = np.array([crop[:, ::-1] for crop in crops] if plan.flip else crops)  # (T, side, side, 3)
        video = np.ascontiguousarray(video.transpose(0, 3, 1, 2), self.dtype)  # (T, 3, side, side)
        return Sample(clip.id, video[list(plan.indices)], self.planned.targets[key[1]])


def collate_naively(samples: Sequence[Sample]) -> tuple[torch.Tensor, list[int]]:
    """Pad and join clips of any type of pixel (B, T_pad, 3, H, W); gives their lengths too."""
    spec, lengths = TemporalSpec(), [len(sample.video) for sample in samples]
    total = max(map(spec.padded_length, lengths))
    return torch.from_numpy(np.stack([sample.video[spec.pad(len(sample.video), total)] for sample in samples])), lengths


def build_readers(manifest: Manifest) -> dict[str, BatchLoader]:
    """Build the loaders of one corpus that are compared, by name; all draw the same."""
    folder, packed = (
        build_training_loader(configure(**{"feeder_args.datatype": datatype}), manifest)
        for datatype in ("video", "lmdb")
    )
    same: dict[str, Any] = {"batch_size": folder.batch_size, "sampler": folder.sampler, "collate_fn": collate_naively}
    naive = {
        name: BatchLoader(dataset=NaiveDataset(folder.dataset, dtype), **same)
        for name, dtype in (("naive", np.uint8), ("naive float", np.float32))
    }
    return {"folder": folder, "LMDB": packed, **naive}


def read_batches(loader: BatchLoader, epoch: int) -> Iterator[tuple[torch.Tensor, Sequence[int]]]:
    """Read video (B, T_pad, 3, H, W) and lengths (B,) of every batch of an epoch."""
    loader.sampler.epoch = epoch
    for batch in loader:
        yield batch if isinstance(batch, tuple) else (batch.video, batch.lengths.tolist())


def check_equal(loaders: dict[str, BatchLoader]) -> None:
    """Read an epoch with each, which also fills the page cache; all must give the same pixels."""
    sums = {
        name: [zlib.crc32(video.to(torch.uint8).numpy().tobytes()) for video, _ in read_batches(loader, epoch=0)]
        for name, loader in loaders.items()
    }
    different = [name for name in sums if sums[name] != sums["folder"]]
    if different:
        raise RuntimeError(f"other pixels than from the folder: {', '.join(different)}")


def time_turns(loaders: dict[str, BatchLoader], epoch: int) -> Iterator[dict[str, float]]:
    """Measure, for each batch of an epoch, the seconds that each loader takes to read a frame of it, padding left out.

    They take turns batch by batch, each time another one first, so that other work on the machine hits all alike.
    """
    ways = {name: read_batches(loader, epoch) for name, loader in loaders.items()}
    names = list(ways)
    for turn in range(len(loaders["folder"])):
        taken = {}
        for name in np.roll(names, turn).tolist():
            start = time.perf_counter()
            _, lengths = next(ways[name])
            taken[name] = (time.perf_counter() - start) / sum(lengths)
        yield taken


def tabulate_speed(manifest: Manifest, name: str, repeats: int) -> list[list[str]]:
    """Measure a row for each way to read one corpus: medians over batches, and of the ratios within a batch."""
    loaders = build_readers(manifest)
    check_equal(loaders)
    turns = [taken for epoch in range(1, repeats + 1) for taken in time_turns(loaders, epoch)]
    seconds = {way: np.array([taken[way] for taken in turns]) for way in loaders}  # a frame
    frames = np.mean([loaders["folder"].dataset.lengths(epoch) for epoch in range(1, repeats + 1)])
    rows = []
    for way, taken in seconds.items():
        rate = 1 / np.median(taken)
        ratios = (np.median(seconds[base] / taken) for base in ("naive", "naive float", "folder"))
        rows.append([f"{way}, {name}", f"{rate:.0f}", f"{rate / frames:.2f}", *(f"{ratio:.2f}x" for ratio in ratios)])
    return rows


def measure_padding(config: Config, manifest: Manifest) -> np.ndarray:
    """Count two shares of all frames in batches (2,), means over epochs: edges, and padding for the longest clip."""
    loader = build_training_loader(config, manifest)
    spec, shares = loader.dataset.spec, []
    for epoch in EPOCHS:
        loader.sampler.epoch = epoch
        lengths = np.array(loader.dataset.lengths(epoch))
        own = np.array([spec.padded_length(length) for length in lengths.tolist()])
        places = [[index for _, index in batch] for batch in loader.batch_sampler]
        total = sum(len(batch) * own[batch].max() for batch in places)
        shares.append([(own - lengths).sum() / total, 1 - own.sum() / total])
    return np.mean(shares, axis=0)


def tabulate_padding(count: int) -> list[list[str]]:
    """Count a row for each batch size without and with buckets."""
    manifest, rows = draw_manifest(count, Path()), []
    for size in (2, 8):
        plain, bucket = (
            measure_padding(configure(batch_size=size, **{"feeder_args.bucket": wanted}), manifest)
            for wanted in (False, True)
        )
        for name, (edges, others) in (("shuffled", plain), ("bucket", bucket)):
            ratios = (f"{value:.2f}x" for value in ((edges + others) / plain.sum(), others / plain[1]))
            cells = (f"{100 * share:.1f} %" for share in (edges + others, edges, others))
            rows.append([f"{name}, batches of {size}", *cells, *ratios])
    return rows


def main(args: argparse.Namespace) -> None:
    """Print what is measured and the tables."""
    cv2.setNumThreads(1)  # as in a worker
    feeder = configure().feeder_args
    with tempfile.TemporaryDirectory() as folder:
        manifests = write_corpora(args.clips, Path(folder))
        count = sum(clip.num_frames for clip in manifests["png"].clips)
        print(
            f"{args.clips} clips, {count} frames of {FRAME_SIZE}x{FRAME_SIZE}, crops of {feeder.input_size}, lengths "
            f"+-{100 * feeder.temporal_scale:.0f} %, batches of {configure().batch_size}; one process, OpenCV "
            f"{cv2.__version__}; medians of {args.repeats} passes' batches"
        )
        rows = [tabulate_speed(manifest, suffix.upper(), args.repeats) for suffix, manifest in manifests.items()]
        print(format_table(SPEED, list(chain.from_iterable(rows))))
        workers = available_cores()
        batches = measure_batches(manifests, Path(folder), workers, args.repeats)
        clip = manifests["png"].clip_folder(manifests["png"].clips[0])
        formats = tabulate_formats(read_some_frames(args.frames or clip), args.repeats)
    print(f"\nbatches of {configure().batch_size} from {plural(workers, 'worker')}, through shared memory")
    print(format_table(BATCHES, batches))
    print(f"\nformats, on frames of {args.frames or 'the rendered clips'}; difference of pixels in grey levels of 255")
    print(format_table(FORMATS, formats))
    drawn = draw_lengths(args.lengths)
    spread = f"{min(drawn)} to {max(drawn)} frames, mean {np.mean(drawn):.0f}"
    print(f"\n{args.lengths} clips of {spread}; means of {len(EPOCHS)} epochs")
    print(format_table(PADDING, tabulate_padding(args.lengths)))


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default, what in (
        ("clips", 6, "that are rendered and read"), ("repeats", 5, "passes over them"),
        ("lengths", CLIPS, "clips whose padding is counted"),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{what} (default %(default)s)")
    parser.add_argument("--frames", type=named_path, metavar="DIR", help="a folder of images to compare formats on")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
