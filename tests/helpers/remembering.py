"""A network that was trained on nothing and reads the clips of a corpus right: it knows their frames again."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from config.load import load_config
from dataset.vocabulary import Vocabulary
from evaluation.inference.recogniser import Recogniser

STEP = 4  # frames an output step
LOOK = 16  # pixels, of a side of what is remembered of a frame


class RememberingNetwork:
    """Each frame has the gloss of the remembered one that looks most like it; a step has that of its middle frame.

    Frames of a camera, which have gone through JPEG and come at other moments, are known again all the same.

    Attributes:
        gate: while it is closed nothing is read.
    """

    def __init__(self, seen: np.ndarray, classes: Sequence[int], num_classes: int) -> None:
        """Remember frames (N, 3, S, S) uint8 with their classes (N,), 0 where nothing is signed."""
        self._looks, self._classes = _shrink(seen), np.asarray(classes)
        self._num_classes = num_classes
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, video: np.ndarray) -> np.ndarray:
        """Frames (T, 3, S, S) uint8 -> logits (T', V) float32."""
        self.gate.wait(60)
        middles = np.minimum(np.arange(0, len(video), STEP) + STEP // 2, len(video) - 1)
        looks = _shrink(video[middles])
        nearest = ((looks[:, None] - self._looks[None]) ** 2).sum(-1).argmin(1)
        return (8 * np.eye(self._num_classes)[self._classes[nearest]]).astype(np.float32)


def _shrink(video: np.ndarray) -> np.ndarray:
    """Frames (T, 3, S, S) -> (T, C), a small picture of each."""
    pictures = video.transpose(0, 2, 3, 1)
    small = [cv2.resize(picture, (LOOK, LOOK), interpolation=cv2.INTER_AREA) for picture in pictures]
    return np.stack(small).reshape(len(video), -1).astype(np.float32)


def remember(corpus: Path, split: str) -> Recogniser[RememberingNetwork]:
    """A recogniser that knows the clips of a split of a rendered corpus."""
    boundaries = json.loads((corpus / "gloss-boundaries.json").read_text())["clips"][split]
    glosses = sorted({gloss for clip in boundaries.values() for gloss, _, _ in clip})
    vocabulary = Vocabulary(glosses)
    config, _ = load_config(None, {"dataset": "phoenix2014", "feeder_args.input_size": 64})
    recogniser = Recogniser(lambda seen: seen, config, vocabulary, 72, rendered=True)
    seen, classes = [], []
    for name, clip in boundaries.items():
        frames = read_clip(corpus, split, name)
        signed = np.zeros(len(frames), int)
        for gloss, start, end in clip:
            signed[start:end] = 1 + glosses.index(gloss)
        seen.append(recogniser.crop(frames))
        classes.append(signed)
    network = RememberingNetwork(np.concatenate(seen), np.concatenate(classes), 1 + len(glosses))
    return replace(recogniser, network=network)


def read_sentences(corpus: Path, split: str) -> dict[str, list[str]]:
    """The glosses of each clip of a split."""
    clips = json.loads((corpus / "gloss-boundaries.json").read_text())["clips"][split]
    return {name: [gloss for gloss, _, _ in clip] for name, clip in clips.items()}


def read_clip(corpus: Path, split: str, name: str) -> np.ndarray:
    """The frames of a clip as they were rendered, (T, H, W, 3) RGB."""
    folder = next(corpus.glob(f"**/fullFrame-210x260px/{split}/{name}"))
    return np.stack([cv2.imread(str(path))[..., ::-1] for path in sorted(folder.rglob("*.png"))])
