"""Measure long videos: python -m benchmarks.long_video --model_path work_dir/quickstart/best.pt

Joins the clips of a split to one video and reads it twice as `test_one_video.py` does: in overlapping windows, and as
evenly spaced frames (--sample), the way of the papers' code.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from dataset.frames import list_frame_files
from dataset.manifest import SPLITS, Manifest, load_manifest
from dataset.video import open_video
from evaluation.inference.reading import Reading
from evaluation.inference.recogniser import Recogniser
from evaluation.inference.transcribe import transcribe
from evaluation.wer import align_glosses
from evaluation.wer_result import SentenceCounts
from utils.output import run_command
from utils.table import format_table

READINGS = {"windows of 360 frames": Reading(), "360 evenly spaced frames": Reading(windows=False)}


def join_clips(manifest: Manifest, folder: Path) -> list[str]:
    """Link the frames of all clips into one folder of images, in their order.

    Returns:
        the glosses that are signed in them.
    """
    images = [image for clip in manifest.clips for image in list_frame_files(manifest.clip_folder(clip))]
    for number, image in enumerate(images):
        (folder / f"{number:06d}{image.suffix}").symlink_to(image.resolve())
    return [gloss for clip in manifest.clips for gloss in clip.glosses]


def main(args: argparse.Namespace) -> None:
    """Measure and print a table."""
    recogniser = Recogniser.from_checkpoint(args.model_path, "cpu")
    config = recogniser.config
    manifest = load_manifest(args.prepared or config.prepared, config.dataset, args.split)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        signed = join_clips(manifest, Path(folder))
        video = open_video(folder, recogniser.frame_rate)
        for name, reading in READINGS.items():
            words = transcribe(recogniser, video, reading, name).words
            counts = SentenceCounts.from_alignment("all", "all", align_glosses(signed, [word.gloss for word in words]))
            numbers = (len(words), counts.correct, counts.substitutions, counts.deletions, counts.insertions)
            rows.append([name, *map(str, numbers), f"{100 * counts.errors / len(signed):.1f} %"])
    print(
        f"{len(manifest.clips)} clips, {video.num_frames} frames, {video.times[-1]:.0f} s, {len(signed)} glosses signed"
    )
    print(format_table(["read in", "glosses read", "right", "S", "D", "I", "WER"], rows))


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model_path", "--model-path", type=Path, required=True, help="a checkpoint of this project")
    parser.add_argument("--prepared", help="where its corpus is prepared, if not where its configuration says")
    parser.add_argument("--split", choices=SPLITS, default="test", help="whose clips are joined (%(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
