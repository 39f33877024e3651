"""Is the network learning, or does the answer leak? python -m benchmarks.leakage

Trains the quickstart with shuffled training labels: each clip gets the label of another one. The network can then learn
how sentences are written, but not what is signed: WER on dev and test must stay near 100 %.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from config.layers import FOLDER
from config.load import load_config
from config.schema import Config
from dataset.manifest import Manifest
from engine.run import run
from utils.output import run_command


def shuffle_labels(manifest: Manifest, seed: int) -> Manifest:
    """Give each clip the label of another one.

    Folders become absolute, since the result is saved elsewhere.
    """
    shuffled = np.random.default_rng(seed).permutation(len(manifest.clips))
    # Along one cycle through all clips, so that none keeps its own label.
    giver = dict(zip(shuffled.tolist(), np.roll(shuffled, 1).tolist(), strict=True))
    labels = [manifest.clips[giver[index]].glosses for index in range(len(manifest.clips))]
    clips = (
        replace(clip, glosses=label, folder=str(manifest.clip_folder(clip).absolute()))
        for clip, label in zip(manifest.clips, labels, strict=True)
    )
    return replace(manifest, clips=tuple(clips))


def copy_with_shuffled_labels(config: Config, folder: Path) -> Config:
    """Copy a prepared corpus into `folder`, with its training labels shuffled.

    Returns:
        the configuration that reads the copy.
    """
    prepared = Path(config.prepared)
    for file in prepared.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    (folder / "frames").symlink_to((prepared / "frames").absolute())
    shuffle_labels(Manifest.load(prepared / "train.json"), config.random_seed).save(folder / "train.json")
    return replace(config, prepared=str(folder))


def main(args: argparse.Namespace) -> None:
    """Train and print the table."""
    overrides = {"work_dir": args.work_dir, "overwrite": True, "feeder_args.skip_short": True}
    config, _ = load_config(args.config, overrides)
    with TemporaryDirectory() as folder:
        run(copy_with_shuffled_labels(config, Path(folder)), ["training labels are shuffled: this measures leakage"])


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default=str(FOLDER / "quickstart.yaml"), help="configuration to train")
    parser.add_argument("--work-dir", default="./work_dir/leakage", help="run folder (default %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
