"""Measure confidences: python -m benchmarks.confidence --model_path work_dir/quickstart/best.pt

Calibrates the network on dev, as the end of a training does. Then it says how well confidences agree with what is
right on test (expected calibration error and Brier score), and how many clips are noticed that hold no signing, or none
as the network knows it: one colour, noise, text, a moving ball, still frames, and test clips that are blurred, upside
down or shuffled. It says the same of true test clips.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from dataset.frames import read_frames
from dataset.manifest import load_manifest
from engine.calibrate import calibrate_network, judge_words
from evaluation.calibration import ClipMeasures
from evaluation.evaluate import evaluate, load_evaluation_data
from evaluation.inference.recogniser import Recogniser
from utils.output import run_command
from utils.table import format_table

BINS = 10
FRAMES = 60


def compute_calibration_error(confidences: Sequence[float], correct: Sequence[bool]) -> float:
    """The expected calibration error: how far confidence and share of right glosses lie apart, over equal bins."""
    given, right = np.asarray(confidences), np.asarray(correct, float)
    places = np.minimum((given * BINS).astype(int), BINS - 1)
    parts = [places == place for place in range(BINS)]
    return float(sum(abs(given[part].sum() - right[part].sum()) for part in parts) / len(given))


def compute_brier_score(confidences: Sequence[float], correct: Sequence[bool]) -> float:
    """The mean square of what lies between a confidence and 1 (right) or 0 (wrong)."""
    return float(np.mean((np.asarray(confidences) - np.asarray(correct, float)) ** 2))


def make_foreign_clips(size: int, clips: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """Make clips (T, S, S, 3) that hold no signing as the network knows it, each with its kind.

    Args:
        size: the side of the frames, in pixels.
        clips: true clips by their ids.
    """
    draw = np.random.default_rng(0)
    for level in (0, 64, 128, 192, 255):
        yield "one colour", np.full((FRAMES, size, size, 3), level, np.uint8)
        grain = level + draw.normal(0, 5, (FRAMES, size, size, 3))
        yield "one colour with grain", np.clip(grain, 0, 255).astype(np.uint8)
    for cells in (size, size // 4, size // 12):
        noise = draw.integers(0, 256, (FRAMES, cells, cells, 3), dtype=np.uint8)
        yield "noise", np.stack([cv2.resize(frame, (size, size)) for frame in noise])
    for word in ("HELLO", "1 2 3", "weather"):
        pages = np.zeros((FRAMES, size, size, 3), np.uint8)
        for number, page in enumerate(pages):
            cv2.putText(page, word, (2, 10 + number % (size - 10)), cv2.FONT_HERSHEY_SIMPLEX, size / 150, (255,) * 3)
        yield "text", pages
    for phase in range(3):
        skies = np.full((FRAMES, size, size, 3), (60, 120, 180), np.uint8)
        for number, sky in enumerate(skies):
            centre = [round(size * (0.5 + 0.3 * turn(number / 6 + phase))) for turn in (math.sin, math.cos)]
            cv2.circle(sky, centre, size // 8, (230, 180, 150), -1)
        yield "moving ball", skies
    for frames in clips.values():
        yield "still frame, first", np.repeat(frames[:1], FRAMES, axis=0)
        yield "still frame, middle", np.repeat(frames[len(frames) // 2][None], FRAMES, axis=0)
        yield "blurred", np.stack([cv2.GaussianBlur(frame, (0, 0), size / 9) for frame in frames])
        yield "shuffled", frames[draw.permutation(len(frames))]
        yield "upside down", frames[:, ::-1]


def main(args: argparse.Namespace) -> None:
    """Measure and print two tables."""
    recogniser = Recogniser.from_checkpoint(args.model_path, "cpu")
    config = replace(recogniser.config, num_worker=0, prepared=args.prepared or recogniser.config.prepared)
    model = recogniser.network.model
    data = {split: load_evaluation_data(config, split, recogniser.vocabulary) for split in ("dev", "test")}
    measures = {split: ClipMeasures() for split in data}
    with tempfile.TemporaryDirectory() as folder:
        results = {
            split: evaluate(config, model, part, recogniser.vocabulary, Path(folder), measures[split])
            for split, part in data.items()
        }
    found = calibrate_network(results["dev"], measures["dev"])
    print(found)
    shares, correct = judge_words(results["test"])
    calibrated = [found.adjust(share) for share in shares]
    rows = [
        [
            name,
            f"{np.mean(values):.3f}",
            f"{np.mean(correct):.3f}",
            f"{compute_calibration_error(values, correct):.3f}",
            f"{compute_brier_score(values, correct):.4f}",
        ]
        for name, values in (("share of the n-best list", shares), ("calibrated", calibrated))
    ]
    print(format_table(["confidence on test", "mean", "right", "calibration error", "Brier score"], rows))
    manifest = load_manifest(config.prepared, config.dataset, "test")
    true = {clip.id: read_frames(manifest.clip_folder(clip)) for clip in manifest.clips}
    reader = replace(recogniser, calibration=found)
    noticed: dict[str, list[bool]] = {}
    kinds = [*(("true clip", frames) for frames in true.values()), *make_foreign_clips(manifest.frame_size, true)]
    for kind, frames in kinds:
        noticed.setdefault(kind, []).append(bool(reader.recognise(frames).doubts))
    counts = [[kind, str(len(flags)), f"{np.mean(flags):.1%}"] for kind, flags in noticed.items()]
    print(format_table(["kind", "clips", "noticed"], counts))


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model_path", "--model-path", type=Path, required=True, help="a checkpoint of this project")
    parser.add_argument("--prepared", help="where its corpus is prepared, if not where its configuration says")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(lambda: main(parse_args()))
