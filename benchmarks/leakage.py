"""Is it learning or leaking? python -m benchmarks.leakage

Trains the quickstart with its training labels dealt out anew among the clips. What the network then knows is how
sentences look in writing, not what is signed: WER on dev and test must stay near 100 %.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from config.load import FOLDER, load_config
from config.schema import Config
from dataset.manifest import Manifest
from engine.run import run


def shuffle_labels(manifest: Manifest, seed: int) -> Manifest:
    """The same clips, each with the label of another one; folders become absolute."""
    shuffled = np.random.default_rng(seed).permutation(len(manifest.clips))
    giver = dict(zip(shuffled.tolist(), np.roll(shuffled, 1).tolist(), strict=True))  # nobody gives to himself
    labels = [manifest.clips[giver[index]].glosses for index in range(len(manifest.clips))]
    clips = (
        replace(clip, glosses=label, folder=str(manifest.clip_folder(clip).absolute()))
        for clip, label in zip(manifest.clips, labels, strict=True)
    )
    return replace(manifest, clips=tuple(clips))


def with_shuffled_labels(config: Config, folder: Path) -> Config:
    """The configuration on a copy of the prepared corpus in `folder`, whose training labels are shuffled."""
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
        run(with_shuffled_labels(config, Path(folder)), ["training labels are shuffled: this measures leakage"])


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default=str(FOLDER / "quickstart.yaml"), help="what to train")
    parser.add_argument("--work-dir", default="./work_dir/leakage", help="where to (default %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main(parse_args())
